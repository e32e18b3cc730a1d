"""A driver's parking history as a CSV file. What it computes, the database computes: on PostgreSQL the rows never pass
through Python. Both databases write the same digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, F, Func, QuerySet, TextField, When
from django.db.models.sql.compiler import SQLCompiler

from accounts.csvfile import Cell, Column
from accounts.exports import Exporter
from accounts.models import User
from parking.models import Reservation

KIND = "parking"


class _Hours(Func):
    """`parking.costs.parked_seconds` of a difference of moments, in hours with two places: s / 36 hundredths, rounded
    half up. The difference is in microseconds on SQLite."""

    output_field = TextField()
    arity = 1
    template = "round(greatest(1, ceil(extract(epoch FROM %(expressions)s))) / 3600, 2)::text"

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        seconds = "max(1, (%(expressions)s + 999999) / 1000000)"
        return self.as_sql(
            compiler, connection, template=f"printf('%%%%.2f', ({seconds} + 18) / 36 / 100.0)", **context
        )


class _HourlyRate(Func):
    """The price of an increment as that of an hour, rounded half up. SQLite keeps amounts as floats: there it counts in
    whole cents, of which a float knows every half exactly."""

    output_field = TextField()
    arity = 2
    template = "round(%(expressions)s, 2)::text"
    arg_joiner = " * 60 / "

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = "printf('%%%%.2f', round(round(%(expressions)s) / 100.0)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" * 6000) / ", **context)


COLUMNS = (
    Column("reservation", "id", Cell.NUMBER),
    Column("lot_name", "lot__name"),
    Column("lot_address", "lot__address"),
    Column("spot_number", "spot__number", Cell.NUMBER),
    Column("spot_type", "spot__type"),
    Column("plate", "plate"),
    Column("started_at", "checked_in_at", Cell.DATETIME),
    Column("released_at", "released_at", Cell.DATETIME),
    Column(
        "duration_hours",
        Case(When(released_at__isnull=False, then=_Hours(F("released_at") - F("checked_in_at")))),
        Cell.NUMBER,
    ),
    Column("hourly_rate", _HourlyRate("rate__price", "rate__increment_min"), Cell.NUMBER),
    Column("cost", "cost", Cell.NUMBER),
    Column("currency", "rate__currency"),
    Column("status", "status"),
    Column("remarks", "remarks"),
    Column("created_at", "created_at", Cell.DATETIME),
)


def _rows(owner: User, _params: Mapping[str, Any]) -> QuerySet[Reservation]:
    """One's own also for staff who may see everybody's: a history is a person's."""
    return Reservation.objects.filter(user=owner).order_by("-id")


PARKING = Exporter(label="Parking history", columns=COLUMNS, rows=_rows)
