"""One platform for the faults of Redis, of beat and of stopping: each test leaves it running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.common.redis_server import RedisServer, running_redis
from tests.e2e.processes import SERVERS, Platform, real_servers, running_platform
from tests.faults.load import sign_in

ROWS = 500
# Seconds; so that nobody has to wait for the 20 to 60 of the migrations.
OFTEN = {"accounts: Heartbeat": 2, "accounts: Export sweep": 5, "cars: Sync sweep": 5}


@contextmanager
def whole_platform(folder: Path, redis: RedisServer) -> Iterator[Platform]:
    """Two web processes, a worker and beat on a database of their own, with a file of `ROWS` cars to sync."""
    rows = (f"row{number},Duesenberg,Model {number},1930,Sedan\n" for number in range(ROWS))
    (folder / "cars.csv").write_text("external_id,make,model,year,category\n" + "".join(rows))
    limits = dict.fromkeys(("GLOBAL_RATE_LIMIT", "RATE_LIMIT_LOGIN", "RATE_LIMIT_SYNC"), "1000000/minute")
    with real_servers() as servers:
        servers |= {"REDIS_URL": redis.url, "REDIS_CACHE_URL": redis.url.replace("/0", "/1")}
        with running_platform(folder, SERVERS, **servers, **limits, CAR_FILE=str(folder / "cars.csv")) as running:
            for task, seconds in OFTEN.items():
                schedule(running, task, every_s=seconds)
            yield running


def schedule(platform: Platform, task: str, *, every_s: int) -> None:
    """Edits the schedule as the admin does; beat follows within two seconds."""
    with psycopg.connect(platform.environment["DATABASE_URL"], autocommit=True) as database:
        new = "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (%s, 'seconds') RETURNING id"
        interval = database.execute(new, [every_s]).fetchone()
        assert interval is not None
        change = "UPDATE django_celery_beat_periodictask SET interval_id = %s WHERE name = %s"
        assert database.execute(change, [interval[0], task]).rowcount == 1
        database.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")


@pytest.fixture(scope="package")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="package")
def platform(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with whole_platform(tmp_path_factory.mktemp("platform"), redis_server) as running:
        yield running


@pytest.fixture(scope="package")
def token(platform: Platform) -> str:
    return sign_in(platform)


@pytest.fixture
def client(platform: Platform, token: str) -> Iterator[httpx.Client]:
    with platform.client(token) as client:
        yield client


@pytest.fixture
def database(platform: Platform) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(platform.environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def idle(platform: Platform, database: psycopg.Connection[Any]) -> None:
    """No run of a sync is active."""
    active = "SELECT 1 FROM cars_syncrun WHERE status IN ('queued', 'running')"
    platform.until("no sync runs", lambda: database.execute(active).fetchone() is None, within=90)
