"""Fixtures of the plumbing's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.common.redis_server import RedisServer, running_redis


@pytest.fixture
def connection_queries(db: None) -> Callable[[], CaptureQueriesContext]:
    return lambda: CaptureQueriesContext(connection)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_cache(redis_server: RedisServer, settings: Any) -> Iterator[RedisServer]:
    """The settings' cache is on a Redis of its own, with the time-outs of the settings."""
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.SoftRedisCache",
            "LOCATION": redis_server.url,
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.3},
        }
    }
    yield redis_server
    caches["default"].client.get_client().connection_pool.disconnect()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Where the run has a Redis, Django does not make the table of the cache in the database, which is tested too."""
    with django_db_blocker.unblock():
        call_command("createcachetable", "cache_entries", verbosity=0)


@pytest.fixture
def database_cache(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "common.cache.SoftDatabaseCache", "LOCATION": "cache_entries"}}
