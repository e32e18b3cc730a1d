"""Writes of the car registry by people. The sync writes by itself, in bulk (`cars.sync.upsert`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from cars.models import MAKE_KEY_LENGTH, MODEL_KEY_LENGTH, Car, SyncSuppression
from common.cache import CacheNamespace
from common.errors import Conflict, NotFound, Unprocessable

EDITABLE = ("make", "model", "year", "category")
YEARS_AHEAD = 2
SYNC_SOURCE = "cars"  # The name of the registry's row in SyncSource.

cache = CacheNamespace("cars")


class DuplicateCar(Conflict):
    """The registry has this make, model and year, whatever the spelling; `meta.existing_id` says where."""

    code = "duplicate_car"
    detail = "The registry already has this make, model and year."


class ModelYearTooFar(Unprocessable):
    """A model year that nobody has announced yet."""

    code = "year_too_far"


class NameTooLong(Unprocessable):
    """A name within its own bound whose normalised form is not within that of its key."""

    code = "name_too_long"


@transaction.atomic
def create_car(*, actor: User | None, data: Mapping[str, Any], now: datetime) -> Car:
    """Add a manual row. `data` holds make, model and year, and may hold category.

    Raises DuplicateCar, ModelYearTooFar, NameTooLong.
    """
    car = Car(**data, created_by=actor)
    _check(car, now=now)
    return _save(car, actor=actor)


@transaction.atomic
def update_car(*, car: Car, actor: User | None, data: Mapping[str, Any], now: datetime) -> Car:
    """Change the named fields. Those of a synced row that really change are locked against the sync; a call that
    changes nothing writes nothing.

    Raises DuplicateCar, ModelYearTooFar, NameTooLong, and NotFound when the row was deleted meanwhile.
    """
    car = _lock(car)
    changed = {name: value for name, value in data.items() if getattr(car, name) != value}
    if not changed:
        return car
    _record_first_state(car)
    for name, value in changed.items():
        setattr(car, name, value)
    _check(car, now=now)
    if car.source != Car.MANUAL:
        car.locked_fields = sorted({*car.locked_fields, *changed})
    return _save(car, actor=actor)


@transaction.atomic
def unlock_car(*, car: Car, actor: User | None, fields: Collection[str] | None = None) -> Car:
    """Let the sync write `fields` again (None: all); it does when the record next changes upstream, or with the next
    full refresh. A field that is not locked is passed over."""
    car = _lock(car)
    kept = [] if fields is None else [name for name in car.locked_fields if name not in fields]
    if kept == car.locked_fields:
        return car
    _record_first_state(car)
    car.locked_fields = kept
    return _save(car, actor=actor)


@transaction.atomic
def delete_car(*, car: Car, actor: User | None) -> None:
    """Delete a row; vehicles that refer to it keep their own make, model and year. A synced one is suppressed, so
    that it does not come back. Deleting a row that is gone is no error."""
    found = Car.objects.select_for_update().filter(pk=car.pk).first()
    if found is None:
        return
    if found.external_id is not None:
        SyncSuppression.objects.get_or_create(
            source=SYNC_SOURCE,
            provider=found.source,
            external_id=found.external_id,
            defaults={"created_by": actor},
        )
    found._history_user = actor
    found.delete()
    cache.bump_on_commit()


def check_model_year(year: int | None, *, now: datetime) -> None:
    """Raise ModelYearTooFar for a year beyond this one + 2: models are announced, but not earlier than that."""
    latest = now.year + YEARS_AHEAD
    if year is not None and year > latest:
        raise ModelYearTooFar(f"The latest model year accepted is {latest}.", attr="year")


def _check(car: Car, *, now: datetime) -> None:
    check_model_year(car.year, now=now)
    car.set_keys()
    # NFKC and case folding lengthen some letters up to 18 times; the keys must fit an index entry.
    for name, key, longest in (("make", car.make_key, MAKE_KEY_LENGTH), ("model", car.model_key, MODEL_KEY_LENGTH)):
        if len(key) > longest:
            raise NameTooLong(f"Written out, this is longer than {longest} characters.", attr=name)


def _lock(car: Car) -> Car:
    found = Car.objects.select_for_update().filter(pk=car.pk).first()
    if found is None:
        raise NotFound
    return found


def _save(car: Car, *, actor: User | None) -> Car:
    """Save; the unique constraint, not a look beforehand, decides between writers that come at the same time."""
    car._history_user = actor
    try:
        with transaction.atomic():
            car.save()
    except IntegrityError:
        existing = Car.objects.filter(make_key=car.make_key, model_key=car.model_key, year=car.year)
        existing_id = existing.exclude(pk=car.pk).values_list("pk", flat=True).first()
        if existing_id is None:
            raise
        raise DuplicateCar(meta={"existing_id": existing_id}) from None
    cache.bump_on_commit()
    return car


def _record_first_state(car: Car) -> None:
    """The sync writes no history when it creates a row. Before the first edit its state is written down, so that the
    edit can be told from it."""
    if car.history.exists():
        return
    run = car.created_in_run_id
    car._history_user = car.created_by
    Car.history.bulk_history_create(
        [car],
        default_change_reason=Car.run_reason(run) if run else "",
        default_date=car.created_at,
    )
