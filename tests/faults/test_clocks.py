"""Servers and workers whose clocks are ten minutes off: what several machines decide goes by the database's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.e2e.processes import ADMIN_EMAIL, SERVERS, Platform
from tests.faults.load import PERSON
from tests.faults.market import Market, bearer
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
OFF_S = 600
SKEWED = ["python", "-m", "tests.faults.skewed"]
ENDS = """
UPDATE auctions_auction SET starts_at = now() - interval '1 hour', ends_at = ends.at, original_ends_at = ends.at
  FROM (SELECT now() + %s AS at) AS ends WHERE id = %s
"""
MAY_BID = """
UPDATE accounts_user SET email_verified_at = now(), identity_verified_at = now(), payment_provider = 'sandbox',
                         payment_reference = 'pm_1', payment_last4 = '4242' WHERE email = %s
"""
LEASED = """
INSERT INTO accounts_export (id, owner_id, kind, params, status, rows, bytes, file_name, error, attempts, lease_until,
                             created_at)
SELECT gen_random_uuid(), id, 'cars', '{}', 'running', 0, 0, '', '', 1, now() + interval '5 minutes', now()
  FROM accounts_user WHERE email = %s RETURNING id
"""


@contextmanager
def server(platform: Platform, off_s: int) -> Iterator[httpx.Client]:
    """A second web server on the platform's data; a client that is signed in there."""
    port = free_port()
    name, url = f"web {off_s:+}", f"http://127.0.0.1:{port}"
    platform.start(
        name, [*SKEWED, str(off_s), "gunicorn", "config.wsgi", "--workers", "1", "--bind", f"127.0.0.1:{port}"]
    )
    try:
        platform.until(f"{name} answers", lambda: httpx.get(f"{url}/health").is_success, within=180)
        pair = httpx.post(f"{url}/api/auth/login", json=PERSON, timeout=30)
        assert pair.status_code == 200, pair.text
        with httpx.Client(base_url=url, headers=bearer(pair.json()["access_token"]), timeout=30) as client:
            yield client
    finally:
        platform.kill(name)


@pytest.mark.fault(
    "F22",
    "one web server ten minutes ahead and one ten minutes behind: a stay begins at the first and ends at the second",
    expected="a cost that is not negative; tokens from the future are 401; bids are judged by the database's clock",
)
def test_servers_that_disagree_about_the_time(
    platform: Platform, market: Market, client: httpx.Client, database: Any, witness: Callable[..., None]
) -> None:
    running, over = market.clocked[:2]
    database.execute(MAY_BID, [PERSON["email"]])
    database.execute(ENDS, [timedelta(minutes=5), running])
    with server(platform, OFF_S) as ahead, server(platform, -OFF_S) as behind:
        stay = ahead.post("/api/parking/reservations", json={"lot": market.lot, "plate": "SKEW 1"}).json()
        assert stay["status"] == "active", stay
        left = behind.post(f"/api/parking/reservations/{stay['id']}/release", json={})
        assert (left.status_code, Decimal(left.json()["cost"]) >= 0) == (200, True)
        from_the_future = client.get("/api/auth/me", headers={"Authorization": ahead.headers["Authorization"]})
        assert from_the_future.status_code == 401
        still_open = bid(ahead, running)
        database.execute(ENDS, [timedelta(minutes=-5), over])
        too_late = bid(behind, over)
    assert (still_open.status_code, too_late.status_code) == (201, 409)
    witness(
        cost=left.json()["cost"], token_from_the_future=from_the_future.status_code,
        bid_before_the_end=still_open.status_code, bid_after_the_end=too_late.status_code,
    )  # fmt: skip


def bid(client: httpx.Client, auction: int) -> httpx.Response:
    url = f"/api/auctions/{auction}"
    return client.post(f"{url}/bids", json={"amount": client.get(url).json()["min_next"]})


@pytest.mark.fault(
    "F22",
    "a worker ten minutes ahead, or behind, alone and then beside one that is right",
    expected="what was asked for is done; auctions end and leases run out when the database says so, not before",
)
@pytest.mark.parametrize("off_s", [OFF_S, pytest.param(-OFF_S, marks=pytest.mark.long)])
def test_a_worker_with_a_wrong_clock_ends_and_takes_nothing_too_soon(
    platform: Platform, market: Market, token: str, database: Any, off_s: int, witness: Callable[..., None]
) -> None:
    """Ahead it drops the rings of the schedule, which expire; they come again, for the other one."""
    running, over = market.clocked[2:4] if off_s > 0 else market.clocked[4:6]
    (leased,) = database.execute(LEASED, [ADMIN_EMAIL]).fetchone()
    platform.kill("worker")
    database.execute(ENDS, [timedelta(minutes=5), running])
    platform.start("wrong worker", [*SKEWED, str(off_s), *SERVERS["worker"]])
    try:
        with platform.client(token) as client:
            asked = client.post("/api/exports", json={"kind": "cars"}).json()
            url = f"/api/exports/{asked['id']}"
            platform.until("it works", lambda: client.get(url).json()["status"] == "ready", within=180)
        platform.start("worker", SERVERS["worker"])
        database.execute(ENDS, [timedelta(seconds=-1), over])
        closed = "SELECT closed_at - ends_at FROM auctions_auction WHERE id = %s AND status <> 'live'"
        late = platform.until("one is closed", lambda: database.execute(closed, [over]).fetchone(), within=180)
        assert database.execute(closed, [running]).fetchone() is None
        lease = database.execute("SELECT status, attempts FROM accounts_export WHERE id = %s", [leased]).fetchone()
        assert lease == ("running", 1)
    finally:
        platform.kill("wrong worker")
        database.execute("DELETE FROM accounts_export WHERE id = %s", [leased])
    assert timedelta(0) <= late[0] < timedelta(seconds=120)
    witness(closed_after_its_end=1, closed_before_its_end=0, leases_taken_too_soon=0, exports=1)
