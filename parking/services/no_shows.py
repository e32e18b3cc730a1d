"""Reservations whose driver did not come."""

from __future__ import annotations

from datetime import datetime

from parking.models import Lot, Reservation
from parking.services.states import due_no_shows, lock_reservation, move_reservation


def mark_no_shows(*, lot_id: int, now: datetime) -> None:
    """Give up what is overdue in one lot. It only frees spots, so the lot's lock is not needed; a driver who checks in
    meanwhile keeps the spot."""
    lot = Lot.objects.get(pk=lot_id)
    due = Reservation.objects.filter(due_no_shows(lot, now=now), lot=lot).order_by("pk")
    for pk in due.values_list("pk", flat=True):
        reservation = lock_reservation(pk)
        if reservation.status == Reservation.Status.RESERVED:
            move_reservation(reservation, Reservation.Status.NO_SHOW, actor=None, now=now)
