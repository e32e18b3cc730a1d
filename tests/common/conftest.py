"""Fixtures of the plumbing's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
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


@pytest.fixture
def database_cache(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "common.cache.SoftDatabaseCache", "LOCATION": "cache_entries"}}
