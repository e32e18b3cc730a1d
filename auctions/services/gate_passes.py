"""Gate passes: the right to take a car off the lot.

Lock order: the order, then its pass. The order's lock keeps use, revocation and issue apart; the guard in the UPDATE of
`take_pass` and the constraints hold also without it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import User
from auctions.models import GatePass, Invoice, Order, Refund, TransportOrder
from auctions.models.orders import PAID_ORDER
from auctions.services.progress import advance
from auctions.services.settling import GOING_BACK, Subject, lock_order, move, record
from common.errors import Conflict, NotFound
from common.text import new_reference


class GatePassUsed(Conflict):
    """A car leaves once."""

    code = "gate_pass_used"
    detail = "This gate pass was used already."


class GatePassRevoked(Conflict):
    """A dispute, a refund or the end of the sale took it back."""

    code = "gate_pass_revoked"
    detail = "This gate pass was revoked."


def issue_pass(order: Order, *, actor: User | None, now: datetime) -> GatePass | None:
    """Give a locked order the right to its car when nothing is owed and nothing is on hold (no dispute, no refund on
    its way); the one that it has stays. None when something stands against it."""
    gate_pass = pass_of(order)
    if gate_pass is not None or not _may_leave(order):
        return gate_pass
    gate_pass = GatePass.objects.create(code=new_reference("GP"), order=order, issued_at=now)
    record(gate_pass, Subject.GATE_PASS, new="issued", actor=actor, now=now)
    return gate_pass


def _may_leave(order: Order) -> bool:
    if order.status not in PAID_ORDER:
        return False
    invoice = Invoice.objects.filter(order=order).first()
    if invoice is None or invoice.status == Invoice.Status.VOID or invoice.balance > 0:
        return False
    return not Refund.objects.filter(order=order, status__in=GOING_BACK).exists()


def revoke_pass(order: Order, *, reason: str, actor: User | None, now: datetime) -> None:
    """Take the right of a locked order back, unless the car has left or there is none."""
    gate_pass = pass_of(order)
    if gate_pass is None or gate_pass.used_at is not None:
        return
    gate_pass.revoked_at, gate_pass.revoked_reason = now, reason[:200]
    gate_pass.save(update_fields=["revoked_at", "revoked_reason"])
    record(gate_pass, Subject.GATE_PASS, old="issued", new="revoked", actor=actor, now=now, reason=reason)


@transaction.atomic
def use_pass(*, code: str, actor: User, now: datetime) -> GatePass:
    """Let the car out. Without a carrier it is the buyer who came for it, and the order is delivered; one that nobody
    had decided on is self-pickup from now on. Raises NotFound, GatePassUsed, GatePassRevoked, InvalidTransition."""
    found = GatePass.objects.filter(code=code).first()
    if found is None:
        raise NotFound
    order = lock_order(found.order_id)
    gate_pass = take_pass(found, actor=actor, now=now)
    if order.delivery == Order.Delivery.TRANSPORT:
        return gate_pass
    if not order.delivery:
        decide_for_pickup(order, reason="The buyer came for the car.", actor=actor, now=now)
    advance(order, Order.Status.DELIVERED, actor=actor, now=now)
    return gate_pass


def take_pass(gate_pass: GatePass, *, actor: User, now: datetime) -> GatePass:
    """Use the pass of a locked order. Of two who hold the same code one gets through, whatever they read before.
    Raises GatePassUsed, GatePassRevoked."""
    unused = GatePass.objects.filter(pk=gate_pass.pk, used_at=None, revoked_at=None)
    taken = unused.update(used_at=now, used_by=actor)
    gate_pass.refresh_from_db()
    if not taken:
        raise GatePassUsed if gate_pass.revoked_at is None else GatePassRevoked
    record(gate_pass, Subject.GATE_PASS, old="issued", new="used", actor=actor, now=now)
    return gate_pass


def pass_of(order: Order) -> GatePass | None:
    """The pass of an order that was not revoked: at most one (constraint)."""
    return GatePass.objects.filter(order=order, revoked_at=None).first()


def has_left(order: Order) -> bool:
    """Whether the car of a locked order is off the lot."""
    gate_pass = pass_of(order)
    return gate_pass is not None and gate_pass.used_at is not None


def require_on_the_lot(order: Order) -> None:
    """Of a locked order. Raises GatePassUsed."""
    if has_left(order):
        raise GatePassUsed("The car has left on its gate pass.")


def decide_for_pickup(order: Order, *, reason: str, actor: User, now: datetime) -> None:
    """The buyer of a locked order comes for the car; a transport that was only asked for is cancelled."""
    cancel_planned_transport(order, reason=reason, actor=actor, now=now)
    order.delivery = Order.Delivery.SELF_PICKUP
    order.save(update_fields=["delivery", "updated_at"])
    record(order, Subject.ORDER, new="self_pickup", actor=actor, now=now)


def cancel_planned_transport(order: Order, *, reason: str, actor: User | None, now: datetime) -> None:
    """Of a locked order whose car has not left. Nothing happens when there is none."""
    planned = TransportOrder.objects.filter(order=order).exclude(status=TransportOrder.Status.CANCELLED).first()
    if planned is not None:
        move(planned, TransportOrder.Status.CANCELLED, actor=actor, now=now, reason=reason)
