"""PostgreSQL goes away under eight writing clients and comes back; connections run out. Clients see 201 and 503 only,
and what was acknowledged is there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import psycopg
import pytest

from tests.common.redis_server import running_redis
from tests.e2e.processes import Platform, running_platform
from tests.faults.cluster import FAST, IMMEDIATE, Cluster, running_cluster
from tests.faults.load import sign_in, write_load

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults_postgres")]
WEB = {"web": ["gunicorn", "config.wsgi", "--workers", "2"]}
BACK_WITHIN_S = 5


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("pg")) as running:
        yield running


@pytest.fixture(scope="module")
def platform(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_redis() as redis:
        environment = {"DATABASE_URL": cluster.url, "REDIS_URL": redis.url, "DISABLE_THROTTLES": "1"}
        environment |= {"REDIS_CACHE_URL": redis.url, "LOG_LEVEL": "CRITICAL"}
        with running_platform(tmp_path_factory.mktemp("web"), WEB, **environment) as running:
            yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return sign_in(platform)


@pytest.mark.parametrize("how", [FAST, IMMEDIATE], ids=["fast", "immediate"])
def test_a_restart_under_load_loses_nothing_that_was_acknowledged(
    cluster: Cluster, platform: Platform, token: str, how: signal.Signals
) -> None:
    with write_load(platform, token) as load:
        load.wait_for(100)
        cluster.stop(how)
        platform.until("the outage is seen", lambda: load.answers[503] >= 8, within=10)
        assert httpx.get(f"{platform.url}/health").status_code == 200
        assert httpx.get(f"{platform.url}/health/detailed", timeout=20).status_code == 503
        cluster.start()
        load.wait_for(100, within=BACK_WITHIN_S)
    assert load.oddities == []
    assert set(load.answers) == {201, 503}
    with cluster.connect() as connection:
        stored = {row[0] for row in connection.execute("SELECT id FROM cars_car")}
    assert set(load.acknowledged) <= stored


def test_without_a_free_connection_it_is_503_and_then_as_before(
    cluster: Cluster, platform: Platform, token: str
) -> None:
    with ExitStack() as held, platform.client(token) as client:
        with suppress(psycopg.OperationalError):
            while True:
                _end_others(held.enter_context(cluster.connect()))
        answers = [client.get("/api/cars"), client.post("/api/cars", json={"make": "A", "model": "B", "year": 2020})]
        assert [(answer.status_code, "Retry-After" in answer.headers) for answer in answers] == [(503, True)] * 2
        assert client.get("/health").status_code == 200
    with platform.client(token) as client:
        platform.until("a list", lambda: client.get("/api/cars").status_code == 200, within=BACK_WITHIN_S)


def _end_others(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The server's own connections, so that it needs new ones."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'forecourt-%'"
    )
