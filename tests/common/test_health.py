"""Health and metrics: what a probe sees of each part that is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Heartbeat
from auctions.models import LedgerAudit
from common import cache
from config import health
from tests.common.redis_server import RedisServer

DETAILED = "/health/detailed"


@pytest.fixture(autouse=True)
def _own_circuits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_circuits", {})


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that answers; the real one has a test of its own."""
    monkeypatch.setattr(health, "_ask_broker", lambda: None)


@pytest.fixture
def tick(db: None) -> Heartbeat:
    return Heartbeat.objects.create(name="beat", beat_at=timezone.now())


def down(*_: Any, **__: Any) -> Any:
    raise OperationalError("connection to host db.internal failed")


@pytest.mark.parametrize("url", ["/health", "/api/health", "/api/health/"])
def test_the_process_is_healthy_without_asking_anybody(api: APIClient, url: str) -> None:
    answer = api.get(url)
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
    assert answer["Cache-Control"] == "no-store"


def test_probes_are_not_limited(api: APIClient, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "1/day"}
    assert [api.get("/health").status_code for _ in range(3)] == [200] * 3


def test_a_stale_token_does_not_make_a_probe_fail(api: APIClient) -> None:
    assert api.get("/health", headers={"authorization": "Bearer x"}).status_code == 200


def test_all_parts_up(api: APIClient, database_cache: None, broker: None, tick: Heartbeat) -> None:
    answer = api.get(DETAILED)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "healthy")
    assert set(body) == {"status", "database", "cache", "broker", "beat", "ledger"}
    for name in ("database", "cache", "broker", "beat", "ledger"):
        assert body[name]["state"] == "up"
        assert body[name]["latency_ms"] >= 0
    assert 0 <= body["beat"]["age_s"] < 60


@pytest.mark.parametrize(("age_s", "state", "status"), [(170, "up", "healthy"), (190, "down", "degraded")])
def test_beat_is_down_after_three_minutes(
    api: APIClient, database_cache: None, broker: None, tick: Heartbeat, age_s: int, state: str, status: str
) -> None:
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(seconds=age_s))
    answer = api.get(DETAILED)
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.json()["beat"]["state"] == state


@pytest.mark.django_db
def test_a_beat_that_never_was_is_down(api: APIClient, database_cache: None, broker: None) -> None:
    beat = api.get(DETAILED).json()["beat"]
    assert (beat["state"], beat["age_s"]) == ("down", None)


def test_a_ledger_that_was_never_audited_is_up(
    api: APIClient, database_cache: None, broker: None, tick: Heartbeat
) -> None:
    ledger = api.get(DETAILED).json()["ledger"]
    assert (ledger["state"], ledger["differences"], ledger["age_s"]) == ("up", None, None)


@pytest.mark.parametrize(("differences", "state", "status"), [(0, "up", "healthy"), (3, "down", "degraded")])
def test_a_ledger_that_does_not_add_up_degrades(
    api: APIClient, database_cache: None, broker: None, tick: Heartbeat, differences: int, state: str, status: str
) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    LedgerAudit.objects.create(at=hour_ago - timedelta(days=1), orders=2, differences=7)
    LedgerAudit.objects.create(at=hour_ago, orders=2, differences=differences)
    answer = api.get(DETAILED)
    ledger = answer.json()["ledger"]
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert (ledger["state"], ledger["differences"]) == (state, differences)
    assert 3600 <= ledger["age_s"] < 3660


@pytest.mark.redis
def test_a_database_that_is_away_is_503(
    api: APIClient, redis_cache: RedisServer, broker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_ask_database", down)
    answer = api.get(DETAILED)
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert {answer.json()[name]["state"] for name in ("database", "beat", "ledger")} == {"down"}
    assert answer.json()["cache"]["state"] == "up"
    assert answer["Retry-After"] == "5"
    assert b"db.internal" not in answer.content


@pytest.mark.redis
@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_a_cache_that_is_away_degrades(
    api: APIClient, redis_cache: RedisServer, broker: None, tick: Heartbeat, fault: str
) -> None:
    getattr(redis_cache, fault)()
    answer = api.get(DETAILED)
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["cache"]["state"] == "down"
    assert answer.json()["cache"]["latency_ms"] < 1000


@pytest.mark.redis
def test_the_cache_is_asked_also_while_its_circuit_is_open(
    api: APIClient, redis_cache: RedisServer, broker: None, tick: Heartbeat
) -> None:
    redis_cache.stop()
    api.get(DETAILED)
    redis_cache.start()
    assert api.get(DETAILED).json()["cache"]["state"] == "up"


@pytest.mark.redis
def test_the_broker_is_really_asked(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import Celery

    options = {"socket_connect_timeout": 0.2, "socket_timeout": 0.3}
    app = Celery(broker=redis_server.url, broker_transport_options=options, set_as_current=False)
    monkeypatch.setattr(health, "current_app", app)
    assert health._timed("broker", health._ask_broker).is_up
    redis_server.stop()
    assert not health._timed("broker", health._ask_broker).is_up


def test_a_broker_of_files_is_asked_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from celery import Celery

    app = Celery(broker="filesystem://", set_as_current=False)
    monkeypatch.setattr(health, "current_app", app)
    assert health._timed("broker", health._ask_broker).is_up


# --- Metrics --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scrape(database_cache: None, broker: None, tick: Heartbeat, api: APIClient) -> Any:
    return lambda **extra: api.get("/metrics", **extra)


def test_metrics_for_this_machine(scrape: Any) -> None:
    answer = scrape()
    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'forecourt_component_up{component="database"} 1.0' in text
    assert "forecourt_beat_age_seconds" in text
    assert 'forecourt_http_requests_total{method="GET",route="/metrics",status="200"}' in scrape().content.decode()


@pytest.mark.parametrize("meta", [{"REMOTE_ADDR": "192.0.2.1"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}])
def test_without_a_token_nobody_else_reads_metrics(scrape: Any, meta: dict[str, str]) -> None:
    assert scrape(**meta).status_code == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer right-token", 200), ("Bearer wrong", 401), ("right-token", 401), ("é", 401), ("", 401)],
)
def test_with_a_token_only_its_bearer(scrape: Any, settings: Any, header: str, status: int) -> None:
    settings.METRICS_TOKEN = "right-token"
    answer = scrape(HTTP_AUTHORIZATION=header)
    assert answer.status_code == status
    assert status == 200 or answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.redis
def test_metrics_of_a_database_that_is_away(
    api: APIClient, redis_cache: RedisServer, broker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_ask_database", down)
    assert b'forecourt_component_up{component="database"} 0.0' in api.get("/metrics").content
