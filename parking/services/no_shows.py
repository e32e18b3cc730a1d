"""Reservations whose driver did not come. Giving one up only frees its spot, so the lot's lock is not needed."""

from __future__ import annotations

from datetime import datetime

from common.sweeps import SweepResult, sweep, sweep_ids
from parking.models import Lot, Reservation
from parking.services.states import due_no_shows, move_reservation

Status = Reservation.Status


def mark_no_shows(*, lot_id: int, now: datetime) -> None:
    """Give up what is overdue in one lot, in the caller's transaction, after waiting for whoever holds a row: a driver
    who checks in meanwhile keeps the spot."""
    lot = Lot.objects.get(pk=lot_id)
    due = Reservation.objects.filter(due_no_shows(lot, now=now), lot_id=lot_id)
    # PostgreSQL judges a row again once it has the lock; what no longer matches is left out.
    for reservation in due.select_for_update(no_key=True).order_by("pk"):
        give_up(reservation, now=now)


def give_up(reservation: Reservation, *, now: datetime) -> None:
    """Of a locked reservation that is due. It costs nothing."""
    move_reservation(reservation, Status.NO_SHOW, actor=None, now=now)


def sweep_no_shows(*, now: datetime) -> SweepResult:
    """Give up what is overdue in all lots, each reservation in a transaction of its own. A lot that raises counts as
    one failure, and does not stop the later ones."""
    begun = Reservation.objects.filter(status=Status.RESERVED, starts_at__lte=now)
    results: list[SweepResult] = []
    lots = sweep_ids(
        Lot.objects.filter(pk__in=begun.values("lot_id")), lambda pk: results.append(_sweep_lot(pk, now=now))
    )
    return SweepResult(sum(one.done for one in results), lots.failed + sum(one.failed for one in results))


def _sweep_lot(lot_id: int, *, now: datetime) -> SweepResult:
    lot = Lot.objects.get(pk=lot_id)
    return sweep(Reservation.objects.filter(due_no_shows(lot, now=now), lot_id=lot_id), give_up, now=now)
