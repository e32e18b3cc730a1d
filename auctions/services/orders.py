"""What becomes of an order beside its payment: how it is to be delivered, cancelled, disputed, resolved, completed, and
what happens when nobody pays.

Lock order: listing, order and invoice (`lock_account`), what belongs to the order, then the sequence of credit notes.
Payments take the same locks first, so each of these either sees the money or makes it a credit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from auctions.models import Invoice, Order, Payment, SettlementEvent, TitleTransfer
from auctions.models.orders import UNPAID_ORDER
from auctions.services.balances import Account, credit_invoice, lock_account, settle
from auctions.services.gate_passes import (
    cancel_planned_transport,
    decide_for_pickup,
    has_left,
    issue_pass,
    require_on_the_lot,
    revoke_pass,
)
from auctions.services.invoicing import issue_invoice
from auctions.services.payments import under_way
from auctions.services.payouts import cancel_payout, hold_payout, release_payout
from auctions.services.refunds import refundable, request_refund
from auctions.services.sales import release_listing
from auctions.services.settling import ORDER_MOVES, Subject, move, order_id_of
from auctions.services.titles import cancel_title
from auctions.services.transport import DeliveryDecided
from common.errors import Conflict
from common.sweeps import SweepResult, sweep_ids
from common.transitions import check_transition

Status = Order.Status

TIME_TO_DISPUTE = timedelta(days=14)  # After completion.
# Where the buyer may still say how the car is fetched: nothing has been planned.
_PICKUP_MOVES: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (*UNPAID_ORDER, Status.PAID, Status.TITLE_PROCESSING), ("self_pickup",)
)
# A dispute ends by `resolve_dispute` alone.
_COMPLETE_MOVES = {**ORDER_MOVES, Status.DISPUTED: ("refunded",)}
_RESOLVE_MOVES: Mapping[str, tuple[str, ...]] = {Status.DISPUTED: ORDER_MOVES[Status.DISPUTED]}
_OF_BUYER = {Subject.INVOICE, Subject.CREDIT_NOTE, Subject.PAYMENT, Subject.REFUND}
_OF_SELLER = {Subject.PAYOUT}


class MoneyReceived(Conflict):
    """An order is cancelled without money: what was paid is refunded first. `meta.paid` says how much there is."""

    code = "money_received"
    detail = "Refund what was paid first."


class PaymentInProgress(Conflict):
    """It may succeed yet."""

    code = "payment_in_progress"
    detail = "A payment of this order is being processed."


class DisputeTooLate(Conflict):
    """Completed orders can be disputed for two weeks; `meta.until` was the end of it."""

    code = "dispute_too_late"
    detail = "This order was completed too long ago."


class TitleNotCompleted(Conflict):
    """The buyer needs the car and its title; `meta.status` is the title's."""

    code = "title_not_completed"
    detail = "The title of this car is not the buyer's yet."


def events_for(order: Order, viewer: User) -> QuerySet[SettlementEvent]:
    """The order's timeline as somebody may see it who sees the order: what is between the buyer and the house, or the
    seller and the house, is only for these; staff see what happened to the rows that they may view."""
    subjects = {subject for subject in Subject if may_view(viewer, subject)}
    if viewer.pk == order.buyer_id:
        subjects |= set(Subject) - _OF_SELLER
    if viewer.pk == order.seller_id:
        subjects |= set(Subject) - _OF_BUYER
    return order.events.filter(subject__in=subjects).select_related("order").order_by("id")


def may_view(viewer: User, subject: str) -> bool:
    """All rows of that kind, whosever they are."""
    return viewer.has_perm(f"auctions.view_{subject.replace('_', '')}")


# --- Delivery and completion


@transaction.atomic
def choose_self_pickup(*, order_id: int, actor: User, now: datetime) -> Order:
    """The buyer comes for the car: a transport that was only asked for is cancelled, and the invoice is issued unless
    there is one. Raises InvalidTransition, DeliveryDecided (409), NotFound."""
    account = lock_account(order_id)
    order = account.order
    check_transition(current=order.status, to="self_pickup", allowed=_PICKUP_MOVES)
    if order.delivery:
        raise DeliveryDecided(meta={"delivery": order.delivery})
    decide_for_pickup(order, reason="The buyer picks the car up.", actor=actor, now=now)
    if account.invoice is None:
        issue_invoice(account, actor=actor, now=now)
    return order


@transaction.atomic
def complete_order(*, order_id: int, actor: User, now: datetime) -> Order:
    """The car is there and its title is the buyer's. Raises InvalidTransition, TitleNotCompleted (409), NotFound."""
    order = lock_account(order_id).order
    check_transition(current=order.status, to=Status.COMPLETED, allowed=_COMPLETE_MOVES)
    title = TitleTransfer.objects.filter(order=order).first()
    if title is None or title.status != TitleTransfer.Status.COMPLETED:
        raise TitleNotCompleted(meta={"status": title.status if title else None})
    move(order, Status.COMPLETED, actor=actor, now=now)
    return order


# --- Disputes


@transaction.atomic
def dispute_order(*, order_id: int, actor: User, reason: str, now: datetime) -> Order:
    """Stop a paid order until somebody has decided: the car may not leave, and the seller is not paid out. Raises
    InvalidTransition, DisputeTooLate (409), NotFound."""
    order = lock_account(order_id).order
    if order.status == Status.COMPLETED:
        _require_recent(order, now=now)
    move(order, Status.DISPUTED, actor=actor, now=now, reason=reason, disputed_from=order.status)
    revoke_pass(order, reason=reason, actor=actor, now=now)
    hold_payout(order, actor=actor, now=now, reason=reason)
    return order


def _require_recent(order: Order, *, now: datetime) -> None:
    """Counted from the first completion, which a dispute that went back does not renew. Raises DisputeTooLate."""
    completions = SettlementEvent.objects.filter(subject=Subject.ORDER, subject_id=order.pk, new=Status.COMPLETED)
    completed_at = completions.order_by("id").values_list("at", flat=True).first()
    if completed_at is not None and now > completed_at + TIME_TO_DISPUTE:
        raise DisputeTooLate(meta={"until": completed_at + TIME_TO_DISPUTE})


@transaction.atomic
def resolve_dispute(*, order_id: int, actor: User, outcome: str, reason: str = "", now: datetime) -> Order:
    """End a dispute: `back`, the sale goes on where it was; `refund`, it is undone and all that was paid goes back.
    Raises InvalidTransition (409), NotFound."""
    account = lock_account(order_id)
    order = account.order
    to = Status.REFUNDED if outcome == "refund" else order.disputed_from or "back"
    check_transition(current=order.status, to=to, allowed=_RESOLVE_MOVES)
    move(order, to, actor=actor, now=now, reason=reason, disputed_from="")
    if outcome == "refund":
        _undo(account, actor=actor, now=now, reason=reason or f"Order {order.order_number} is refunded.")
    else:
        release_payout(order, actor=actor, now=now)
        issue_pass(order, actor=actor, now=now)
    return order


def _undo(account: Account, *, actor: User, now: datetime, reason: str) -> None:
    """Everything that was paid is asked back, and the invoice asks for nothing any more, so that the refunds credit
    nothing a second time."""
    order = account.order
    for payment in Payment.objects.filter(order=order, status=Payment.Status.SUCCEEDED).order_by("pk"):
        left = refundable(payment)
        if left > 0:
            request_refund(account, payment, amount=left, reason=reason, actor=actor, now=now)
    _stop_delivery(order, actor=actor, now=now, reason=reason)
    if not has_left(order):
        cancel_planned_transport(order, reason=reason, actor=actor, now=now)
    _void_invoice(account, actor=actor, now=now, reason=reason)


# --- Cancelling and default


@transaction.atomic
def cancel_order(*, order_id: int, actor: User, reason: str, now: datetime) -> Order:
    """Take back a sale that holds no money: nothing was paid, or all was refunded. Unpaid, its listing is on the market
    again. Raises InvalidTransition, GatePassUsed, PaymentInProgress, MoneyReceived (409), NotFound."""
    account = lock_account(order_id)
    order = account.order
    was_unpaid = order.status in UNPAID_ORDER
    check_transition(current=order.status, to=Status.CANCELLED, allowed=ORDER_MOVES)
    require_on_the_lot(order)
    if under_way(order) > 0:
        raise PaymentInProgress
    if account.invoice is not None and account.invoice.paid > 0:
        raise MoneyReceived(meta={"paid": account.invoice.paid})
    move(order, Status.CANCELLED, actor=actor, now=now, reason=reason)
    _stop_delivery(order, actor=actor, now=now, reason=reason)
    cancel_planned_transport(order, reason=reason, actor=actor, now=now)
    if was_unpaid:
        release_listing(order, account.listing, actor=actor, now=now)
    _void_invoice(account, actor=actor, now=now, reason=reason)
    return order


def chase_orders(*, now: datetime) -> SweepResult:
    """Mark the orders overdue that were to be paid by now, and end those that stayed so for too long; then the invoices
    that were issued late. Each has its own transaction; a payment that comes at the same moment is there before or
    afterwards."""
    sweeps = (
        sweep_ids(Order.objects.due_to_be_overdue(now), partial(_become_overdue, now=now)),
        sweep_ids(Order.objects.due_to_default(now), partial(_default, now=now)),
        sweep_ids(_unpaid_invoices(now), partial(_mark_invoice_overdue, now=now)),
    )
    return SweepResult(sum(sweep.done for sweep in sweeps), sum(sweep.failed for sweep in sweeps))


@transaction.atomic
def _become_overdue(order_id: int, *, now: datetime) -> bool:
    account = lock_account(order_id)
    order = account.order
    if order.status != Status.AWAITING_PAYMENT or order.payment_due_at > now or _awaits_quote(order):
        return False
    move(order, Status.OVERDUE, actor=None, now=now, details={"default_at": order.default_at.isoformat()})
    if account.invoice is not None:
        settle(account, actor=None, now=now)
    return True


@transaction.atomic
def _default(order_id: int, *, now: datetime) -> bool:
    """What was paid in part stays as the buyer's credit, for finance to decide on."""
    account = lock_account(order_id)
    order = account.order
    if order.status != Status.OVERDUE or order.default_at > now or _awaits_quote(order) or under_way(order) > 0:
        return False
    reason = "It was not paid."
    move(order, Status.DEFAULTED, actor=None, now=now, reason=reason)
    cancel_planned_transport(order, reason=reason, actor=None, now=now)
    release_listing(order, account.listing, actor=None, now=now)
    _void_invoice(account, actor=None, now=now, reason=reason)
    return True


def _awaits_quote(order: Order) -> bool:
    """As the querysets of the sweeps say it: the buyer cannot pay yet."""
    return Order.objects.awaiting_quote().filter(pk=order.pk).exists()


def _unpaid_invoices(now: datetime) -> QuerySet[Invoice]:
    """Past due, and not marked yet: that of an order is marked with it, unless it was issued when the order was overdue
    already."""
    return Invoice.objects.filter(status__in=[Invoice.Status.OPEN, Invoice.Status.PARTIALLY_PAID], due_at__lte=now)


@transaction.atomic
def _mark_invoice_overdue(invoice_id: int, *, now: datetime) -> bool:
    account = lock_account(order_id_of(Invoice, invoice_id))
    if not _unpaid_invoices(now).filter(pk=invoice_id).exists():
        return False
    settle(account, actor=None, now=now)
    return True


# --- Parts


def _stop_delivery(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The car stays, its title too, and nobody is paid out for it."""
    revoke_pass(order, reason=reason, actor=actor, now=now)
    cancel_title(order, actor=actor, now=now, reason=reason)
    cancel_payout(order, actor=actor, now=now, reason=reason)


def _void_invoice(account: Account, *, actor: User | None, now: datetime, reason: str) -> None:
    """Credit all that a locked invoice still asks for."""
    invoice = account.invoice
    if invoice is None:
        return
    if invoice.due > 0:
        credit_invoice(account, invoice.due, reason=reason, actor=actor, now=now)
    settle(account, actor=actor, now=now)
