"""Vehicles that stay longer than booked. They stay active and keep their spot, because they stand there.

Within the grace nothing happens to anybody, but that a booking keeps the spot for the vehicle, and that who has the
spot next gets another one if there is one. Past it the vehicle is flagged, and who has the spot next is moved to
another one or, where none is free, told and cancelled free of charge. What stands in the way of the vehicle's stay
because of its own plate, the next reservation of the same vehicle, is left alone: it is given up as a no-show in its
time.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from common.sweeps import SweepResult, sweep
from parking import caches
from parking.models import Lot, Reservation
from parking.services.allocation import overlapping, relocate
from parking.services.messages import tell_cancelled, tell_overstay
from parking.services.no_shows import mark_no_shows
from parking.services.states import (
    OVERSTAY_GRACE,
    change_reservation,
    due_overstays,
    move_reservation,
    record_event,
)

Status = Reservation.Status


def settle_overdue(*, lot_id: int, now: datetime) -> None:
    """Keep the spots of one lot's overdue vehicles for them until now + grace, and flag those that are past the grace.
    The caller holds the lot's lock. A few queries for all vehicles that nobody is in the way of."""
    due = Reservation.objects.filter(due_overstays(now=now), lot_id=lot_id)
    rows = list(due.select_for_update(no_key=True).order_by("pk"))
    if not rows:
        return
    for reservation in rows:
        if not reservation.is_overstay and reservation.booked_until <= now - OVERSTAY_GRACE:
            flag_overstay(reservation, now=now)
    hindered = _keep_all(rows, now=now)  # First, so that nobody is moved to where one of the others stands.
    if hindered:
        mark_no_shows(lot_id=lot_id, now=now)
    for reservation in hindered:
        _keep(reservation, until=_way_made(reservation, now=now))
    # No events are written for what only keeps a spot, so nothing else lets these go.
    caches.availability.bump_on_commit()
    caches.statistics.bump_on_commit()


def sweep_overstays(*, now: datetime) -> SweepResult:
    """Flag every vehicle whose grace is over, each in a transaction of its own, then keep their spots lot by lot. A
    lot that somebody else is deciding about is passed over: a booking does the same, and so does the next sweep."""
    flagged = sweep(Reservation.objects.filter(_late(now), is_overstay=False), flag_overstay, now=now)
    overdue = Reservation.objects.filter(_late(now), due_overstays(now=now), lot_id=OuterRef("pk"))
    settled = sweep(Lot.objects.filter(Exists(overdue)), _settle_lot, now=now)
    return SweepResult(flagged.done + settled.done, flagged.failed + settled.failed)


def flag_overstay(reservation: Reservation, *, now: datetime) -> None:
    """Of a locked reservation whose grace is over: tell its driver, once for each booked end."""
    change_reservation(reservation, is_overstay=True)
    record_event(reservation, "overstay", actor=None, now=now, old=reservation.booked_until.isoformat())
    tell_overstay(reservation, now=now)


def _late(now: datetime) -> Q:
    return Q(status=Status.ACTIVE, booked_until__lte=now - OVERSTAY_GRACE)


def _settle_lot(lot: Lot, *, now: datetime) -> None:
    settle_overdue(lot_id=lot.pk, now=now)


def _keep_all(rows: list[Reservation], *, now: datetime) -> list[Reservation]:
    """Extend by one statement those that nobody is in the way of; answers the others."""
    until = now + OVERSTAY_GRACE
    open_ones = Reservation.objects.occupying().exclude(pk=OuterRef("pk"))
    next_ones = open_ones.filter(starts_at__lt=until, ends_at__gt=OuterRef("ends_at"))
    overdue = Reservation.objects.filter(due_overstays(now=now), pk__in=[reservation.pk for reservation in rows])
    unhindered = overdue.filter(
        ~Exists(next_ones.filter(spot_id=OuterRef("spot_id"))),
        ~Exists(next_ones.filter(plate_key=OuterRef("plate_key"))),
    )
    try:
        with transaction.atomic():
            kept = unhindered.update(ends_at=until, updated_at=now)
    except IntegrityError:  # Another lot, whose lock is not ours, has just taken one of the plates: one by one, then.
        return rows
    left = set(overdue.values_list("pk", flat=True)) if kept < len(rows) else set()
    return [reservation for reservation in rows if reservation.pk in left]


def _way_made(reservation: Reservation, *, now: datetime) -> datetime:
    """Clear the spot until now + grace; answers until when that went well."""
    until = now + OVERSTAY_GRACE
    for other in _in_the_way(reservation, until):
        if other.plate_key == reservation.plate_key or not _displace(other, cancel=reservation.is_overstay, now=now):
            return other.starts_at
    return until


def _in_the_way(reservation: Reservation, until: datetime) -> QuerySet[Reservation]:
    others = overlapping(starts_at=reservation.ends_at, ends_at=until).exclude(pk=reservation.pk)
    same = Q(spot_id=reservation.spot_id) | Q(plate_key=reservation.plate_key)
    return others.filter(same).order_by("starts_at", "pk")


def _displace(other: Reservation, *, cancel: bool, now: datetime) -> bool:
    """Whether the reservation holds the spot no more. A vehicle that has come meanwhile cannot be sent away."""
    if relocate(other, actor=None, now=now):
        return True
    if other.status != Status.RESERVED or not cancel:  # As `relocate` found it, and locked it.
        return False
    note = "The vehicle before has not left, and no other spot is free."
    move_reservation(other, Status.CANCELLED, actor=None, now=now, note=note)
    tell_cancelled(other, now=now)
    return True


def _keep(reservation: Reservation, *, until: datetime) -> None:
    if until <= reservation.ends_at:
        return
    try:
        with transaction.atomic():
            change_reservation(reservation, ends_at=until)
    except IntegrityError:  # As in `_keep_all`. It stays due, and the next run sees what the other lot has taken.
        reservation.refresh_from_db(fields=["ends_at"])
