"""Which reads may go to a replica, and when one is asked; tests/operations does it with a real one."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.urls import get_resolver

from accounts.models import ApiKey, User
from cars.models import Car
from common import replicas
from common.checks import _views

VIEW = SimpleNamespace(action="list", replica_reads=frozenset({"list"}))
RIGHT = dict.fromkeys(("replica1", "replica2"), replicas.Verdict("", 0.0, float("inf")))


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[replicas.Monitor]:
    """Two replicas that are well; the test's own transaction is not there."""
    monkeypatch.setattr(replicas, "ALIASES", ("replica1", "replica2"))
    monkeypatch.setattr(replicas, "connections", {DEFAULT_DB_ALIAS: SimpleNamespace(in_atomic_block=False)})
    monitor = replicas.Monitor()
    monitor._verdicts.update(RIGHT)
    monkeypatch.setattr(monitor, "_start", lambda: None)
    monkeypatch.setattr(replicas, "monitor", monitor)
    yield monitor
    replicas.end(method="GET", user_id=None)


def asked(method: str = "GET", user: Any = None, view: Any = VIEW) -> str:
    replicas.begin(view, SimpleNamespace(method=method, user=user or AnonymousUser()))
    alias = replicas.current()
    replicas.end(method=method, user_id=None)
    return alias


def test_nothing_but_what_may_be_a_little_old_goes_to_replicas() -> None:
    reads = {(view.__name__, name) for view in _views(get_resolver().url_patterns) for name in view.replica_reads}
    lists = {(name, action) for name in ("CarViewSet", "ProductViewSet", "ListingViewSet") for action in ACTIONS}
    assert reads == lists | {("ReportView", "get"), ("ReportFileView", "get")}


ACTIONS = ("list", "retrieve")


def test_replicas_take_turns() -> None:
    assert {asked() for _ in range(4)} == {"replica1", "replica2"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_reads_go_there(method: str) -> None:
    assert asked(method) == DEFAULT_DB_ALIAS


def test_other_actions_do_not() -> None:
    assert asked(view=SimpleNamespace(action="history", replica_reads=VIEW.replica_reads)) == DEFAULT_DB_ALIAS


def test_a_transaction_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas.connections[DEFAULT_DB_ALIAS], "in_atomic_block", True)
    assert asked() == DEFAULT_DB_ALIAS


@pytest.mark.django_db
def test_who_wrote_reads_the_primary_and_others_do_not(user: User, other_user: User) -> None:
    assert asked(user=user) != DEFAULT_DB_ALIAS
    replicas.end(method="POST", user_id=user.pk)
    assert asked(user=user) == DEFAULT_DB_ALIAS
    assert asked(user=other_user) != DEFAULT_DB_ALIAS


@pytest.mark.django_db
def test_a_read_that_wrote_counts_as_a_write(user: User) -> None:
    replicas.begin(VIEW, SimpleNamespace(method="GET", user=user))
    assert replicas.Router().db_for_write(Car) == DEFAULT_DB_ALIAS
    assert replicas.Router().db_for_read(Car) == DEFAULT_DB_ALIAS
    replicas.end(method="GET", user_id=user.pk)
    assert asked(user=user) == DEFAULT_DB_ALIAS


@pytest.mark.django_db
def test_a_read_that_noted_who_it_was_does_not(user: User) -> None:
    """An API key's use is written once a minute, which would keep its reads from the replicas for most of that."""
    assert replicas.Router().db_for_write(ApiKey) == DEFAULT_DB_ALIAS
    replicas.begin(VIEW, SimpleNamespace(method="GET", user=user))
    replicas.end(method="GET", user_id=user.pk)
    assert asked(user=user) != DEFAULT_DB_ALIAS


@pytest.mark.django_db
def test_without_the_cache_nobody_knows_who_wrote(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    away = SimpleNamespace(get=lambda _: None, circuit=SimpleNamespace(is_open=True))
    monkeypatch.setattr(replicas, "caches", {"default": away})
    assert asked(user=user) == DEFAULT_DB_ALIAS


def test_who_somebody_is_comes_from_the_primary() -> None:
    replicas.begin(VIEW, SimpleNamespace(method="GET", user=AnonymousUser()))
    assert replicas.Router().db_for_read(User) == DEFAULT_DB_ALIAS
    assert replicas.Router().db_for_read(Car) != DEFAULT_DB_ALIAS


def test_what_is_kept_in_the_cache_comes_from_the_primary() -> None:
    replicas.begin(VIEW, SimpleNamespace(method="GET", user=AnonymousUser()))
    with replicas.on_primary():
        assert replicas.current() == DEFAULT_DB_ALIAS
    assert replicas.current() != DEFAULT_DB_ALIAS


def failure(kind: type[Exception], cause: Exception | None = None) -> Exception:
    error = kind("it failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "is_asked_again", "is_left_out"),
    [
        (failure(OperationalError), True, True),
        (failure(InterfaceError), True, True),
        (failure(OperationalError, psycopg.errors.SerializationFailure()), True, False),
        (failure(OperationalError, psycopg.errors.QueryCanceled()), False, False),
        (failure(ValueError), False, False),
    ],
)
def test_a_failure_of_the_replica_is_answered_by_the_primary(
    configured: replicas.Monitor, error: Exception, is_asked_again: bool, is_left_out: bool
) -> None:
    request = SimpleNamespace(method="GET", user=AnonymousUser())
    replicas.begin(VIEW, request)
    alias = replicas.current()
    assert replicas.gave_up(error) is is_asked_again
    assert bool(configured.verdicts()[alias].reason) is is_left_out
    replicas.begin(VIEW, request)
    assert (replicas.current() == DEFAULT_DB_ALIAS) is is_asked_again


def test_a_failure_of_the_primary_is_none_of_the_replica() -> None:
    assert replicas.gave_up(failure(OperationalError)) is False


# --- How far behind ---------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(configured: replicas.Monitor, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`look(at, primary, replica)`: what one look finds, at a second of a clock of its own."""

    def look(at: float, primary: int | None, replica: int | None) -> tuple[str, float | None]:
        monkeypatch.setattr(replicas, "time", SimpleNamespace(monotonic=lambda: at))
        monkeypatch.setattr(replicas, "_ask", lambda alias, _: primary if alias == DEFAULT_DB_ALIAS else replica)
        configured.look()
        verdict = configured.verdicts()["replica1"]
        return verdict.reason, verdict.lag_s

    return look


def test_the_lag_is_the_time_since_the_primary_was_where_the_replica_is(measured: Any) -> None:
    assert measured(100, 1000, 1000) == ("", 0)
    assert measured(101, 2000, 1500) == ("", 1)  # It has all that was written before 100.
    assert measured(107, 3000, 1999) == ("lagging", 7)
    assert measured(108, 3000, 3000) == ("", 0)


def test_nobody_writing_is_no_lag(measured: Any) -> None:
    assert measured(100, 1000, 1000) == ("", 0)
    assert measured(5000, 1000, 1000) == ("", 0)


def test_what_cannot_be_measured_is_not_asked(measured: Any) -> None:
    assert measured(100, 1000, 900) == ("lagging", None)  # Behind, and nobody knows since when.
    assert measured(101, None, 1000) == ("unmeasured", 1)
    assert measured(102, 1000, None) == ("unreachable", None)
    assert measured(103, 1000, -1) == ("no_standby", None)


def test_an_old_look_does_not_count(measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(100, 1000, 1000)
    monkeypatch.setattr(replicas, "time", SimpleNamespace(monotonic=lambda: 100 + replicas.VERDICT_S + 1))
    assert asked() == DEFAULT_DB_ALIAS


def test_the_mark_of_a_write_outlives_the_oldest_answer(user: User, settings: Any) -> None:
    assert settings.REPLICA_MAX_LAG_S + replicas.VERDICT_S < replicas.PIN_S
    replicas.end(method="POST", user_id=user.pk)
    assert caches["default"].get(f"wrote:{user.pk}") == 1
