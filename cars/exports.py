"""The registry as a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from accounts.csvfile import Cell, Column
from accounts.exports import Exporter
from accounts.models import User
from cars.models import Car

COLUMNS = (
    Column("id", "id", Cell.NUMBER),
    Column("make", "make"),
    Column("model", "model"),
    Column("year", "year", Cell.NUMBER),
    Column("category", "category"),
    Column("source", "source"),
    Column("external_id", "external_id"),
    Column("created_at", "created_at", Cell.DATETIME),
    Column("updated_at", "updated_at", Cell.DATETIME),
)


def _rows(_owner: User, _params: Mapping[str, Any]) -> QuerySet[Car]:
    """What the list shows: cars that their source has not withdrawn."""
    return Car.objects.current().order_by("id")


CARS = Exporter(label="Car registry", columns=COLUMNS, rows=_rows)
