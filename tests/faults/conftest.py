"""One platform for the faults of Redis, of beat, of workers and of stopping: each test leaves it running."""

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
from tests.faults.market import Market, market_on
from tests.standins.mail import MailServer, mail_server
from tests.standins.stripe_server import KEY, WEBHOOK_SECRET, StripeServer

ROWS = 500
# Seconds; so that nobody has to wait for the 20 to 60 of the migrations.
OFTEN = {"accounts: Heartbeat": 2, "accounts: Export sweep": 5, "accounts: Mail sweep": 5, "cars: Sync sweep": 5}
LIMITS = ("GLOBAL_RATE_LIMIT", *(f"RATE_LIMIT_{name}" for name in ("ANONYMOUS", "LOGIN", "REGISTER", "SYNC", "BIDS")))
LONG_LIVED = {"TOKEN_TTL_MIN": "600"}  # The long variants take longer than a token of a quarter of an hour.


@contextmanager
def whole_platform(folder: Path, redis: RedisServer, mails: MailServer, stripe: StripeServer) -> Iterator[Platform]:
    """Two web processes, a worker and beat on a database of their own, with a file of `ROWS` cars to sync."""
    rows = (f"row{number},Duesenberg,Model {number},1930,Sedan\n" for number in range(ROWS))
    (folder / "cars.csv").write_text("external_id,make,model,year,category\n" + "".join(rows))
    environment = dict.fromkeys(LIMITS, "1000000/minute") | LONG_LIVED
    environment |= {"CAR_FILE": str(folder / "cars.csv"), "EMAIL_URL": mails.url, "STRIPE_API_BASE": stripe.base_url}
    environment |= {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    with real_servers() as servers:
        servers |= {"REDIS_URL": redis.url, "REDIS_CACHE_URL": redis.url.replace("/0", "/1")}
        with running_platform(folder, SERVERS, **servers | environment) as running:
            for task, seconds in OFTEN.items():
                schedule(running, task, every_s=seconds)
            yield running


def schedule(platform: Platform, task: str, *, every_s: int) -> None:
    """Edits the schedule as the admin does; beat follows within two seconds."""
    with platform.connect() as database:
        new = "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (%s, 'seconds') RETURNING id"
        interval = database.execute(new, [every_s]).fetchone()
        assert interval is not None
        change = "UPDATE django_celery_beat_periodictask SET interval_id = %s, crontab_id = NULL WHERE name = %s"
        assert database.execute(change, [interval[0], task]).rowcount == 1
        database.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")


@contextmanager
def reporting(platform: Platform, database: psycopg.Connection[Any]) -> Iterator[None]:
    """The monthly reports of parking are due every two seconds, and nobody has had one yet."""
    database.execute("DELETE FROM accounts_notification WHERE kind = 'parking_report'")
    schedule(platform, "parking: Monthly reports", every_s=2)
    try:
        yield
    finally:
        schedule(platform, "parking: Monthly reports", every_s=86_400)


@pytest.fixture(scope="package")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="package")
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="package")
def stripe() -> Iterator[StripeServer]:
    with StripeServer() as server:
        yield server


@pytest.fixture(scope="package")
def platform(
    redis_server: RedisServer, mails: MailServer, stripe: StripeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    with whole_platform(tmp_path_factory.mktemp("platform"), redis_server, mails, stripe) as running:
        yield running


@pytest.fixture(scope="package")
def market(platform: Platform, stripe: StripeServer) -> Market:
    """With a refund of what Stripe has taken."""
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(
        f"{stripe.base_url}/v1/payment_intents", data={"amount": "132500", "currency": "usd"}, headers=headers
    )
    stripe.pay(answer.json()["id"])
    return market_on(platform, bidders=2, clocked=6, drivers=2, people=20, intent=answer.json()["id"])


@pytest.fixture(scope="package")
def token(platform: Platform) -> str:
    return sign_in(platform)


@pytest.fixture
def client(platform: Platform, token: str) -> Iterator[httpx.Client]:
    with platform.client(token) as client:
        yield client


@pytest.fixture
def database(platform: Platform) -> Iterator[psycopg.Connection[Any]]:
    with platform.connect() as connection:
        yield connection


@pytest.fixture
def idle(platform: Platform, database: psycopg.Connection[Any]) -> None:
    """No run of a sync is active."""
    active = "SELECT 1 FROM cars_syncrun WHERE status IN ('queued', 'running')"
    platform.until("no sync runs", lambda: database.execute(active).fetchone() is None, within=90)
