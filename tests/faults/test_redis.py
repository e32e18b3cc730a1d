"""Redis is killed, started again, frozen and emptied under the whole platform: people go on working, and the jobs that
they asked for meanwhile are done once it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.common.redis_server import RedisServer
from tests.e2e.processes import Platform
from tests.faults.conftest import ROWS
from tests.faults.load import PERSON, write_load

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
DONE_WITHIN_S = 90
BOUND_S = 3.0  # A request that waits for every time-out of Redis once, on a busy machine.


def timed(ask: Callable[[], httpx.Response]) -> httpx.Response:
    started = time.monotonic()
    answer = ask()
    assert time.monotonic() - started < BOUND_S, answer.url
    return answer


def assert_everyday_work(client: httpx.Client, name: str) -> None:
    """Signing in, reading, writing, refreshing: with the usual answers, soon."""
    pair = timed(lambda: client.post("/api/auth/login", json=PERSON))
    assert pair.status_code == 200
    refresh = {"refresh_token": pair.json()["refresh_token"]}
    work: list[tuple[int, Callable[[], httpx.Response]]] = [
        (200, lambda: client.post("/api/auth/refresh", json=refresh)),
        (200, lambda: client.get("/api/cars")),
        (200, lambda: client.get("/api/cars/makes")),
        (201, lambda: client.post("/api/cars", json={"make": name, "model": "Everyday", "year": 2020})),
        (200, lambda: client.get("/api/auth/me")),
    ]
    assert [timed(ask).status_code for _, ask in work] == [status for status, _ in work]


def beat_age_s(client: httpx.Client) -> float:
    return float(client.get("/health/detailed", timeout=20).json()["beat"]["age_s"] or 1e9)


def test_an_emptied_redis_signs_nobody_out_and_forgets_no_key(redis_server: RedisServer, client: httpx.Client) -> None:
    car = {"make": "Saab", "model": "900", "year": 1985}
    key = {"Idempotency-Key": "one-saab"}
    first = client.post("/api/cars", json=car, headers=key)
    redis_server.flush()
    again = client.post("/api/cars", json=car, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_everyday_work(client, "Flushed")


def test_a_frozen_redis_holds_nobody_up(
    redis_server: RedisServer, platform: Platform, database: Any, token: str, client: httpx.Client
) -> None:
    with write_load(platform, token, clients=4) as load:
        load.wait_for(20)
        redis_server.freeze()
        try:
            assert_everyday_work(client, "Frozen")
            assert timed(lambda: client.post("/api/cars/sync-cars")).status_code == 202
            load.wait_for(50)
        finally:
            redis_server.thaw()
    assert load.oddities == []
    assert set(load.answers) == {201}
    assert load.slowest_s < BOUND_S
    # What becomes of a job whose ring was lost is shown below; nobody has to wait for this one.
    database.execute("UPDATE cars_syncrun SET status = 'cancelled', finished_at = now() WHERE status = 'queued'")


def test_worker_and_beat_go_on_after_a_restart_by_themselves(
    redis_server: RedisServer, platform: Platform, client: httpx.Client
) -> None:
    """Nobody restarts them; a worker that only seems to consume again would leave the heartbeat old (celery#10205)."""
    redis_server.stop()
    redis_server.start()
    started = time.monotonic()
    platform.until("a heartbeat", lambda: beat_age_s(client) < time.monotonic() - started - 1, within=60)
    assert client.get("/health/detailed").json()["status"] == "healthy"


def test_jobs_asked_for_without_redis_are_done_once_it_is_back(
    redis_server: RedisServer, platform: Platform, idle: None, token: str, client: httpx.Client
) -> None:
    with write_load(platform, token, clients=4) as load:
        load.wait_for(20)
        redis_server.stop()
        assert_everyday_work(client, "Gone")
        sync, export = (
            timed(lambda: client.post("/api/cars/sync-cars")),
            timed(lambda: client.post("/api/exports", json={"kind": "cars"})),
        )
        assert (sync.status_code, export.status_code) == (202, 202)
        load.wait_for(50)
        health = client.get("/health/detailed", timeout=20)
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        states = {name: health.json()[name]["state"] for name in ("database", "cache", "broker")}
        assert states == {"database": "up", "cache": "down", "broker": "down"}
        redis_server.start()
    assert load.oddities == []
    assert set(load.answers) == {201}
    back = time.monotonic()
    run, file = sync.json()["status_url"], f"/api/exports/{export.json()['id']}"
    platform.until("the export is ready", lambda: client.get(file).json()["status"] == "ready", within=DONE_WITHIN_S)
    left = DONE_WITHIN_S - (time.monotonic() - back)
    platform.until("the sync succeeded", lambda: client.get(run).json()["status"] == "succeeded", within=left)
    assert client.get(f"{file}/download").text.count("Duesenberg") == ROWS
