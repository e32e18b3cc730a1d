"""Vehicles that stay longer than booked."""

from __future__ import annotations

from datetime import datetime

from accounts.notifications import notify
from parking.models import Reservation
from parking.services.allocation import overlapping, relocate
from parking.services.messages import PARKING_CANCELLED
from parking.services.states import (
    OVERSTAY_GRACE,
    change_reservation,
    due_overstays,
    lock_reservation,
    move_reservation,
    record_event,
)


def settle_overdue(*, lot_id: int, now: datetime) -> None:
    """Keep the spots of overdue vehicles for them until now + grace: who has the spot next is moved to another one, or
    cancelled free of charge. The caller holds the lot's lock."""
    due = Reservation.objects.filter(due_overstays(now=now), lot_id=lot_id).order_by("pk")
    for pk in due.values_list("pk", flat=True):
        reservation = lock_reservation(pk)
        if reservation.status != Reservation.Status.ACTIVE:
            continue
        until = now + OVERSTAY_GRACE
        following = overlapping(starts_at=reservation.ends_at, ends_at=until).filter(spot=reservation.spot)
        for other in following.exclude(pk=pk).select_related("user", "lot", "spot"):
            if not relocate(other, actor=None, now=now):
                _cancel(other.pk, now=now)
        late = reservation.is_overstay or now >= reservation.booked_until + OVERSTAY_GRACE
        change_reservation(reservation, ends_at=until, is_overstay=late)
        record_event(reservation, "overstay", actor=None, now=now, new=until.isoformat())


def _cancel(reservation_id: int, *, now: datetime) -> None:
    other = lock_reservation(reservation_id)
    if other.status != Reservation.Status.RESERVED:
        return
    move_reservation(other, Reservation.Status.CANCELLED, actor=None, now=now, note="The spot is still taken.")
    notify(
        user=other.user,
        kind=PARKING_CANCELLED,
        title=f"Your reservation at {other.lot.name} had to be cancelled",
        body=f"The vehicle before you has not left, and no other spot is free. {other.reference} costs nothing.",
        data={"reservation": other.pk},
        now=now,
    )
