"""Orders in every state, brought there by the services: what the tests of the settlement start from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from auctions.models import Invoice, Order, Payment, TitleTransfer
from auctions.services.balances import lock_account, take_money
from auctions.services.invoicing import issue_invoice
from auctions.services.payouts import make_payout
from auctions.services.progress import advance
from tests.auctions.factories import OrderFactory, PaymentFactory

TOTAL = Decimal("1325.00")  # 1,000.00 and a premium of 250.00 and 75.00 for the title.


def reread(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def invoice_of(order: Order) -> Invoice:
    return Invoice.objects.get(order=order)


@transaction.atomic
def invoiced_order(**fields: Any) -> Order:
    """To be picked up, and not paid."""
    order = OrderFactory(delivery="self_pickup", **fields)
    issue_invoice(lock_account(order.pk), actor=None, now=timezone.now())
    return reread(order)


@transaction.atomic
def pay(order: Order, amount: Decimal = TOTAL) -> Payment:
    """By wire."""
    payment: Payment = PaymentFactory(order=order, amount=amount, provider="manual", status="succeeded")
    take_money(lock_account(order.pk), amount, actor=None, now=timezone.now())
    return payment


def paid_order(**fields: Any) -> Order:
    order = invoiced_order(**fields)
    pay(order)
    return reread(order)


@transaction.atomic
def delivered_order(*, title: str = "completed", **fields: Any) -> Order:
    """Picked up; the title is the buyer's, or where `title` says. The seller's payout is due."""
    order = lock_account(paid_order(**fields).pk).order
    completed_at = timezone.now() if title == "completed" else None
    TitleTransfer.objects.filter(order=order).update(status=title, completed_at=completed_at)
    make_payout(order, actor=None, now=timezone.now())
    order.gate_passes.update(used_at=timezone.now())
    advance(order, Order.Status.DELIVERED, actor=None, now=timezone.now())
    return reread(order)
