"""The lowest free spot of a lot and whatever else a booking has to know, by one statement.

The rules stand where they belong, as querysets. Each booking under a lot's lock keeps the others waiting, and letting
the ORM put this statement together takes longer than running it: so that is done once, with stand-ins for the values,
and from then on only values are bound.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import DateTimeField, Exists, Q, QuerySet

from parking.models import Lot, Reservation, Spot
from parking.services.allocation import free_spots
from parking.services.states import due_no_shows, due_overstays

Status = Reservation.Status

SPOT_FIELDS = ("id", "lot_id", "number", "type", "status")


class Stay(NamedTuple):
    """A half open window."""

    starts_at: datetime
    ends_at: datetime


class Wanted(NamedTuple):
    """What is asked for: a spot of a type in a lot, for a stay of a vehicle of a user. `at_once`: it parks now."""

    lot: Lot
    spot_type: str
    stay: Stay
    plate_key: str
    user_id: int
    now: datetime
    at_once: bool


class Vacancy(NamedTuple):
    """The lowest free spot; whether anything in the lot is overdue, so that this may not be the last word; whether the
    plate has a reservation in the window; whether the user holds as many reservations as one may."""

    spot: Spot
    is_due: bool
    is_plate_taken: bool
    is_over_limit: bool


def find_vacancy(wanted: Wanted, *, most_open: int) -> Vacancy | None:
    """None when no spot is free. One query."""
    sql, slots = _statement(connection.vendor, wanted.at_once, most_open)
    values = _values(wanted)
    with connection.cursor() as cursor:
        cursor.execute(sql, [values[slot] if isinstance(slot, int) else slot.value for slot in slots])
        row = cursor.fetchone()
    if row is None:
        return None
    spot = Spot.from_db(DEFAULT_DB_ALIAS, SPOT_FIELDS, row[: len(SPOT_FIELDS)])
    spot.lot = wanted.lot
    return Vacancy(spot, *map(bool, row[len(SPOT_FIELDS) :]))


def free_for(wanted: Wanted, spot_type: str | None) -> QuerySet[Spot]:
    """The free spots of a type, or of all types, for what is wanted. Who parks now needs one on which nobody stands."""
    standing = due_overstays(now=wanted.now) if wanted.at_once else None
    return free_spots(lot_id=wanted.lot.pk, spot_type=spot_type, standing=standing, **wanted.stay._asdict())


def plate_conflicts(plate_key: str, stay: Stay, *, at_once: bool) -> QuerySet[Reservation]:
    """Reservations that a plate has in the window; `at_once`, where the vehicle parks now, also those it is parked
    with, however long they should be over."""
    in_the_way = Q(starts_at__lt=stay.ends_at, ends_at__gt=stay.starts_at)
    if at_once:
        in_the_way |= Q(status=Status.ACTIVE)
    return Reservation.objects.occupying().filter(in_the_way, plate_key=plate_key)


def due_in(lot: Lot, *, now: datetime) -> QuerySet[Reservation]:
    """What the sweeps would handle in a lot."""
    return Reservation.objects.filter(due_no_shows(lot, now=now) | due_overstays(now=now), lot=lot)


class _Constant(NamedTuple):
    """A parameter of the statement that is the same for every booking."""

    value: Any


@cache
def _statement(vendor: str, at_once: bool, most_open: int) -> tuple[str, list[int | _Constant]]:  # noqa: ARG001
    """The SQL, and for each of its parameters the number of its value or a constant."""
    stand_in = Wanted(
        lot=Lot(pk=-1, no_show_after_min=15),
        spot_type="\x01type",
        stay=Stay(datetime(1901, 1, 1, tzinfo=UTC), datetime(1902, 1, 1, tzinfo=UTC)),
        plate_key="\x01plate",
        user_id=-2,
        now=datetime(1903, 1, 1, tzinfo=UTC),
        at_once=at_once,
    )
    sql, parameters = _rows(stand_in, most_open).query.sql_with_params()
    values = _values(stand_in)
    return sql, [values.index(value) if value in values else _Constant(value) for value in parameters]


def _rows(wanted: Wanted, most_open: int) -> QuerySet[Spot, Any]:
    held = Reservation.objects.occupying().filter(user=wanted.user_id).order_by("id")
    spots = free_for(wanted, wanted.spot_type)
    facts = (
        Exists(due_in(wanted.lot, now=wanted.now)),
        Exists(plate_conflicts(wanted.plate_key, wanted.stay, at_once=wanted.at_once)),
        Exists(held[most_open - 1 : most_open]),
    )
    return spots.values_list(*SPOT_FIELDS, *facts)[:1]


def _values(wanted: Wanted) -> list[Any]:
    """What differs from booking to booking, as the database takes it."""
    late = wanted.now - timedelta(minutes=wanted.lot.no_show_after_min)
    moments = (wanted.stay.starts_at, wanted.stay.ends_at, wanted.now, late)
    field = DateTimeField()
    return [
        wanted.lot.pk,
        wanted.spot_type,
        wanted.plate_key,
        wanted.user_id,
        *(field.get_db_prep_value(moment, connection) for moment in moments),
    ]
