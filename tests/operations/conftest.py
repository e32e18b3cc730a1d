"""One primary with a standby for all of them, migrated once; each module works on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.common.redis_server import RedisServer, running_redis
from tests.e2e.processes import Platform, running_platform
from tests.faults.cluster import Cluster, running_pair

WEB = {"web": ["gunicorn", "config.wsgi", "--workers", "1"]}
_numbers = count()
NewDatabase = Callable[[], str]


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    """Its database `forecourt` is migrated, and nobody uses it."""
    with running_pair(tmp_path_factory.mktemp("pair")) as both:
        yield both


@pytest.fixture(scope="package")
def primary(pair: tuple[Cluster, Cluster]) -> Cluster:
    return pair[0]


@pytest.fixture(scope="package")
def new_database(primary: Cluster) -> NewDatabase:
    """Makes a migrated database; returns its name."""

    def make() -> str:
        name = f"forecourt_{next(_numbers)}"
        with primary.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE forecourt')
        return name

    return make


@pytest.fixture(scope="package")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@contextmanager
def web_server(folder: Path, redis: RedisServer, url: str, **environment: str) -> Iterator[Platform]:
    """A web process alone, on the database of the URL."""
    redis.flush()
    fixed = {"REDIS_URL": redis.url, "REDIS_CACHE_URL": redis.url, "DISABLE_THROTTLES": "1", "DATABASE_URL": url}
    with running_platform(folder, WEB, **fixed, **environment) as running:
        yield running
