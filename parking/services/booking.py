"""Booking a spot, now or for a time to come.

Locks: the user, then the lot. Under the lot's lock nobody else decides about its spots, so the lowest free one is the
right one. What the lot's lock cannot see is the same plate in another lot, at the same moment: there the database's
constraints are the judge, and whoever they refuse looks again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from accounts.models import User
from accounts.services import lock_user
from cars.models import PLATE_LENGTH, Vehicle, VehicleEvent
from cars.services import record_event as record_vehicle_event
from common.errors import Conflict, NotFound, ServiceUnavailable, Unprocessable
from common.text import new_reference, plate_key
from parking.models import Lot, Reservation, Spot, SpotType
from parking.services import no_shows, overstay
from parking.services.hours import is_open, next_closing
from parking.services.rates import current_rate
from parking.services.states import (
    lock_lot,
    lock_reservation,
    move_reservation,
    no_show_at,
    record_event,
)
from parking.services.vacancies import Stay, Wanted, due_in, find_vacancy, free_for, plate_conflicts

Status = Reservation.Status

MOST_STAY = timedelta(days=30)
FURTHEST_AHEAD = timedelta(days=366)
PAST_TOLERANCE = timedelta(minutes=5)  # Clocks differ, and a form takes its time.
MOST_OPEN = 100  # Reservations of one user that are not over.
MOST_ATTEMPTS = 5


class LotArchived(Conflict):
    """The lot is given up for good."""

    code = "lot_archived"
    detail = "This lot is no longer in use."


class LotClosed(Conflict):
    """Closed by its manager (`meta.reason` is `inactive`), or at the beginning or end of the stay (`opening_hours`)."""

    code = "lot_closed"
    detail = "This lot is closed."


class LotFull(Conflict):
    """No spot of the type is free in the window; `meta.other_types` are those that have one."""

    code = "lot_full"
    detail = "No spot of this type is free at that time."


class PlateInUse(Conflict):
    """The vehicle is parked, or has a reservation in the window; `meta.reservation` names it if it is one's own."""

    code = "plate_in_use"
    detail = "This plate is parked, or has a reservation, at that time."


class TooManyReservations(Conflict):
    """Nobody needs so many at once, except to keep others out."""

    code = "too_many_reservations"
    detail = f"One person may hold at most {MOST_OPEN} reservations that are not over."


class UnknownLot(Unprocessable):
    """The body names a lot that does not exist."""

    code = "does_not_exist"
    detail = "There is no such lot."


class UnknownVehicle(Unprocessable):
    """The body names a vehicle that is not in the driver's own garage."""

    code = "does_not_exist"
    detail = "There is no such vehicle in your garage."


class VehicleOrPlate(Unprocessable):
    """Which vehicle is it? Said exactly once."""

    code = "vehicle_or_plate"
    detail = "State either a vehicle of your garage or a plate."


class PlateRequired(Unprocessable):
    """A vehicle of the garage without a plate, or a plate of dashes and spaces."""

    code = "plate_required"
    detail = "A vehicle needs a plate to park."


class PlateTooLong(Unprocessable):
    """A plate within its bound whose normalised form is not."""

    code = "plate_too_long"
    detail = f"Written out, this plate is longer than {PLATE_LENGTH} characters."


class WindowRefused(Unprocessable):
    """A time that makes no sense; the code says which rule it breaks."""


class Parked(NamedTuple):
    """What is to be parked."""

    plate: str
    key: str
    vehicle: Vehicle | None
    model: str
    color: str


@transaction.atomic
def book(
    *,
    user: User,
    lot_id: int,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    spot_type: str = SpotType.STANDARD,
    vehicle_id: int | None = None,
    plate: str | None = None,
    vehicle_model: str = "",
    vehicle_color: str = "",
    remarks: str = "",
) -> Reservation:
    """Reserve the lowest free spot of a type. Without `starts_at` the stay begins now and is active at once; without
    `ends_at` it is as long as the lot's default stay, or until the lot closes.

    Raises VehicleOrPlate, PlateRequired, PlateTooLong, UnknownVehicle, UnknownLot, WindowRefused (422); LotArchived,
    LotClosed, LotFull, PlateInUse, TooManyReservations (409). Eight queries at most when nothing stands in the way.
    """
    parked = _parked(user, vehicle_id, plate, vehicle_model, vehicle_color)
    if not lock_user(user.pk).is_active:
        raise NotFound
    lot = _open_lot(lot_id)
    stay = _window(lot, starts_at, ends_at, now)
    wanted = Wanted(lot, spot_type, stay, parked.key, user.pk, now, at_once=starts_at is None)
    for _ in range(MOST_ATTEMPTS):
        spot = _find_spot(wanted)
        reservation = _drawn_up(wanted, spot, parked, user=user, remarks=remarks)
        if _insert(reservation):
            record_event(reservation, "booked", actor=user, now=now, new=reservation.status)
            if reservation.status == Status.ACTIVE:
                tell_timeline(reservation, VehicleEvent.Kind.PARKED, actor=user, now=now)
            return reservation
    raise ServiceUnavailable


def settle_lot(lot: Lot, *, now: datetime) -> bool:
    """What the sweeps would do in a locked lot, done now: give up no-shows, and keep for vehicles that stay too long
    the spots that they stand on. True when anything was due."""
    statuses = set(due_in(lot, now=now).values_list("status", flat=True))
    if Status.RESERVED in statuses:
        no_shows.mark_no_shows(lot_id=lot.pk, now=now)
    if Status.ACTIVE in statuses:
        overstay.settle_overdue(lot_id=lot.pk, now=now)
    return bool(statuses)


def require_free_plate(
    key: str, stay: Stay, *, now: datetime, at_once: bool, user_id: int, excluding: Reservation | None = None
) -> None:
    """Raises PlateInUse. A no-show that is overdue in any lot does not count, and is given up on the way: that only
    frees its spot, so it needs no lot's lock."""
    conflicts = plate_conflicts(key, stay, at_once=at_once).select_related("lot")
    for conflict in conflicts.exclude(pk=excluding.pk) if excluding else conflicts:
        if conflict.status == Status.RESERVED and no_show_at(conflict, conflict.lot) <= now:
            _give_up(conflict.pk, now=now)
        else:
            own = conflict.user_id == user_id
            raise PlateInUse(meta={"reservation": conflict.pk} if own else None)


def check_length(stay: Stay) -> None:
    """Raises WindowRefused."""
    if stay.ends_at <= stay.starts_at:
        raise WindowRefused("The end must come after the start.", code="end_before_start", attr="ends_at")
    if stay.ends_at - stay.starts_at > MOST_STAY:
        text = f"A stay lasts at most {MOST_STAY.days} days."
        raise WindowRefused(text, code="stay_too_long", attr="ends_at")


def require_open(lot: Lot, *moments: datetime) -> None:
    """Raises LotArchived, or LotClosed for a lot that its manager closed or whose gate is shut at one of the
    moments."""
    if lot.archived_at is not None:
        raise LotArchived
    if not lot.is_active:
        raise LotClosed(meta={"reason": "inactive"})
    shut = next((moment for moment in moments if not is_open(lot, moment)), None)
    if shut is not None:
        hours = {"opens_at": str(lot.opens_at), "closes_at": str(lot.closes_at), "timezone": lot.timezone}
        raise LotClosed("The lot is closed at that time.", meta={"reason": "opening_hours", "at": shut, **hours})


def tell_timeline(reservation: Reservation, kind: VehicleEvent.Kind, *, actor: User | None, now: datetime) -> None:
    """Where a vehicle of the garage stood is its owner's private matter: later owners learn nothing of it. Nothing is
    written once the vehicle is somebody else's."""
    vehicle = reservation.vehicle
    if vehicle is None or vehicle.owner_id != reservation.user_id:
        return
    verb = "Parked at" if kind == VehicleEvent.Kind.PARKED else "Left"
    record_vehicle_event(
        vehicle=vehicle,
        kind=kind,
        actor=actor,
        at=now,
        reference=f"reservation:{reservation.pk}",
        private_summary=f"{verb} {reservation.lot.name}, spot {reservation.spot.number}.",
    )


def _parked(user: User, vehicle_id: int | None, plate: str | None, model: str, color: str) -> Parked:
    if (vehicle_id is None) == (plate is None):
        raise VehicleOrPlate
    vehicle = None
    if vehicle_id is not None:
        vehicle = Vehicle.objects.live().filter(pk=vehicle_id, owner=user).first()
        if vehicle is None:
            raise UnknownVehicle(attr="vehicle")
        plate = vehicle.plate
        model = model or f"{vehicle.make} {vehicle.model}".strip()[:160]
        color = color or vehicle.color
    shown = plate or ""
    key = plate_key(shown)
    if not key:
        raise PlateRequired(attr="vehicle" if vehicle else "plate")
    if len(key) > PLATE_LENGTH:
        raise PlateTooLong(attr="plate")
    return Parked(shown, key, vehicle, model, color)


def _open_lot(lot_id: int) -> Lot:
    try:
        lot = lock_lot(lot_id, archived_too=True)
    except NotFound:
        raise UnknownLot(attr="lot") from None
    require_open(lot)
    return lot


def _window(lot: Lot, starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> Stay:
    begin = starts_at or now
    if begin < now - PAST_TOLERANCE:
        raise WindowRefused("This moment is past.", code="start_in_past", attr="starts_at")
    if begin > now + FURTHEST_AHEAD:
        raise WindowRefused("Nobody plans so far ahead.", code="too_far_ahead", attr="starts_at")
    if ends_at is None:
        ends_at = begin + timedelta(minutes=lot.default_stay_min)
        closing = next_closing(lot, begin)
        ends_at = min(ends_at, closing) if closing else ends_at
    stay = Stay(begin, ends_at)
    check_length(stay)
    require_open(lot, *stay)
    return stay


def _find_spot(wanted: Wanted) -> Spot:
    """The lowest free spot. One query when nothing is overdue in the lot and the plate is free."""
    lot, stay = wanted.lot, wanted.stay
    seen = find_vacancy(wanted, most_open=MOST_OPEN)
    if (seen is None or seen.is_due) and settle_lot(lot, now=wanted.now):
        seen = find_vacancy(wanted, most_open=MOST_OPEN)
    if seen is None or seen.is_plate_taken:
        require_free_plate(wanted.plate_key, stay, now=wanted.now, at_once=wanted.at_once, user_id=wanted.user_id)
        # What stood in the way may have been a no-show of this lot or of another one.
        seen = find_vacancy(wanted, most_open=MOST_OPEN)
    if seen is None:
        others = free_for(wanted, None).order_by("type").values_list("type", flat=True)
        facts = {"lot": lot.pk, "spot_type": wanted.spot_type, "other_types": list(others.distinct())}
        raise LotFull(meta=facts | stay._asdict())
    if seen.is_over_limit:
        raise TooManyReservations(meta={"most": MOST_OPEN})
    return seen.spot


def _drawn_up(wanted: Wanted, spot: Spot, parked: Parked, *, user: User, remarks: str) -> Reservation:
    """Not yet written."""
    rate = current_rate(wanted.lot)
    return Reservation(
        reference=new_reference("PK"),
        lot=wanted.lot,
        spot=spot,
        user=user,
        vehicle=parked.vehicle,
        plate=parked.plate,
        plate_key=parked.key,
        vehicle_model=parked.model,
        vehicle_color=parked.color,
        remarks=remarks,
        starts_at=wanted.stay.starts_at,
        ends_at=wanted.stay.ends_at,
        booked_until=wanted.stay.ends_at,
        checked_in_at=wanted.now if wanted.at_once else None,
        status=Status.ACTIVE if wanted.at_once else Status.RESERVED,
        rate=rate,
        surcharge_percent=rate.surcharge_percent(spot.type),
        created_at=wanted.now,
    )


def _give_up(reservation_id: int, *, now: datetime) -> None:
    reservation = lock_reservation(reservation_id)
    if reservation.status == Status.RESERVED and no_show_at(reservation, reservation.lot) <= now:
        move_reservation(reservation, Status.NO_SHOW, actor=None, now=now)


def _insert(reservation: Reservation) -> bool:
    """False, and nothing written, when a constraint refuses the row: a plate that another lot took a moment ago, or a
    reference that exists.

    An exception would break the transaction and lose the lot's lock with it. Without one PostgreSQL also lets two
    who wait for each other's plate pass one after the other, where a plain INSERT ends in a deadlock.
    """
    fields = [field for field in Reservation._meta.local_concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table = quote(Reservation._meta.db_table)
    values = [field.get_db_prep_save(field.pre_save(reservation, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING id",  # noqa: S608
            values,
        )
        row = cursor.fetchone()
    if row is None:
        return False
    reservation.pk = row[0]
    reservation._state.adding = False
    return True
