"""Prepared statements on kept connections."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from common.prepared import prepared_cursor

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def kept() -> Iterator[None]:
    """The connection as a request of the web server finds it: open, and not yet checked."""
    connection.ensure_connection()
    connection.health_check_enabled, connection.health_check_done = True, False
    yield
    connection.health_check_enabled = False


def backend() -> int:
    with prepared_cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_quiet_connection_is_used_without_asking_the_server(kept, monkeypatch):
    monkeypatch.setattr(connection, "is_usable", lambda: pytest.fail("the server was asked"))

    assert backend() == connection.connection.info.backend_pid
    assert connection.health_check_done


def test_a_connection_that_the_server_ended_is_replaced(kept):
    ended = backend()
    connection.health_check_done = False
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 1000)", (ended,))

    assert backend() != ended
