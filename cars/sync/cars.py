"""The source `cars`: how a record of any provider becomes a row of the registry."""

from __future__ import annotations

from datetime import datetime

from cars.models import MAKE_KEY_LENGTH, MODEL_KEY_LENGTH, YEAR_MIN, Car
from cars.services.cars import SYNC_SOURCE, YEARS_AHEAD, cache
from cars.sync.clean import moment_or_none, text, whole_number
from cars.sync.providers.base import Record
from cars.sync.registry import BadRecord, Column, PageChanges, Row, SourceDefinition, Target
from common.text import natural_key


def clean_car(record: Record, now: datetime) -> Row:
    """The row of a record: names without markup, a whole year from 1886 to two years ahead. Raises BadRecord."""
    data = record.data
    make = text(data, "make", longest=128)
    model = text(data, "model", longest=160)
    year = whole_number(data, "year")
    if not YEAR_MIN <= year <= now.year + YEARS_AHEAD:
        raise BadRecord("year_out_of_range", str(year)[:20])
    make_key, model_key = natural_key(make), natural_key(model)
    if len(make_key) > MAKE_KEY_LENGTH or len(model_key) > MODEL_KEY_LENGTH:
        raise BadRecord("too_long", "make, model")  # Normalising can make a text longer: one ligature, many letters.
    return {
        "make": make,
        "model": model,
        "year": year,
        "category": text(data, "category", longest=128, required=False),
        "make_key": make_key,
        "model_key": model_key,
        "source_updated_at": moment_or_none(data, "source_updated_at"),
    }


def _forget_cached(_changes: PageChanges) -> None:
    cache.bump_on_commit()


CARS = SourceDefinition(
    name=SYNC_SOURCE,
    setting="CAR_PROVIDER",
    providers={
        "file": "cars.sync.providers.file.FileCars",
        "parse": "cars.sync.providers.parse.ParseCars",
        "vpic": "cars.sync.providers.vpic.VpicCars",
    },
    target=Target(
        model=Car,
        owner="source",
        columns=[
            Column("make", lock="make"),
            Column("model", lock="model"),
            Column("year", lock="year"),
            Column("category", lock="category"),
            Column("make_key", lock="make"),
            Column("model_key", lock="model"),
            Column("source_updated_at", compared=False),
        ],
        clean=clean_car,
        newest="source_updated_at",
        natural_key=["make_key", "model_key", "year"],
        run_column="created_in_run",
        changed=_forget_cached,
    ),
)
