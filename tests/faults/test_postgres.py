"""PostgreSQL goes away under writing clients and comes back; connections run out; it is not there yet. Clients see
success and 503 only, and what was acknowledged is there, once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import psycopg
import pytest

from tests.common.redis_server import running_redis
from tests.e2e.processes import ROOT, SERVERS, Platform, running_platform
from tests.faults import market as people
from tests.faults.cluster import FAST, IMMEDIATE, MAX_CONNECTIONS, Cluster, running_cluster
from tests.faults.conftest import LONG_LIVED, OFTEN, schedule
from tests.faults.load import resending, sign_in, write_load
from tests.faults.market import Market, market_on

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults_postgres")]
BACK_WITHIN_S = 5
RESTARTS = pytest.mark.parametrize("how", [FAST, IMMEDIATE], ids=["fast", "immediate"])
PAID = """
SELECT payment.id, payment.status, invoice.paid = payment.amount,
       (SELECT count(*) FROM auctions_settlementevent
         WHERE subject = 'payment' AND subject_id = payment.id AND new = 'succeeded')
  FROM auctions_payment payment JOIN auctions_invoice invoice ON invoice.order_id = payment.order_id
 WHERE payment.id = ANY(%s)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("pg")) as running:
        yield running


@pytest.fixture(scope="module")
def platform(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_redis() as redis:
        environment = {"DATABASE_URL": cluster.url, "REDIS_URL": redis.url, "DISABLE_THROTTLES": "1"} | LONG_LIVED
        environment |= {"REDIS_CACHE_URL": redis.url, "LOG_LEVEL": "CRITICAL"}
        with running_platform(tmp_path_factory.mktemp("web"), SERVERS, **environment) as running:
            for task, seconds in (OFTEN | {"auctions: Webhooks": 2}).items():
                schedule(running, task, every_s=seconds)
            # Else the sandbox would report what a lost webhook has not.
            schedule(running, "auctions: Payment sandbox", every_s=86_400)
            yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return sign_in(platform)


@pytest.fixture(scope="module")
def market(platform: Platform) -> Market:
    return market_on(platform, bidders=2, drivers=2, payments=40)


@pytest.mark.fault(
    "F7", "restarted under eight clients that write cars", expected="201 and 503 only, all 201s stored, back in 5 s"
)
@RESTARTS
def test_a_restart_under_load_loses_nothing_that_was_acknowledged(
    cluster: Cluster, platform: Platform, token: str, how: signal.Signals, witness: Callable[..., None]
) -> None:
    with write_load(platform, token) as load:
        load.wait_for(100)
        cluster.stop(how)
        platform.until("the outage is seen", lambda: load.answers[503] >= 8, within=60)
        assert httpx.get(f"{platform.url}/health", timeout=20).status_code == 200
        assert httpx.get(f"{platform.url}/health/detailed", timeout=20).status_code == 503
        cluster.start()
        started = time.monotonic()
        load.wait_for(1, within=BACK_WITHIN_S)
        back_s = time.monotonic() - started
        load.wait_for(99)
    assert load.oddities == []
    assert set(load.answers) == {201, 503}
    with cluster.connect() as connection:
        lost = set(load.acknowledged) - {row[0] for row in connection.execute("SELECT id FROM cars_car")}
    witness(acked=len(load.acknowledged), other={503: load.answers[503]}, lost=len(lost), back=back_s)
    assert not lost


@pytest.mark.fault(
    "F7",
    "restarted under bids, bookings, cancellations, webhooks of payments and invoices being printed",
    expected="what was sent again until it was acked is there once, each payment counted once, no half invoice",
)
@RESTARTS
def test_sales_and_bookings_are_made_once(
    cluster: Cluster, platform: Platform, market: Market, how: signal.Signals, witness: Callable[..., None]
) -> None:
    payments = market.payments[how == IMMEDIATE :: 2]
    everyday = people.everyday_work(market, first_day=30 if how == FAST else 60)
    with cluster.connect() as connection:
        before = people.made(connection, market)
    with resending(platform.url, everyday | {"webhooks": people.reports(payments)}) as load:
        load.wait_for_each([*everyday, "webhooks"], 2)
        cluster.stop(how)
        assert len(load.acked["webhooks"]) < len(payments), "the outage came too late"
        platform.until("the outage is seen", lambda: load.answers[503] >= 8, within=60)
        cluster.start()
        started = time.monotonic()
        load.wait_for_each(everyday, 4)
        platform.until("all are reported", lambda: len(load.acked["webhooks"]) == len(payments) * 3 // 2, within=180)
    assert load.oddities == []
    bids, bookings = load.made("bidder", field="bid"), load.made("driver")
    for paper in load.acked["reader"]:
        assert (paper.content[:5], paper.content.rstrip()[-5:]) == (b"%PDF-", b"%%EOF")
    given = [payment["payment"] for payment in payments]
    with cluster.connect() as connection:
        assert people.made(connection, market) - before == {*bids, *bookings}
        unprocessed = "SELECT 1 FROM auctions_webhookevent WHERE processed_at IS NULL"
        platform.until("all are processed", lambda: connection.execute(unprocessed).fetchone() is None, within=180)
        counted = connection.execute(PAID, [given]).fetchall()
    assert sorted(counted) == [(pk, "succeeded", True, 1) for pk in sorted(given)]
    witness(
        acked=load.all_acked, bids=len(bids), bookings=len(bookings), payments=len(given), other=load.answers,
        lost=0, twice=0, back=load.first_success_after_s(started),
    )  # fmt: skip


@pytest.mark.fault("F7", "the restarts above", expected="the audits of the ledger and of the auctions find nothing")
@pytest.mark.parametrize("audit", ["audit_ledger", "verify_auctions"])
def test_afterwards_the_books_add_up(platform: Platform, market: Market, audit: str) -> None:
    command = [sys.executable, "manage.py", audit]
    done = subprocess.run(command, cwd=ROOT, env=platform.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.fault("F8", "every connection taken by others", expected="503 with Retry-After, then as before")
def test_without_a_free_connection_it_is_503_and_then_as_before(
    cluster: Cluster, platform: Platform, token: str, witness: Callable[..., None]
) -> None:
    with ExitStack() as held, platform.client(token) as client:
        _take_all_connections(cluster, held)
        answers = [client.get("/api/cars"), client.post("/api/cars", json={"make": "A", "model": "B", "year": 2020})]
        assert [(answer.status_code, "Retry-After" in answer.headers) for answer in answers] == [(503, True)] * 2
        assert client.get("/health").status_code == 200
    freed = time.monotonic()
    with platform.client(token) as client:
        platform.until("a list", lambda: client.get("/api/cars").status_code == 200, within=BACK_WITHIN_S)
    witness(other={503: len(answers)}, back=time.monotonic() - freed)


def _take_all_connections(cluster: Cluster, held: ExitStack) -> None:
    """Those of the platform are ended, so that it needs new ones. They keep their places for a moment, so that to be
    refused does not tell that all are taken."""
    first = held.enter_context(cluster.connect())
    left = MAX_CONNECTIONS - 1
    while left:
        first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'forecourt-%'"
        )
        with suppress(psycopg.OperationalError):
            held.enter_context(cluster.connect())
            left -= 1


@pytest.mark.fault(
    "F8",
    "away while server, worker and beat start",
    expected="/health 200, /health/detailed 503; all three wait, and work within 60 s of its return",
)
@pytest.mark.parametrize("away_s", [5, pytest.param(60, marks=pytest.mark.long)])
def test_what_starts_without_postgresql_waits_for_it(
    cluster: Cluster, platform: Platform, away_s: int, witness: Callable[..., None]
) -> None:
    for name in SERVERS:
        platform.kill(name)
    cluster.stop()
    for name, command in SERVERS.items():
        platform.start(name, command)
    started = time.monotonic()
    platform.until("the server answers", lambda: httpx.get(f"{platform.url}/health").is_success, within=180)
    platform.until("503", lambda: detailed(platform).status_code == 503, within=60)
    # Nothing to wait for but that time passes, in which no process may give up.
    platform.until("so long", lambda: time.monotonic() - started > away_s, within=away_s + 60)
    cluster.start()
    back = time.monotonic()
    fresh = "SELECT 1 FROM accounts_heartbeat WHERE beat_at > now() - %s * interval '1 second'"
    with cluster.connect() as connection:
        platform.until(
            "a heartbeat", lambda: connection.execute(fresh, [time.monotonic() - back]).fetchone(), within=180
        )
    witness(away=time.monotonic() - started, back=time.monotonic() - back)
    platform.until("all is well", lambda: detailed(platform).json()["status"] == "healthy", within=60)


def detailed(platform: Platform) -> httpx.Response:
    return httpx.get(f"{platform.url}/health/detailed", timeout=20)
