"""Statements that PostgreSQL parses and plans once per connection."""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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
    _check_health(connection)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    with connection._prepare_cursor(raw) as cursor:  # type: ignore[attr-defined]
        yield cursor


def fetch_prepared(sql: str, params: Sequence[Any], using: str = DEFAULT_DB_ALIAS) -> list[tuple[Any, ...]]:
    """All rows of a prepared statement by the shortest way: for the few statements that every request runs. Through
    Django's cursor, at twice the price, only when somebody counts, logs or wraps queries."""
    connection = connections[using]
    if connection.vendor != "postgresql" or connection.queries_logged or connection.execute_wrappers:
        with prepared_cursor(using) as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()
    _check_health(connection)
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        cursor = _cursor_of(connection.connection)
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _cursor_of(driver_connection: Any) -> Any:
    """One cursor per connection for all its prepared statements: making one costs a third of running a small one."""
    cursor = getattr(driver_connection, "prepared_cursor", None)
    if cursor is None:
        cursor = driver_connection.prepared_cursor = ServerBindingCursor(driver_connection)  # type: ignore[call-arg]
    return cursor


def _check_health(connection: Any) -> None:
    """Django's check of a kept connection (CONN_HEALTH_CHECKS), without its `SELECT 1` where the socket shows that
    nothing happened: a server that ended the connection has said so by a message or a closed socket."""
    if connection.connection is not None and not connection.health_check_done and _is_quiet(connection.connection):
        connection.health_check_done = True
    connection.close_if_health_check_failed()


def _is_quiet(driver_connection: Any) -> bool:
    if driver_connection.closed:
        return False
    poll = select.poll()
    poll.register(driver_connection.fileno(), select.POLLIN)
    return not poll.poll(0)
