"""What a buyer owes and has paid: the figures on the invoice, kept in step with its rows under the order's lock."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from accounts.models import User
from auctions.models import CreditNote, Invoice, Listing, Order, Refund
from auctions.models.orders import UNPAID_ORDER
from auctions.services.numbers import CREDIT_NOTE, give_number
from auctions.services.sales import mark_paid
from auctions.services.settling import Subject, lock_order, record
from auctions.services.states import lock_listing
from common.errors import NotFound
from common.money import ZERO


class Account(NamedTuple):
    """An order with its listing and its invoice (None until it is issued), all locked."""

    listing: Listing
    order: Order
    invoice: Invoice | None


def lock_account(order_id: int) -> Account:
    """Listing, order and invoice, in the order of locks: a payment may move all three. Raises NotFound."""
    listing_id = Order.objects.filter(pk=order_id).values_list("listing_id", flat=True).first()
    if listing_id is None:
        raise NotFound
    listing = lock_listing(listing_id)
    order = lock_order(order_id)
    invoice = Invoice.objects.select_for_update(of=("self",), no_key=True).filter(order_id=order_id).first()
    if invoice is not None:
        invoice.order = order  # Its balance depends on the order's status, which may change under the lock.
    return Account(listing, order, invoice)


def take_money(account: Account, amount: Decimal, *, actor: User | None, now: datetime) -> None:
    """Count money that came in for an order, or went back (below zero), and draw the consequences. An order that owed
    and owes nothing more is paid; one that is cancelled or defaulted stays so, and the money is a credit."""
    invoice = account.invoice
    if invoice is None:
        raise RuntimeError("Money without an invoice.")
    invoice.paid += amount
    settle(account, actor=actor, now=now)


def settle(account: Account, *, actor: User | None, now: datetime) -> None:
    """Save a locked invoice whose `paid`, `credited` or refunds changed, with the status that follows."""
    invoice, order = account.invoice, account.order
    if invoice is None:
        raise RuntimeError("Nothing to settle without an invoice.")
    invoice.status = status_of(invoice, now=now)
    invoice.save(update_fields=["paid", "credited", "status"])
    if invoice.status == Invoice.Status.PAID and order.status in UNPAID_ORDER:
        mark_paid(order, account.listing, actor=actor, now=now)


def status_of(invoice: Invoice, *, now: datetime) -> Invoice.Status:
    """What its figures, the refunds of its order and its due date make of an invoice."""
    if invoice.credited == invoice.total and invoice.total > 0:
        return Invoice.Status.VOID
    if invoice.balance <= 0:
        return Invoice.Status.PAID
    if now >= invoice.due_at:
        return Invoice.Status.OVERDUE
    return Invoice.Status.PARTIALLY_PAID if invoice.paid > 0 else Invoice.Status.OPEN


def overpaid(invoice: Invoice) -> Decimal:
    """The buyer's credit: what was paid beyond what the invoice asks for."""
    return max(-invoice.balance, ZERO)


def credit_invoice(
    account: Account,
    amount: Decimal,
    *,
    reason: str,
    actor: User | None,
    now: datetime,
    refund: Refund | None = None,
) -> CreditNote:
    """Take back some of a locked invoice by a credit note with a number of its own. The order's status does not follow
    from it: `settle` is the caller's, after `paid` is right too. No more than is left can be credited (constraint)."""
    invoice = account.invoice
    if invoice is None:
        raise RuntimeError("Nothing to credit without an invoice.")
    year, sequence, number = give_number(CREDIT_NOTE, now=now)
    note = CreditNote.objects.create(
        number=number,
        year=year,
        sequence=sequence,
        invoice=invoice,
        refund=refund,
        amount=amount,
        reason=reason[:500],
        issued_at=now,
        issued_by=actor,
    )
    invoice.credited += amount
    details = {"number": number, "amount": str(amount), "currency": invoice.currency}
    record(note, Subject.CREDIT_NOTE, new="issued", actor=actor, now=now, reason=reason, details=details)
    return note
