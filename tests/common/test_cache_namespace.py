"""Namespaces: what was stored before an invalidation never comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from common import cache as module
from common import circuit as circuit_module
from common.cache import CacheNamespace
from tests.common.redis_server import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)


class Source:
    """Counts how often it had to be asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.asked


@pytest.fixture(params=["database", pytest.param("redis", marks=pytest.mark.redis)])
def some_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_circuits", {})
    request.getfixturevalue(f"{request.param}_cache")
    yield
    cache.clear()


@pytest.fixture
def namespace(some_cache: None) -> CacheNamespace:
    return CacheNamespace("things")


def test_the_second_reader_gets_the_stored_answer(namespace: CacheNamespace) -> None:
    source = Source()
    assert [namespace.get_or_set(("a", 1), source) for _ in range(3)] == [1, 1, 1]
    assert namespace.get_or_set(("a", 2), source) == 2


def test_nothing_is_an_answer_too(namespace: CacheNamespace) -> None:
    asked: list[None] = []
    assert [namespace.get_or_set(("a",), lambda: asked.append(None)) for _ in range(3)] == [None] * 3
    assert len(asked) == 1


def test_an_invalidation_waits_for_the_commit(namespace: CacheNamespace) -> None:
    source = Source()
    namespace.get_or_set(("a",), source)
    with transaction.atomic():
        namespace.bump_on_commit()
        assert namespace.get_or_set(("b",), lambda: "uncommitted") == "uncommitted"
    assert namespace.get_or_set(("a",), source) == 2


def test_a_rollback_invalidates_nothing(namespace: CacheNamespace) -> None:
    source = Source()
    namespace.get_or_set(("a",), source)
    with transaction.atomic():
        namespace.bump_on_commit()
        transaction.set_rollback(True)
    assert namespace.get_or_set(("a",), source) == 1


def test_what_a_transaction_sees_is_not_stored(namespace: CacheNamespace) -> None:
    with transaction.atomic():
        assert namespace.get_or_set(("a",), lambda: "not committed yet") == "not committed yet"
    assert namespace.get_or_set(("a",), lambda: "committed") == "committed"


def test_a_slow_reader_does_not_store_what_is_old(namespace: CacheNamespace) -> None:
    def read_before_the_change() -> str:
        namespace.bump()
        return "old"

    namespace.get_or_set(("a",), read_before_the_change)
    assert namespace.get_or_set(("a",), lambda: "new") == "new"


def test_an_emptied_cache_does_not_return_to_old_entries(namespace: CacheNamespace) -> None:
    namespace.get_or_set(("a",), lambda: "old")
    cache.delete("namespace:things")
    assert namespace.get_or_set(("a",), lambda: "new") == "new"


def test_a_new_process_reads_nothing_of_before(namespace: CacheNamespace) -> None:
    namespace.get_or_set(("a",), lambda: "old")
    assert CacheNamespace("things").get_or_set(("a",), lambda: "new") == "new"


@pytest.mark.parametrize(("ttl", "timeout"), [(0, None), (60, 0), (0, 60)])
def test_zero_turns_it_off(namespace: CacheNamespace, settings: Any, ttl: int, timeout: int | None) -> None:
    settings.CACHE_TTL_S = ttl
    source = Source()
    assert [namespace.get_or_set(("a",), source, timeout) for _ in range(2)] == [1, 2]


@pytest.mark.redis
def test_entries_live_no_longer_than_the_setting(redis_cache: RedisServer, settings: Any) -> None:
    settings.CACHE_TTL_S = 30
    CacheNamespace("things").get_or_set(("a",), lambda: 1, 3600)
    lifetimes = [cache.ttl(key) for key in cache.keys("things:*")]
    assert len(lifetimes) == 1
    assert 28 <= lifetimes[0] <= 30


@pytest.mark.redis
def test_a_lost_invalidation_is_made_up_for(redis_cache: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_module, "OPEN_S", 0.0)
    namespace = CacheNamespace("things")
    namespace.get_or_set(("a",), lambda: "old")
    redis_cache.freeze()
    with transaction.atomic():
        namespace.bump_on_commit()
    redis_cache.thaw()
    assert namespace.get_or_set(("a",), lambda: "new") == "new"


@pytest.mark.redis
def test_who_noticed_an_outage_trusts_no_old_entry(redis_cache: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change was another process's, and its invalidation was lost."""
    monkeypatch.setattr(circuit_module, "OPEN_S", 0.0)
    namespace = CacheNamespace("things")
    namespace.get_or_set(("a",), lambda: "old")
    redis_cache.freeze()
    assert namespace.get_or_set(("a",), lambda: "while away") == "while away"
    redis_cache.thaw()
    assert namespace.get_or_set(("a",), lambda: "new") == "new"


@pytest.mark.redis
def test_answers_come_without_a_cache(redis_cache: RedisServer) -> None:
    namespace = CacheNamespace("things")
    redis_cache.stop()
    source = Source()
    assert [namespace.get_or_set(("a",), source) for _ in range(3)] == [1, 2, 3]
    namespace.bump_on_commit()
