"""The soft cache backends: what they answer while their server is away, and what that costs."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from redis.exceptions import TimeoutError

from common import cache as module
from common import circuit as circuit_module
from tests.common.redis_server import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def in_vain(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, type[Exception]]]:
    """Which threads waited for the server, and what they got. While a circuit is open nobody tries again."""
    seen: list[tuple[int, type[Exception]]] = []
    failed = circuit_module.Circuit.failed

    def note(circuit: circuit_module.Circuit, error: Exception) -> None:
        seen.append((get_ident(), type(error)))
        failed(circuit, error)

    monkeypatch.setattr(circuit_module, "OPEN_S", 3600)
    monkeypatch.setattr(circuit_module.Circuit, "failed", note)
    return seen


def test_values_come_back(redis_cache: RedisServer) -> None:
    assert cache.set("a", {"x": [1]}, 60) is True
    assert cache.get("a") == {"x": [1]}
    assert cache.get_many(["a", "b"]) == {"a": {"x": [1]}}
    assert cache.add("a", 2) is False
    assert cache.set_many({"n": 1}) == []
    assert cache.incr("n", 4) == 5
    assert cache.decr("n") == 4
    assert cache.has_key("n")
    assert cache.touch("n", 10) is True
    assert cache.delete("n") is True
    cache.delete_many(["a"])
    assert cache.get("a", "gone") == "gone"


@pytest.mark.fault("F1", "the cache's server stopped", expected="every call misses, none raises")
def test_a_stopped_redis_misses_instead_of_raising(redis_cache: RedisServer) -> None:
    cache.set("a", 1)
    redis_cache.stop()
    assert cache.get("a", "miss") == "miss"
    assert cache.get_many(["a"]) == {}
    assert cache.set("a", 1) is False
    assert cache.set_many({"a": 1}) == ["a"]
    assert cache.add("a", 1) is False
    assert cache.touch("a") is False
    assert cache.delete("a") is False
    assert cache.has_key("a") is False
    assert cache.get_or_set("a", lambda: 7) == 7
    cache.delete_many(["a"])
    cache.clear()
    with pytest.raises(ValueError, match="not found"):
        cache.incr("a")


def test_a_frozen_redis_costs_one_time_out(
    redis_cache: RedisServer, in_vain: list[tuple[int, type[Exception]]]
) -> None:
    cache.get("a")
    redis_cache.freeze()
    assert [cache.get("a", "miss") for _ in range(100)] == ["miss"] * 100
    assert [error for _, error in in_vain] == [TimeoutError]


@pytest.mark.fault(
    "F4", "the cache's server stopped by SIGSTOP, eight threads", expected="each waits once, then nobody does"
)
def test_a_frozen_redis_costs_each_waiting_thread_one_time_out(
    redis_cache: RedisServer, in_vain: list[tuple[int, type[Exception]]]
) -> None:
    redis_cache.freeze()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: [cache.get("a", "miss") for _ in range(20)], range(8)))
    assert answers == [["miss"] * 20] * 8
    waited = Counter(thread for thread, _ in in_vain)
    assert set(waited.values()) == {1}


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the cache said, in whichever thread."""
    return [
        (record.levelname, record.msg["event"]) for record in caplog.records if record.name == circuit_module.__name__
    ]


def test_one_line_is_logged_per_opening(redis_cache: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    redis_cache.stop()
    for _ in range(20):
        cache.get("a")
    assert logged(caplog) == [("WARNING", "cache_unavailable")]


def test_a_restarted_redis_is_used_again(
    redis_cache: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cache.set("a", 1)
    redis_cache.stop()
    monkeypatch.setattr(circuit_module, "OPEN_S", 0.0)
    assert cache.get("a") is None
    redis_cache.start()
    assert cache.set("a", 2) is True
    assert cache.get("a") == 2
    assert logged(caplog)[-1] == ("INFO", "cache_available")


def test_a_restart_between_two_calls_goes_unnoticed(redis_cache: RedisServer) -> None:
    """The kept connection is dead, the server is not: that is no reason to open the circuit."""
    cache.set("a", 1)
    redis_cache.stop()
    redis_cache.start()
    assert cache.set("a", 2) is True


def test_an_open_circuit_lets_one_caller_try(redis_cache: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = circuit_module.Circuit("test", event="test")
    circuit.failed(OSError())
    assert not circuit.admits()
    monkeypatch.setattr(circuit_module.time, "monotonic", lambda: time.perf_counter() + 1e6)
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    circuit.worked()
    assert [circuit.admits() for _ in range(3)] == [True, True, True]


def test_counting_is_exact_under_contention(redis_cache: RedisServer) -> None:
    with ThreadPoolExecutor(8) as threads:
        counted = list(threads.map(lambda _: cache.count("k", window_s=60), range(200)))
    assert sorted(number for number, _ in counted) == list(range(1, 201))
    assert all(0 < left_s <= 60 for _, left_s in counted)


def test_counting_has_no_answer_without_redis(redis_cache: RedisServer) -> None:
    redis_cache.stop()
    assert cache.count("k", window_s=60) is None


@pytest.fixture
def without_table(database_cache: None, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE cache_entries")


def test_the_database_cache_misses_instead_of_raising(without_table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_circuits", {})
    assert cache.get("a", "miss") == "miss"
    assert cache.set("a", 1) is False


def test_a_failing_cache_table_spoils_no_transaction(without_table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_circuits", {})
    with transaction.atomic():
        assert cache.get("a") is None
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)


def test_the_database_cache_stores(database_cache: None, db: None) -> None:
    assert cache.set("a", 1) is True
    assert cache.get("a") == 1
