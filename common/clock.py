"""Time enters the rules as a parameter; this is where it comes from."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.db import connection
from django.utils import timezone

from common.prepared import fetch_prepared


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


def lock_clock() -> datetime:
    """The moment at which this statement runs, for rules that compare a deadline under a lock. Ask for it after the
    lock is held: the transaction's own time, and a clock inside the statement that waited for the lock, are both from
    before the wait. One query on PostgreSQL; the system's clock on SQLite."""
    if connection.vendor != "postgresql":
        return timezone.now()
    moment: datetime = fetch_prepared("SELECT clock_timestamp()", ())[0][0]
    return moment


def zone_named(name: str) -> ZoneInfo:
    """A user's zone; the deployment's for a blank and for a name that nobody knows (any more)."""
    try:
        return ZoneInfo(name or settings.DEFAULT_USER_TIMEZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(settings.DEFAULT_USER_TIMEZONE)


@cache
def known_zones() -> frozenset[str]:
    """The names of all time zones. The first call reads hundreds of files."""
    return frozenset(available_timezones())
