"""How anything between the hammer and the delivered car changes: lock, guard, move, event.

Lock order: user -> listing -> auction -> order -> what belongs to the order (offer, invoice, payment, refund, title,
transport, pass, payout), then a sequence of numbers. Whoever holds an order's row may change all that belongs to it,
and nobody changes any of it without; an offer belongs to its listing (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model

from accounts.models import User
from auctions.models import (
    CreditNote,
    Offer,
    Order,
    Payment,
    Payout,
    Refund,
    SettlementEvent,
    TitleTransfer,
    TransportOrder,
)
from common.doorbell import ring_now_and_then
from common.errors import NotFound
from common.transitions import check_transition

Subject = SettlementEvent.Subject
GOING_BACK = Refund.GOING_BACK
_PAID = ("cancelled", "disputed")  # Where every paid order may go beside the next step.

OFFER_MOVES: Mapping[str, tuple[str, ...]] = {
    Offer.Status.PENDING: ("accepted", "declined", "countered", "withdrawn", "expired", "superseded"),
}
# `cancelled` of a paid order: when all was refunded. A dispute goes back to `disputed_from`, which a service checks.
ORDER_MOVES: Mapping[str, tuple[str, ...]] = {
    Order.Status.AWAITING_PAYMENT: ("paid", "overdue", "cancelled"),
    Order.Status.OVERDUE: ("paid", "defaulted", "cancelled"),
    Order.Status.PAID: ("title_processing", *_PAID),
    Order.Status.TITLE_PROCESSING: ("transport_scheduled", "delivered", *_PAID),
    Order.Status.TRANSPORT_SCHEDULED: ("title_processing", "in_transit", *_PAID),
    Order.Status.IN_TRANSIT: ("delivered", "disputed"),
    Order.Status.DELIVERED: ("completed", "disputed"),
    Order.Status.COMPLETED: ("disputed",),
    Order.Status.DISPUTED: (
        "paid", "title_processing", "transport_scheduled", "in_transit", "delivered", "completed", "refunded",
    ),
}  # fmt: skip
PAYMENT_MOVES: Mapping[str, tuple[str, ...]] = {
    Payment.Status.CREATED: ("requires_action", "processing", "succeeded", "failed", "cancelled"),
    Payment.Status.REQUIRES_ACTION: ("processing", "succeeded", "failed", "cancelled"),
    Payment.Status.PROCESSING: ("succeeded", "failed", "cancelled"),
}
REFUND_MOVES: Mapping[str, tuple[str, ...]] = {
    Refund.Status.REQUESTED: ("approved", "rejected"),
    Refund.Status.APPROVED: ("in_transit",),
    Refund.Status.IN_TRANSIT: ("done", "failed"),
    Refund.Status.FAILED: ("in_transit", "rejected"),
}
TITLE_MOVES: Mapping[str, tuple[str, ...]] = {
    TitleTransfer.Status.PENDING: ("awaiting_seller_documents", "cancelled"),
    TitleTransfer.Status.AWAITING_SELLER_DOCUMENTS: ("received", "cancelled"),
    TitleTransfer.Status.RECEIVED: ("under_review", "cancelled"),
    TitleTransfer.Status.UNDER_REVIEW: ("rejected_documents", "lien_pending", "ready", "cancelled"),
    TitleTransfer.Status.REJECTED_DOCUMENTS: ("received", "cancelled"),
    TitleTransfer.Status.LIEN_PENDING: ("ready", "cancelled"),
    TitleTransfer.Status.READY: ("sent", "cancelled"),
    TitleTransfer.Status.SENT: ("completed", "cancelled"),
}
TRANSPORT_MOVES: Mapping[str, tuple[str, ...]] = {
    TransportOrder.Status.QUOTE_REQUESTED: ("quoted", "cancelled"),
    TransportOrder.Status.QUOTED: ("quoted", "booked", "cancelled"),
    TransportOrder.Status.BOOKED: ("assigned", "cancelled"),
    TransportOrder.Status.ASSIGNED: ("assigned", "picked_up", "cancelled"),
    TransportOrder.Status.PICKED_UP: ("in_transit",),
    TransportOrder.Status.IN_TRANSIT: ("delivered",),
}
PAYOUT_MOVES: Mapping[str, tuple[str, ...]] = {
    Payout.Status.DUE: ("held", "paid", "cancelled"),
    Payout.Status.HELD: ("due", "cancelled"),
}
_MOVES: Mapping[type[Model], tuple[str, Mapping[str, tuple[str, ...]]]] = {
    Offer: (Subject.OFFER, OFFER_MOVES),
    Order: (Subject.ORDER, ORDER_MOVES),
    Payment: (Subject.PAYMENT, PAYMENT_MOVES),
    Refund: (Subject.REFUND, REFUND_MOVES),
    TitleTransfer: (Subject.TITLE_TRANSFER, TITLE_MOVES),
    TransportOrder: (Subject.TRANSPORT_ORDER, TRANSPORT_MOVES),
    Payout: (Subject.PAYOUT, PAYOUT_MOVES),
}


def lock_order(order_id: int) -> Order:
    """The order's row, before all that belongs to it; listing and auction, where they are needed, are locked before.
    Raises NotFound."""
    order = Order.objects.select_for_update(of=("self",), no_key=True).filter(pk=order_id).first()
    if order is None:
        raise NotFound
    return order


def order_id_of(model: type[Model], pk: int) -> int:
    """The order of a row that is named by its id, to be locked before the row is. Raises NotFound."""
    order_id: int | None = model._default_manager.filter(pk=pk).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound
    return order_id


def move(
    row: Any,
    to: str,
    *,
    actor: User | None,
    now: datetime,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    **changes: Any,
) -> SettlementEvent:
    """Change the status of a row whose order (of an offer: whose listing) is locked, with `changes` to other fields,
    and write its event. Raises InvalidTransition."""
    subject, moves = _MOVES[type(row)]
    check_transition(current=row.status, to=to, allowed=moves)
    old = row.status
    for name, value in {"status": to, **changes}.items():
        setattr(row, name, value)
    row.save(update_fields=["status", "updated_at", *changes])
    return record(row, subject, old=old, new=to, actor=actor, now=now, reason=reason, details=details)


def begin(
    row: Any, *, actor: User | None, now: datetime, reason: str = "", details: Mapping[str, Any] | None = None
) -> SettlementEvent:
    """Write the first event of a row that has just been made with its status."""
    subject, _ = _MOVES[type(row)]
    return record(row, subject, new=row.status, actor=actor, now=now, reason=reason, details=details)


def record(
    row: Any,
    subject: str,
    *,
    new: str,
    actor: User | None,
    now: datetime,
    old: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> SettlementEvent:
    """Append to the history of an offer or an order, in the caller's transaction; the notifications follow. For rows
    without a state machine of their own (invoices, credit notes, passes) callers name the subject. Reasons are cut at
    500 characters; `details` are JSON."""
    event = SettlementEvent.objects.create(
        subject=subject,
        subject_id=row.pk,
        order_id=_order_of(row),
        old=old,
        new=new,
        reason=reason[:500],
        details=dict(details or {}),
        actor=actor,
        at=now,
    )
    ring_now_and_then("auctions.tasks.tell_settlements")
    return event


def _order_of(row: Any) -> Any:
    if isinstance(row, Order):
        return row.pk
    if isinstance(row, CreditNote):
        return row.invoice.order_id
    return None if isinstance(row, Offer) else row.order_id
