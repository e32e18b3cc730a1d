"""Invoices of sales and what they are issued for, for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import CreditNote, Invoice, Order, TransportOrder
from auctions.services.balances import credit_invoice, lock_account, settle
from auctions.services.invoicing import invoice_order
from tests.auctions.factories import BidderFactory, OrderFactory

VIN = "1HGCV1F34JA000001"
TAXED = DEFAULT_SCHEDULE | {"tax_rates": {"NY": "8.875"}, "taxable": ["hammer", "buyer_premium", "transport"]}


def order_of(**fields: Any) -> Order:
    """The sale of the worked example, with the car's transport booked unless told otherwise."""
    transport = fields.pop("transport", "booked")
    order: Order = OrderFactory(hammer_price=Decimal(15000), **fields)
    if transport:
        TransportOrder.objects.create(
            order=order,
            status=transport,
            pickup_address="Lot 4, Albany",
            delivery_address="12 Elm Street,\nAlbany",
            quoted_price=Decimal("450.00"),
            currency=order.currency,
        )
    return order


def issued(order: Order | None = None, **fields: Any) -> Invoice:
    return invoice_order(order_id=(order or order_of(**fields)).pk, actor=None, now=timezone.now())


def buyer(**fields: Any) -> User:
    """Ada, at home in Albany."""
    home = {
        "first_name": "Ada", "last_name": "Bidder",
        "address_line1": "12 Elm Street", "address_city": "Albany", "address_state": "NY", "address_zip": "12207",
        "address_country": "US",
    }  # fmt: skip
    return BidderFactory(**home | fields)


def credited(invoice: Invoice, amount: str, reason: str = "A scratch.") -> CreditNote:
    with transaction.atomic():
        account = lock_account(invoice.order_id)
        note = credit_invoice(account, Decimal(amount), reason=reason, actor=None, now=timezone.now())
        settle(account, actor=None, now=timezone.now())
    return note
