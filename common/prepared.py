"""Statements that PostgreSQL parses and plans once per connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


@contextmanager
def prepared_cursor(using: str = DEFAULT_DB_ALIAS) -> Iterator[CursorWrapper]:
    """A cursor like `connection.cursor()`, whose statements are bound and prepared by the server.

    Preparing needs `prepare_threshold` in the connection's options (Django's default is off). Django's own cursors
    bind on the client and are not affected by it. On SQLite it is the ordinary cursor, whose driver caches
    statements anyway. Counted, logged and checked by Django like any other cursor.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = ServerBindingCursor(connection.connection)
    with connection._prepare_cursor(raw) as cursor:
        yield cursor
