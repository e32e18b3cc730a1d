"""Writes of the garage: vehicles, their odometer readings and their timeline.

Lock order: users by id, then the vehicle. The other apps call `record_event`, `record_odometer` and
`transfer_vehicle` inside their own transaction, after their own locks on parents of the vehicle.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from cars.models import PLATE_LENGTH, Car, OdometerReading, Vehicle, VehicleEvent
from cars.odometer import Reading
from cars.registry import on_archive
from cars.services.cars import check_model_year
from cars.services.vin import check_vin
from common.errors import Conflict, NotFound, Unprocessable

# What a transfer says in public: owners are counted by it.
CHANGED_HANDS, FIRST_OWNER = "Changed hands.", "Came to its first owner on record."
REASON_ERASED = "The reason was deleted with its account."
UNIT_NAMES = {Vehicle.MileageUnit.KILOMETRES: "km", Vehicle.MileageUnit.MILES: "miles"}


class VinInUse(Conflict):
    """Another vehicle that is not archived has this VIN; staff can reassign it."""

    code = "vin_in_use"
    detail = "Another vehicle is registered under this VIN."


class PlateTooLong(Unprocessable):
    """A plate within its bound whose normalised form is not."""

    code = "plate_too_long"
    detail = f"Written out, this plate is longer than {PLATE_LENGTH} characters."


class OwnerChanged(Conflict):
    """The vehicle went to somebody else between the decision and the lock."""

    code = "owner_changed"
    detail = "The vehicle has another owner by now."


class OdometerRollback(Conflict):
    """A reading that contradicts its neighbours in time; `meta` holds the one before (`last`) or after (`next`)."""

    code = "odometer_rollback"
    detail = "The reading contradicts an earlier or later one. Repeat it with force and a reason if it is right."


class ReasonRequired(Unprocessable):
    """A forced reading says why."""

    code = "reason_required"
    detail = "A forced reading needs a reason."


class ReadingInFuture(Unprocessable):
    """Nobody can have read it yet."""

    code = "in_the_future"
    detail = "This moment has not come yet."


class MileageRequired(Unprocessable):
    """The unit alone, or no mileage where there was one: neither says what the odometer shows."""

    code = "mileage_required"
    detail = "State the mileage that the odometer shows."


@transaction.atomic
def register_vehicle(*, owner: User | None, actor: User | None, data: Mapping[str, Any], now: datetime) -> Vehicle:
    """Put a vehicle into the garage; `owner` None is a walk-in. Blank make, model and year are taken from `car`.

    Writes a `registered` event, and a reading when a mileage is given. Raises InvalidVin, VinInUse,
    PlateTooLong, ModelYearTooFar.
    """
    vehicle = Vehicle(owner=owner, **{name: value for name, value in data.items() if name != "mileage"})
    if vehicle.car is not None:
        _fill_from(vehicle, vehicle.car)
    _check(vehicle, now=now)
    _save(vehicle)
    record_event(
        vehicle=vehicle,
        kind=VehicleEvent.Kind.REGISTERED,
        actor=actor,
        at=now,
        public_summary="Registered in the garage.",
    )
    if data.get("mileage") is not None:
        record_odometer(
            vehicle=vehicle,
            value=data["mileage"],
            unit=vehicle.mileage_unit,
            source="registration",
            actor=actor,
            now=now,
        )
        vehicle.refresh_from_db()
    return vehicle


@transaction.atomic
def update_vehicle(*, vehicle: Vehicle, actor: User | None, data: Mapping[str, Any], now: datetime) -> Vehicle:
    """Change the named fields. A mileage is a reading like any other: it is recorded, and one below the last is
    refused.

    Raises what `register_vehicle` raises, OdometerRollback, MileageRequired, and NotFound when the vehicle was
    archived meanwhile.
    """
    vehicle = _lock(vehicle)
    changes = dict(data)
    mileage = _take_mileage(vehicle, changes)
    changed = {name: value for name, value in changes.items() if getattr(vehicle, name) != value}
    for name, value in changed.items():
        setattr(vehicle, name, value)
    if changed:
        _check(vehicle, now=now, vin=bool({"vin", "vin_exempt_reason"} & changed.keys()))
        _save(vehicle)
    if mileage is not None:
        value, unit = mileage
        record_odometer(vehicle=vehicle, value=value, unit=unit, actor=actor, now=now)
        vehicle.refresh_from_db()
    return vehicle


@transaction.atomic
def archive_vehicle(*, vehicle: Vehicle, now: datetime) -> None:
    """Take a vehicle out of the garage; its timeline stays and its VIN is free again. Twice is no error. The apps above
    refuse what they need it for (`on_archive`): raises DomainError."""
    current = Vehicle.objects.live().select_for_update(of=("self",)).filter(pk=vehicle.pk).first()
    if current is None:
        return
    for hook in on_archive:
        hook(current)
    current.archived_at = now
    current.save(update_fields=["archived_at", "updated_at"])


def reassign_vehicle(*, vehicle: Vehicle, new_owner: User, actor: User, now: datetime) -> Vehicle:
    """Staff's way to put right who owns a vehicle; see `transfer_vehicle`."""
    return transfer_vehicle(vehicle=vehicle, new_owner=new_owner, actor=actor, now=now, reference="reassigned")


@transaction.atomic
def transfer_vehicle(
    *, vehicle: Vehicle, new_owner: User, actor: User | None, now: datetime, reference: str
) -> Vehicle:
    """Give a vehicle, with its timeline, to another owner. To its present owner: nothing happens.

    `reference` names the record it stems from, as `order:12`. Raises OwnerChanged when the vehicle is not any more
    that of `vehicle.owner_id`, and NotFound when it was archived or the new owner deleted meanwhile.
    """
    people = {pk for pk in (vehicle.owner_id, new_owner.pk) if pk is not None}
    locked = User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk")
    if new_owner.pk not in {user.pk for user in locked}:
        raise NotFound
    current = _lock(vehicle)
    if current.owner_id != vehicle.owner_id:
        raise OwnerChanged
    if current.owner_id == new_owner.pk:
        return current
    first = current.owner_id is None
    current.owner = new_owner
    current.save(update_fields=["owner", "updated_at"])
    record_event(
        vehicle=current,
        kind=VehicleEvent.Kind.TITLE_TRANSFERRED,
        actor=actor,
        at=now,
        reference=reference,
        public_summary=FIRST_OWNER if first else CHANGED_HANDS,
    )
    return current


def record_event(
    *,
    vehicle: Vehicle,
    kind: VehicleEvent.Kind,
    actor: User | None,
    at: datetime,
    reference: str = "",
    public_summary: str = "",
    private_summary: str = "",
) -> VehicleEvent:
    """Append to the timeline, in the caller's transaction. Later owners read the public summary only; an event
    without one does not exist for them. Summaries are cut at 300 characters."""
    return VehicleEvent.objects.create(
        vehicle=vehicle,
        kind=kind,
        at=at,
        actor=actor,
        owner_id=vehicle.owner_id,
        reference=reference,
        public_summary=public_summary[:300],
        private_summary=private_summary[:300],
    )


@transaction.atomic
def record_odometer(
    *,
    vehicle: Vehicle,
    value: int,
    unit: str,
    actor: User | None,
    now: datetime,
    source: str = "",
    at: datetime | None = None,
    force: bool = False,
    reason: str = "",
) -> OdometerReading:
    """Write down a reading taken `at` (None: now) and put it on the timeline; the newest one is the vehicle's mileage.

    `source` says where it comes from, as `workshop`; unless told, `owner` or `staff` by the actor. It must not be
    below the reading before it nor above the one after it, whatever their units, unless `force` is given with a
    `reason`. Raises OdometerRollback, ReasonRequired, ReadingInFuture, NotFound (archived).
    """
    at = at or now
    if at > now:
        raise ReadingInFuture(attr="at")
    vehicle = _lock(vehicle)
    source = source or ("owner" if actor is not None and actor.pk == vehicle.owner_id else "staff")
    reading = OdometerReading(vehicle=vehicle, value=value, unit=unit, at=at, source=source, actor=actor)
    after = vehicle.odometer_readings.filter(at__gt=at).order_by("at", "id").first()
    contradicted = _contradicted(reading, after)
    if contradicted and not force:
        raise OdometerRollback(meta=contradicted)
    if contradicted and not reason:
        raise ReasonRequired(attr="reason")
    reading.forced_reason = reason if contradicted else ""
    reading.save()
    if after is None:
        vehicle.mileage, vehicle.mileage_unit = value, unit
        vehicle.save(update_fields=["mileage", "mileage_unit", "updated_at"])
    _tell_reading(reading)
    return reading


def export_vehicles(user: User) -> list[dict[str, Any]]:
    """What a person's data export says about their vehicles, archived ones too."""
    vehicles = Vehicle.objects.filter(owner=user).prefetch_related("odometer_readings", "events")
    return [_export(vehicle, user) for vehicle in vehicles]


def erase_vehicles(user: User, *, now: datetime) -> bool:
    """Part a person from their vehicles, which stay archived without plate and owner: the VIN identifies a car, and
    its public timeline belongs to whoever owns it next. Answers False: nothing refers to the user any more."""
    Vehicle.objects.live().filter(owner=user).update(archived_at=now)
    Vehicle.objects.filter(owner=user).update(owner=None, plate="", plate_key="", vin_exempt_reason="")
    VehicleEvent.objects.filter(owner=user).update(owner=None, private_summary="")
    VehicleEvent.objects.filter(actor=user).update(actor=None)
    readings = OdometerReading.objects.filter(actor=user)
    # That it was forced stays, else it would look like a rollback.
    readings.exclude(forced_reason="").update(forced_reason=REASON_ERASED)
    readings.update(actor=None)
    return False


def _lock(vehicle: Vehicle) -> Vehicle:
    found = Vehicle.objects.live().select_for_update(of=("self",)).filter(pk=vehicle.pk).first()
    if found is None:
        raise NotFound
    return found


def _fill_from(vehicle: Vehicle, car: Car) -> None:
    vehicle.make = vehicle.make or car.make
    vehicle.model = vehicle.model or car.model
    vehicle.year = vehicle.year or car.year


def _check(vehicle: Vehicle, *, now: datetime, vin: bool = True) -> None:
    check_model_year(vehicle.year, now=now)
    if vin and vehicle.vin is not None:
        report = check_vin(vin=vehicle.vin, exempt_reason=vehicle.vin_exempt_reason, now=now)
        vehicle.vin = report.vin
    vehicle.set_plate_key()
    if len(vehicle.plate_key) > PLATE_LENGTH:
        raise PlateTooLong(attr="plate")


def _save(vehicle: Vehicle) -> None:
    try:
        with transaction.atomic():
            vehicle.save()
    except IntegrityError:
        if Vehicle.objects.live().filter(vin=vehicle.vin).exclude(pk=vehicle.pk).exists():
            raise VinInUse(attr="vin") from None
        raise


def _take_mileage(vehicle: Vehicle, changes: dict[str, Any]) -> tuple[int, str] | None:
    """Take mileage and unit out of `changes`: the reading they make, or None when they say nothing new."""
    stated = "mileage" in changes
    mileage = changes.pop("mileage", vehicle.mileage)
    unit = changes.pop("mileage_unit", vehicle.mileage_unit)
    if (mileage, unit) == (vehicle.mileage, vehicle.mileage_unit):
        return None
    if mileage is None and vehicle.mileage is None:
        changes["mileage_unit"] = unit
        return None
    if mileage is None or not stated:
        raise MileageRequired(attr="mileage")
    return mileage, unit


def _contradicted(reading: OdometerReading, after: OdometerReading | None) -> dict[str, Any]:
    """The facts of the neighbours in time that a reading disagrees with: `last`, `next`."""
    earlier = reading.vehicle.odometer_readings.filter(at__lte=reading.at)
    before = earlier.order_by("-at", "-id").first()
    found = {}
    if before and _is_below(reading, before):
        found["last"] = _facts(before)
    if after and _is_below(after, reading):
        found["next"] = _facts(after)
    return found


def _tell_reading(reading: OdometerReading) -> None:
    reason = reading.forced_reason
    record_event(
        vehicle=reading.vehicle,
        kind=VehicleEvent.Kind.ODOMETER,
        actor=reading.actor,
        at=reading.at,
        reference=f"reading:{reading.pk}",
        public_summary=f"The odometer showed {reading.value:,} {UNIT_NAMES[Vehicle.MileageUnit(reading.unit)]}.",
        private_summary=f"Against an earlier or later reading: {reason}" if reason else "",
    )


def _is_below(reading: OdometerReading, other: OdometerReading) -> bool:
    """Whether a reading is surely below another, whatever their units (`cars.odometer`)."""
    shown, before = (Reading(row.value, row.unit, row.at) for row in (reading, other))
    return shown.is_below(before)


def _facts(reading: OdometerReading) -> dict[str, Any]:
    return {"value": reading.value, "unit": reading.unit, "at": reading.at}


def _export(vehicle: Vehicle, user: User) -> dict[str, Any]:
    described = ("id", "vin", "plate", "year", "make", "model", "trim", "color", "mileage", "mileage_unit")
    return {
        **{name: getattr(vehicle, name) for name in described},
        "registered_at": vehicle.created_at,
        "archived_at": vehicle.archived_at,
        "odometer": [_facts(reading) for reading in vehicle.odometer_readings.all()],
        "timeline": [
            {"kind": event.kind, "at": event.at, "summary": event.private_summary or event.public_summary}
            for event in vehicle.events.all()
            if event.owner_id == user.pk
        ],
    }
