"""Payouts: what the seller gets. One per order, under the order's lock; its amount never changes.

Lock order: order -> payout.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from auctions.models import Order, Payout
from auctions.services.settling import begin, lock_order, move
from common.errors import NotFound
from common.money import to_cents

Status = Payout.Status


def make_payout(order: Order, *, actor: User | None, now: datetime) -> Payout:
    """A locked order that is paid, and whose title was received, owes its seller the price less the seller's fee. The
    one that it has stays."""
    present = Payout.objects.filter(order=order).first()
    if present is not None:
        return present
    price = order.hammer_price
    # Schedules that were frozen before sellers were charged know no share of theirs.
    fee = to_cents(price * Decimal(order.fee_schedule.get("seller_percent", 0)) / 100)
    payout = Payout.objects.create(
        order=order, price=price, fee=fee, amount=price - fee, currency=order.currency, due_at=now
    )
    begin(payout, actor=actor, now=now, details=_facts(payout))
    return payout


def hold_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """While a dispute of a locked order is open. Nothing happens when there is none or it was paid."""
    _move_from(order, {Status.DUE}, Status.HELD, actor=actor, now=now, reason=reason)


def release_payout(order: Order, *, actor: User | None, now: datetime) -> None:
    """After a dispute that went back. Nothing happens when none is held."""
    _move_from(order, {Status.HELD}, Status.DUE, actor=actor, now=now)


def cancel_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale was undone. Nothing happens when there is none or it was paid."""
    _move_from(order, {Status.DUE, Status.HELD}, Status.CANCELLED, actor=actor, now=now, reason=reason)


def _move_from(
    order: Order, statuses: set[Status], to: Status, *, actor: User | None, now: datetime, reason: str = ""
) -> None:
    payout = _locked().filter(order=order, status__in=statuses).first()
    if payout is not None:
        move(payout, to, actor=actor, now=now, reason=reason, details=_facts(payout))


@transaction.atomic
def pay_payout(*, payout_id: int, reference: str, actor: User, now: datetime) -> Payout:
    """Write down that the seller was paid, with the bank's reference. Raises InvalidTransition (held, cancelled, paid
    already), NotFound."""
    order_id = Payout.objects.filter(pk=payout_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound
    lock_order(order_id)
    payout: Payout = _locked().get(pk=payout_id)
    details = _facts(payout) | {"reference": reference}
    move(payout, Status.PAID, actor=actor, now=now, details=details, reference=reference, paid_at=now, paid_by=actor)
    return payout


def _locked() -> Any:
    return Payout.objects.select_for_update(of=("self",), no_key=True)


def _facts(payout: Payout) -> dict[str, str]:
    return {"amount": str(payout.amount), "currency": payout.currency}
