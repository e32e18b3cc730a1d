"""The state machine of reservations, and the locks that all of parking takes.

Lock order: user -> lot -> spot -> reservation (docs/locking.md). Whatever may change who stands where (book, extend,
check in, relocate, take a spot away, the overstay step) holds the lot's row; what only frees a spot (cancel, release,
no-show) holds the reservation's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from accounts.models import User
from common.errors import NotFound
from common.transitions import check_transition
from parking import caches
from parking.models import Lot, Reservation, ReservationEvent

Status = Reservation.Status

MOVES: Mapping[str, tuple[str, ...]] = {
    Status.RESERVED: (Status.ACTIVE, Status.CANCELLED, Status.NO_SHOW),
    Status.ACTIVE: (Status.COMPLETED,),
}
OVERSTAY_GRACE = timedelta(minutes=10)


def lock_lot(lot_id: int, *, archived_too: bool = False) -> Lot:
    """The lot's row, locked before its spots and reservations. Raises NotFound, also for an archived lot unless
    `archived_too`; whether it is active is the caller's question."""
    lots = Lot.objects.all() if archived_too else Lot.objects.live()
    lot = lots.select_for_update(of=("self",), no_key=True).filter(pk=lot_id).first()
    if lot is None:
        raise NotFound
    return lot


def lock_reservation(reservation_id: int) -> Reservation:
    """The reservation, locked, with its lot, spot, rate and vehicle. Raises NotFound.

    Two queries on purpose: whoever waits for the lock of a joined row that was moved to another spot meanwhile would
    find no row at all (PostgreSQL checks the join again with the spot of before).
    """
    ids = Reservation.objects.select_for_update(no_key=True).filter(pk=reservation_id).values_list("pk", flat=True)
    if not list(ids):
        raise NotFound
    return Reservation.objects.select_related("lot", "spot", "rate", "vehicle").get(pk=reservation_id)


def no_show_at(reservation: Reservation, lot: Lot) -> datetime:
    """From when on a reservation whose driver has not come is given up. A stay that is over is given up too."""
    return min(reservation.starts_at + timedelta(minutes=lot.no_show_after_min), reservation.ends_at)


def due_no_shows(lot: Lot, *, now: datetime) -> Q:
    """Among a lot's reservations: those that `no_show_at` gives up."""
    late = now - timedelta(minutes=lot.no_show_after_min)
    return Q(status=Status.RESERVED) & (Q(starts_at__lte=late) | Q(ends_at__lte=now))


def due_overstays(*, now: datetime) -> Q:
    """Vehicles whose time is over and that still stand there, within the grace too: their spot is not free."""
    return Q(status=Status.ACTIVE, ends_at__lte=now)


def move_reservation(
    reservation: Reservation, to: str, *, actor: User | None, now: datetime, note: str = "", **changes: Any
) -> None:
    """Change a locked reservation's status, with `changes` to other fields, and write its event. Raises
    InvalidTransition."""
    check_transition(current=reservation.status, to=to, allowed=MOVES)
    old = reservation.status
    change_reservation(reservation, status=to, **changes)
    record_event(reservation, "status", actor=actor, now=now, old=old, new=to, note=note)


def change_reservation(reservation: Reservation, **changes: Any) -> None:
    """Write fields of a locked reservation."""
    for name, value in changes.items():
        setattr(reservation, name, value)
    reservation.save(update_fields=["updated_at", *changes])


def record_event(
    reservation: Reservation,
    kind: str,
    *,
    actor: User | None,
    now: datetime,
    old: str = "",
    new: str = "",
    note: str = "",
) -> ReservationEvent:
    """Append to the reservation's history, in the caller's transaction, and let the cached figures go when it commits.
    Notes are cut at 300 characters."""
    caches.availability.bump_on_commit()
    caches.statistics.bump_on_commit()
    return ReservationEvent.objects.create(
        reservation=reservation, kind=kind, old=old, new=new, note=note[:300], actor=actor, at=now
    )
