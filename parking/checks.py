"""System checks of parking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

EXCLUSIONS = ("reservation_spot_free", "reservation_plate_once")


@register(Tags.database)
def check_exclusions(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    databases: Sequence[str] | None = None,
    **_: Any,
) -> Sequence[CheckMessage]:
    """On PostgreSQL the constraints that refuse double bookings must exist, once the table does. They are no part of
    the models' Meta, since SQLite cannot have them, so nothing else would miss them."""
    problems: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if connection.vendor != "postgresql" or "parking_reservation" not in connection.introspection.table_names():
            continue
        with connection.cursor() as cursor:
            cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'parking_reservation'::regclass")
            found = {row[0] for row in cursor.fetchall()}
        problems += [
            Error(
                f"The constraint {name} is missing on {alias}.",
                hint="Run the migrations of parking.",
                id="parking.E001",
            )
            for name in EXCLUSIONS
            if name not in found
        ]
    return problems
