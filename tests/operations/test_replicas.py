"""A streaming replica answers what may be a little old, and nothing else; when it lags or dies nobody notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.common.redis_server import RedisServer
from tests.e2e.processes import Platform
from tests.faults.cluster import Cluster
from tests.faults.load import PERSON, sign_in
from tests.operations.conftest import WEB, NewDatabase, web_server

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("operations")]
# Far more than a test takes: what is paused stays in use.
LONG_S, SHORT_S = "600", "1"


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture(scope="module")
def platform(
    pair: tuple[Cluster, Cluster], database: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    url, replica = (cluster.url_of(database) for cluster in pair)
    environment = {"DATABASE_REPLICA_URLS": replica, "REPLICA_MAX_LAG_S": LONG_S}
    with web_server(tmp_path_factory.mktemp("web"), redis_server, url, **environment) as running:
        yield running


@pytest.fixture(scope="module")
def writer(platform: Platform) -> Iterator[httpx.Client]:
    with platform.client(sign_in(platform)) as client:
        yield client


@pytest.fixture(scope="module")
def reader(platform: Platform) -> Iterator[httpx.Client]:
    """Somebody else, who writes nothing."""
    with platform.client() as client:
        answer = client.post("/api/auth/register", json=PERSON | {"email": "rita@example.com"})
    with platform.client(answer.json()["access_token"]) as client:
        yield client


@pytest.fixture(autouse=True)
def in_use(platform: Platform, pair: tuple[Cluster, Cluster], reader: httpx.Client) -> None:
    """Each test begins with a standby that is asked."""
    platform.until("the replica answers", lambda: lands_on_replica(pair, reader), within=60)


def lands_on_replica(pair: tuple[Cluster, Cluster], client: httpx.Client) -> bool:
    """Whether a list that this client asks for is read there: the servers know their connections' last statement."""
    asked = (
        "SELECT coalesce(max(extract(epoch FROM query_start)), 0) FROM pg_stat_activity"
        " WHERE query LIKE '%FROM \"cars_car\"%' AND pid <> pg_backend_pid()"
    )

    def last(cluster: Cluster) -> Any:
        with cluster.connect("postgres") as connection:
            return connection.execute(asked).fetchone()[0]  # type: ignore[index]

    before = [last(cluster) for cluster in pair]
    assert client.get("/api/cars").status_code == 200
    primary_asked, standby_asked = (last(cluster) > was for cluster, was in zip(pair, before, strict=True))
    assert primary_asked != standby_asked
    return standby_asked


@contextmanager
def paused(standby: Cluster) -> Iterator[None]:
    """The standby receives what is written and shows nothing of it."""
    with standby.connect() as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            connection.execute("SELECT pg_wal_replay_resume()")


def add(client: httpx.Client, make: str) -> str:
    answer = client.post("/api/cars", json={"make": make, "model": "A", "year": 2020})
    assert answer.status_code == 201, answer.text
    return make


def makes(client: httpx.Client) -> set[str]:
    """Of the newest cars."""
    answer = client.get("/api/cars?ordering=-created_at")
    assert answer.status_code == 200, answer.text
    return {row["make"] for row in answer.json()["results"]}


def health(platform: Platform) -> Any:
    return httpx.get(f"{platform.url}/health/detailed", timeout=20).json()


def test_who_wrote_reads_the_own_writing_and_others_may_wait(
    platform: Platform, pair: tuple[Cluster, Cluster], writer: httpx.Client, reader: httpx.Client
) -> None:
    with paused(pair[1]):
        new = add(writer, "Bugatti")
        assert new in makes(writer)
        assert new not in makes(reader)  # Of the standby, which is proof that it was asked.
        assert lands_on_replica(pair, reader)
        assert not lands_on_replica(pair, writer)
    platform.until("the standby has it", lambda: new in makes(reader), within=60)


def test_what_is_not_on_the_list_is_read_where_it_is_written(pair: tuple[Cluster, Cluster], platform: Platform) -> None:
    """Who somebody is, above all: a person that the standby does not know yet is let in."""
    with paused(pair[1]), platform.client() as client:
        answer = client.post("/api/auth/register", json=PERSON | {"email": "nora@example.com"})
        with platform.client(answer.json()["access_token"]) as nora:
            assert nora.get("/api/auth/me").json()["email"] == "nora@example.com"
            assert nora.get("/api/cars").status_code == 200
            assert nora.get("/api/auctions").status_code == 200


def test_one_that_lags_is_left_out_until_it_has_caught_up(
    platform: Platform, pair: tuple[Cluster, Cluster], writer: httpx.Client, reader: httpx.Client
) -> None:
    restart(platform, REPLICA_MAX_LAG_S=SHORT_S)
    try:
        platform.until("it is taken in", lambda: lands_on_replica(pair, reader), within=60)
        with paused(pair[1]):
            new = add(writer, "Lancia")
            platform.until("it is left out", lambda: new in makes(reader), within=60)
            platform.until("health tells", lambda: health(platform)["replicas"][0]["reason"] == "lagging", within=60)
            assert health(platform)["status"] == "degraded"
        platform.until("it is taken in again", lambda: lands_on_replica(pair, reader), within=60)
    finally:
        restart(platform, REPLICA_MAX_LAG_S=LONG_S)


def test_one_that_dies_is_replaced_by_the_primary_within_the_request(
    platform: Platform, pair: tuple[Cluster, Cluster], reader: httpx.Client
) -> None:
    ways = ("/api/cars", "/api/vehicles", "/api/workshop/products")
    assert {reader.get(way).status_code for way in ways} == {200}
    pair[1].stop()
    try:
        answers = [reader.get(way) for way in ways * 8] + [reader.head("/api/cars")]
        assert {answer.status_code for answer in answers} == {200}
        platform.until("health tells", lambda: health(platform)["replicas"][0]["reason"] == "unreachable", within=60)
        assert "replica_left_out" in platform.log("web")
        metrics = httpx.get(f"{platform.url}/metrics", timeout=20).text
        assert 'forecourt_replica_up{replica="replica1"} 0.0' in metrics
    finally:
        pair[1].start()


def restart(platform: Platform, **environment: str) -> None:
    platform.end("web")
    platform.environment |= environment
    platform.start("web", WEB["web"])
    platform.until("the server answers", lambda: httpx.get(f"{platform.url}/health").is_success, within=60)
