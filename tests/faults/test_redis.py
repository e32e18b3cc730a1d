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
from tests.faults import market as people
from tests.faults.conftest import ROWS
from tests.faults.load import PERSON, WriteLoad, resending, sign_in, write_load
from tests.faults.market import Market

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
DONE_WITHIN_S = 180
FLUSHES = 5
# Soon enough on a machine that is busy with other tests. How often a time-out of Redis is waited for is counted in
# tests/common/test_cache.py.
BOUND_S = 15.0


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


@pytest.mark.fault(
    "F5", "emptied between a request and its repetition", expected="the same answer again, nobody is signed out"
)
def test_an_emptied_redis_signs_nobody_out_and_forgets_no_key(redis_server: RedisServer, client: httpx.Client) -> None:
    car = {"make": "Saab", "model": "900", "year": 1985}
    key = {"Idempotency-Key": "one-saab"}
    first = client.post("/api/cars", json=car, headers=key)
    redis_server.flush()
    again = client.post("/api/cars", json=car, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_everyday_work(client, "Flushed")


@pytest.mark.fault(
    "F5",
    "emptied again and again under bids, bookings and cancellations",
    expected="no bid, no booking is lost or made twice",
)
def test_an_emptied_redis_costs_no_bid_and_no_booking(
    redis_server: RedisServer, platform: Platform, market: Market, database: Any, witness: Callable[..., None]
) -> None:
    work = people.everyday_work(market, first_day=30)
    before = people.made(database, market)
    with resending(platform.url, work) as load:
        for _ in range(FLUSHES):
            load.wait_for_each(work, 2)
            redis_server.flush()
        load.wait_for_each(work, 2)
    assert load.oddities == []
    assert not load.answers
    bids, bookings = load.made("bidder", field="bid"), load.made("driver")
    assert people.made(database, market) - before == {*bids, *bookings}
    witness(flushes=FLUSHES, acked=load.all_acked, bids=len(bids), bookings=len(bookings), lost=0, twice=0)


@pytest.mark.fault(
    "F4", "stopped by SIGSTOP under four writing clients", expected="201 only; each time-out is waited for once"
)
def test_a_frozen_redis_holds_nobody_up(
    redis_server: RedisServer,
    platform: Platform,
    database: Any,
    token: str,
    client: httpx.Client,
    witness: Callable[..., None],
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
    witness(acked=len(load.acknowledged), other=unusual(load), lost=len(lost(load, database)), slowest=load.slowest_s)
    assert load.slowest_s < BOUND_S
    assert not lost(load, database)
    # What becomes of a job whose ring was lost is shown below; nobody has to wait for this one.
    database.execute("UPDATE cars_syncrun SET status = 'cancelled', finished_at = now() WHERE status = 'queued'")


@pytest.mark.fault("F6", "killed and started again", expected="worker and beat work within 60 s without help")
def test_worker_and_beat_go_on_after_a_restart_by_themselves(
    redis_server: RedisServer, platform: Platform, client: httpx.Client, witness: Callable[..., None]
) -> None:
    """Nobody restarts them; a worker that only seems to consume again would leave the heartbeat old (celery#10205)."""
    redis_server.stop()
    redis_server.start()
    started = time.monotonic()
    platform.until("a heartbeat", lambda: beat_age_s(client) < time.monotonic() - started - 1, within=180)
    witness(back=time.monotonic() - started)
    assert client.get("/health/detailed").json()["status"] == "healthy"


@pytest.mark.fault(
    "F1", "killed under four writing clients who also read lists", expected="the usual answers from the database"
)
@pytest.mark.fault(
    "F2", "the same, signing in, registering, asking for syncs", expected="counted in the process: no 500, no 429"
)
@pytest.mark.fault(
    "F3", "killed, and a sync and exports of as many people asked for", expected="202, and all are done once it is back"
)
@pytest.mark.parametrize("askers", [4, pytest.param(200, marks=pytest.mark.long)])
def test_jobs_asked_for_without_redis_are_done_once_it_is_back(
    redis_server: RedisServer,
    platform: Platform,
    idle: None,
    token: str,
    client: httpx.Client,
    database: Any,
    askers: int,
    witness: Callable[..., None],
) -> None:
    tokens = [sign_in(platform, f"asker{number}of{askers}@example.com") for number in range(askers)]
    with write_load(platform, token, clients=4) as load:
        load.wait_for(20)
        redis_server.stop()
        try:
            assert_everyday_work(client, f"Gone {askers}")
            sync = timed(lambda: client.post("/api/cars/sync-cars"))
            exports = [ask_for_export(platform, asker) for asker in tokens]
            assert (sync.status_code, {export.status_code for export in exports}) == (202, {202})
            load.wait_for(50)
            health = client.get("/health/detailed", timeout=20)
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            states = {name: health.json()[name]["state"] for name in ("database", "cache", "broker")}
            assert states == {"database": "up", "cache": "down", "broker": "down"}
        finally:
            redis_server.start()
    assert load.oddities == []
    assert set(load.answers) == {201}
    back = time.monotonic()
    run = sync.json()["status_url"]
    ready = "SELECT count(*) FROM accounts_export WHERE id = ANY(%s::uuid[]) AND status = 'ready' AND attempts = 1"
    given = [export.json()["id"] for export in exports]
    platform.until(
        "the exports are ready", lambda: database.execute(ready, [given]).fetchone() == (askers,), within=DONE_WITHIN_S
    )
    exported_s = time.monotonic() - back
    platform.until("the sync succeeded", lambda: client.get(run).json()["status"] == "succeeded", within=DONE_WITHIN_S)
    with platform.client(tokens[-1]) as asker:
        assert asker.get(f"/api/exports/{given[-1]}/download").text.count("Duesenberg") == ROWS
    assert not lost(load, database)
    witness(acked=len(load.acknowledged), other=unusual(load), jobs=1 + askers, lost=0, twice=0, done_after=exported_s)


def ask_for_export(platform: Platform, token: str) -> httpx.Response:
    with platform.client(token) as asker:
        return timed(lambda: asker.post("/api/exports", json={"kind": "cars"}))


def unusual(load: WriteLoad) -> dict[int | str, int]:
    """The answers beside 201."""
    return {answer: count for answer, count in load.answers.items() if answer != 201}


def lost(load: WriteLoad, database: Any) -> set[int]:
    """What was acknowledged and is not there."""
    return set(load.acknowledged) - {row[0] for row in database.execute("SELECT id FROM cars_car")}
