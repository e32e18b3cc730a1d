"""Invoices of sales: frozen when they are issued, numbered without gaps.

Lock order: listing, order and invoice (`lock_account`), then the sequence of numbers, last: whoever holds it makes all
others who need a number wait. One invoice per order is a constraint too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from auctions import fees
from auctions.models import Invoice, InvoiceLine, Listing, Order, TransportOrder
from auctions.models.orders import UNPAID_ORDER
from auctions.services.balances import Account, lock_account
from auctions.services.numbers import INVOICE, give_number
from auctions.services.settling import Subject, record
from auctions.us_states import state_code
from common.errors import Conflict
from common.money import ZERO
from common.transitions import check_transition

TIME_TO_PAY = timedelta(days=1)  # At least; an order that waited for a quote of transport is not overdue at once.
_INVOICE_MOVES = dict.fromkeys(UNPAID_ORDER, ("invoiced",))
NOT_CHARGED = (TransportOrder.Status.QUOTE_REQUESTED, TransportOrder.Status.QUOTED, TransportOrder.Status.CANCELLED)


class AlreadyInvoiced(Conflict):
    """An order has one invoice; `meta` names it."""

    code = "already_invoiced"
    detail = "This order has an invoice."


@transaction.atomic
def invoice_order(*, order_id: int, actor: User | None, now: datetime) -> Invoice:
    """Issue the invoice of an order at once, whether its transport is settled or not. Raises AlreadyInvoiced,
    InvalidTransition (the order is not unpaid), NotFound."""
    return issue_invoice(lock_account(order_id), actor=actor, now=now)


def issue_invoice(account: Account, *, actor: User | None, now: datetime) -> Invoice:
    """Freeze what the buyer of a locked order owes: price, premium, title, the transport that was booked, and the tax
    of the buyer's state, by `auctions.fees.quote` on the order's fee schedule. The buyer has a day to pay at least.
    Raises AlreadyInvoiced (409), InvalidTransition (the order is not unpaid)."""
    order, listing = account.order, account.listing
    if account.invoice is not None:
        raise AlreadyInvoiced(meta={"invoice": account.invoice.pk, "number": account.invoice.number})
    check_transition(current=order.status, to="invoiced", allowed=_INVOICE_MOVES)
    leave_time_to_pay(order, now=now)
    invoice = _snapshot(order, listing)
    transport = order.transport_orders.exclude(status__in=NOT_CHARGED).first()
    lines = list(_lines(order, listing, transport, invoice.buyer_state))
    invoice.tax_total = sum((line.amount for line in lines if line.kind == "tax"), ZERO)
    invoice.total = sum((line.amount for line in lines), ZERO)
    invoice.subtotal = invoice.total - invoice.tax_total
    invoice.issued_at, invoice.issued_by = now, actor
    invoice.year, invoice.sequence, invoice.number = give_number(INVOICE, now=now)
    invoice.save(force_insert=True)
    for line in lines:
        line.invoice = invoice
    InvoiceLine.objects.bulk_create(lines)
    details = {
        "number": invoice.number,
        "amount": str(invoice.total),
        "currency": invoice.currency,
        "due_at": invoice.due_at.isoformat(),
    }
    record(invoice, Subject.INVOICE, new="issued", actor=actor, now=now, details=details)
    return invoice


def leave_time_to_pay(order: Order, *, now: datetime) -> None:
    """Put off the due dates of an order that nobody could pay before, both by the same time."""
    late = now + TIME_TO_PAY - order.payment_due_at
    if late > timedelta():
        order.payment_due_at += late
        order.default_at += late
        order.save(update_fields=["payment_due_at", "default_at", "updated_at"])


def _snapshot(order: Order, listing: Listing) -> Invoice:
    buyer = order.buyer
    return Invoice(
        order=order,
        buyer_name=buyer.get_full_name()[:300],
        buyer_email=buyer.email,
        buyer_address=_address_of(buyer)[:500],
        buyer_state=_state_of(buyer),
        vehicle_text=_vehicle_text(listing),
        currency=order.currency,
        due_at=order.payment_due_at,
    )


def _lines(order: Order, listing: Listing, transport: TransportOrder | None, state: str) -> Iterator[InvoiceLine]:
    price = transport.quoted_price if transport is not None else None
    quote = fees.quote(order.fee_schedule, order.hammer_price, transport=price, state=state)
    texts = {
        "hammer": f"{'Hammer price' if order.offer_id is None else 'Price'}, {listing}",
        "buyer_premium": "Buyer's premium",
        "title_processing": "Title processing",
        "transport": f"Transport to {' '.join(transport.delivery_address.split())}" if transport is not None else "",
        "tax": f"Sales tax {state} {_percent(order.fee_schedule['tax_rates'].get(state, '0'))}",
    }
    for position, line in enumerate(quote.lines, start=1):
        yield InvoiceLine(position=position, kind=line.kind, description=texts[line.kind][:300], amount=line.amount)


def _percent(rate: str) -> str:
    """8.875 -> `8.875 %`, 7.000 -> `7 %`."""
    return f"{Decimal(rate).normalize():f} %"


def _vehicle_text(listing: Listing) -> str:
    """`2018 Honda Accord EX, VIN 1HG...`, as far as it is known."""
    named = f"{listing} {listing.trim}".strip()
    return ", ".join([named, *([f"VIN {listing.vin}"] if listing.vin else [])])[:300]


def _address_of(buyer: User) -> str:
    """In lines, as on an envelope."""
    region = " ".join(part for part in (buyer.address_state, buyer.address_zip) if part)
    place = ", ".join(part for part in (buyer.address_city, region) if part)
    return "\n".join(part for part in (buyer.address_line1, buyer.address_line2, place, buyer.address_country) if part)


def _state_of(buyer: User) -> str:
    """Whose tax the buyer pays; blank abroad."""
    return state_code(buyer.address_state) if buyer.address_country in ("", "US") else ""
