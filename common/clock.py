"""Time enters the rules as a parameter; this is where it comes from."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The present moment, UTC, aware. Call it once at the edge (view, task, command) and pass it down."""
    return timezone.now()


def database_now() -> datetime:
    """The database's moment, for leases and deadlines that several machines judge: their clocks may differ,
    the database has one. On SQLite all processes share this machine's clock. Costs one query on
    PostgreSQL."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
