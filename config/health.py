"""Is it alive, and which part is not: for probes, dashboards and Prometheus."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import prometheus_client
import structlog
from celery import current_app
from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from drf_spectacular.utils import extend_schema
from prometheus_client.core import GaugeMetricFamily
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Heartbeat
from auctions.metrics import AuctionFigures
from auctions.models import LedgerAudit
from auctions.services.ledger import last_audit
from common import clock, replicas
from common.errors import error_response
from common.examples import shown
from common.permissions import Public
from common.views import ApiView
from config.jobs import JobFigures

BEAT_LIMIT_S = 180  # The tick comes every half minute.
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Component:
    """One part of the machinery at one moment. `age_s` is that of the beat's last tick, or of the ledger's last audit,
    which found `differences`."""

    name: str
    is_up: bool
    latency_ms: float
    age_s: float | None = None
    differences: int | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"state": "up" if self.is_up else "down", "latency_ms": self.latency_ms}
        if self.name in ("beat", "ledger"):
            body["age_s"] = self.age_s
        return body | ({"differences": self.differences} if self.name == "ledger" else {})


def examine(*, now: datetime) -> list[Component]:
    """Asks every part, the database first; a part that is away costs its connection's time-out, at most a few
    seconds."""
    database = _timed("database", _ask_database)
    beat = _timed("beat", lambda: _beat_age_s(now=now)) if database.is_up else Component("beat", False, 0.0)
    books = _ask_ledger(now=now) if database.is_up else Component("ledger", False, 0.0)
    ticks = beat.age_s is not None and beat.age_s <= BEAT_LIMIT_S
    return [
        database,
        _timed("cache", _ask_cache),
        _timed("broker", _ask_broker),
        Component("beat", ticks, beat.latency_ms, beat.age_s),
        books,
    ]


def status_of(parts: list[Component]) -> str:
    """Of all together, the replicas too: nothing works without the database, most of it without one of the others."""
    if not parts[0].is_up:
        return "unhealthy"
    is_whole = all(part.is_up for part in parts) and all(copy["state"] == "up" for copy in replica_states())
    return "healthy" if is_whole else "degraded"


def _timed(name: str, ask: Callable[[], float | None]) -> Component:
    started = time.perf_counter()
    age_s, is_up = None, True
    try:
        age_s = ask()
    except Exception as error:  # Whatever the driver raises, it is the answer.
        is_up = False
        log.warning("component_down", component=name, error=type(error).__name__)
    return Component(name, is_up, round((time.perf_counter() - started) * 1000, 2), age_s)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_cache() -> None:
    caches["default"].ping()  # type: ignore[attr-defined]


def _ask_broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0)


def _beat_age_s(*, now: datetime) -> float | None:
    tick = Heartbeat.objects.filter(name="beat").first()
    return None if tick is None else round(max(0.0, tick.age_seconds(now=now)), 1)


def _ask_ledger(*, now: datetime) -> Component:
    """Down when the last audit found something; before the first one nothing speaks against it."""
    audit: LedgerAudit | None = None

    def ask() -> float | None:
        nonlocal audit
        audit = last_audit()
        return None if audit is None else round(max(0.0, (now - audit.at).total_seconds()), 1)

    asked = _timed("ledger", ask)
    differences = None if audit is None else audit.differences
    return replace(asked, is_up=asked.is_up and not differences, differences=differences)


def replica_states() -> list[dict[str, Any]]:
    """What this process last saw of each."""
    found = replicas.monitor.verdicts() if replicas.ALIASES else {}
    return [
        {
            "name": name,
            "state": "down" if verdict.reason else "up",
            "reason": verdict.reason,
            "lag_s": None if verdict.lag_s is None else round(verdict.lag_s, 1),
        }
        for name, verdict in found.items()
    ]


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy"])


class ComponentSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["up", "down"])
    latency_ms = serializers.FloatField()


class BeatSerializer(ComponentSerializer):
    age_s = serializers.FloatField(allow_null=True, help_text="Seconds since the last tick; null when there was none.")


class LedgerHealthSerializer(ComponentSerializer):
    age_s = serializers.FloatField(allow_null=True, help_text="Seconds since the last audit; null before the first.")
    differences = serializers.IntegerField(allow_null=True, help_text="What it found: figures that do not add up.")


class ReplicaHealthSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["up", "down"], help_text="Down: its reads go to the primary.")
    reason = serializers.ChoiceField(choices=["", "unreachable", "no_standby", "lagging", "unmeasured"])
    lag_s = serializers.FloatField(allow_null=True, help_text="Seconds behind the primary; null when not known.")


class DetailedHealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy", "degraded", "unhealthy"])
    database = ComponentSerializer()
    cache = ComponentSerializer()
    broker = ComponentSerializer()
    beat = BeatSerializer()
    ledger = LedgerHealthSerializer()
    replicas = ReplicaHealthSerializer(many=True, required=False, help_text="Where DATABASE_REPLICA_URLS names some.")


_UP = {"state": "up", "latency_ms": 0.8}
_ALL_UP = {
    "status": "healthy",
    "database": _UP,
    "cache": _UP,
    "broker": _UP,
    "beat": _UP | {"age_s": 12.4},
    "ledger": _UP | {"age_s": 30211.9, "differences": 0},
}


class _ProbeView(ApiView):
    """Anybody may ask at any rate, also while the database that knows the users is away."""

    authentication_classes = ()
    permission_classes = (Public,)
    throttle_classes = ()


@extend_schema(
    summary="Ask whether the process answers",
    tags=["health"],
    responses=HealthSerializer,
    examples=[shown("it does", {"status": "healthy"})],
)
class HealthView(_ProbeView):
    """The process answers."""

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        return Response({"status": "healthy"})


class ApiHealthView(HealthView):
    """The same under /api, where some clients look for it."""

    @extend_schema(operation_id="api_health_retrieve")
    def get(self, request: Request) -> Response:
        return super().get(request)


@extend_schema(
    summary="Read the state of each part",
    tags=["health"],
    responses={200: DetailedHealthSerializer, 503: DetailedHealthSerializer},
    examples=[shown("all up", _ALL_UP)],
)
class DetailedHealthView(_ProbeView):
    """Each part with its state: 503 when the database is down, `degraded` when another part is."""

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        parts = examine(now=clock.now())
        status, copies = status_of(parts), replica_states()
        body: dict[str, Any] = {"status": status} | {part.name: part.as_json() for part in parts}
        if copies:
            body["replicas"] = copies
        if status == "unhealthy":
            return Response(body, status=503, headers={"Retry-After": "5"})
        return Response(body)


class _Components:
    """The same figures as Prometheus gauges, measured when they are read, and those of the apps' tables."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        parts = examine(now=clock.now())
        up = GaugeMetricFamily("forecourt_component_up", "1 when the part answers.", labels=["component"])
        latency = GaugeMetricFamily("forecourt_component_latency_seconds", "How long it took.", labels=["component"])
        age = GaugeMetricFamily("forecourt_beat_age_seconds", "Since the last tick of the schedule.")
        for part in parts:
            up.add_metric([part.name], float(part.is_up))
            latency.add_metric([part.name], part.latency_ms / 1000)
            if part.name == "beat" and part.age_s is not None:
                age.add_metric([], part.age_s)
        yield from (up, latency, age)
        yield from _replica_gauges()
        if parts[0].is_up:
            yield from AuctionFigures().collect()
            yield from JobFigures().collect()


def _replica_gauges() -> Iterator[GaugeMetricFamily]:
    up = GaugeMetricFamily("forecourt_replica_up", "1 when the replica is asked.", labels=["replica"])
    lag = GaugeMetricFamily("forecourt_replica_lag_seconds", "How far it is behind the primary.", labels=["replica"])
    for copy in replica_states():
        up.add_metric([copy["name"]], float(copy["state"] == "up"))
        if copy["lag_s"] is not None:
            lag.add_metric([copy["name"]], copy["lag_s"])
    yield from (up, lag)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text: the requests of all workers, and the parts. With METRICS_TOKEN only for its bearer, else only
    for this machine itself."""
    if not _may_read_metrics(request):
        return error_response(401, "not_authenticated", "A token is needed.", headers={"WWW-Authenticate": "Bearer"})
    answer: HttpResponse = ExportToDjangoView(request)
    parts = prometheus_client.CollectorRegistry(auto_describe=False)
    parts.register(_Components())
    answer.content += prometheus_client.generate_latest(parts)
    return answer


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    # Behind a proxy on this machine everybody comes from it.
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not getattr(request, "is_forwarded", False)
