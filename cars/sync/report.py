"""What there is to know about the sources, for the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from cars.models import SyncRun, SyncSource
from cars.sync import breaker, schedule
from cars.sync.registry import SOURCES

LAST_RUNS = 5


def known_sources() -> QuerySet[SyncSource]:
    """The rows of the registered sources; those that never ran get theirs now."""
    known = SyncSource.objects.filter(name__in=SOURCES)
    missing = SOURCES.keys() - known.values_list("name", flat=True)
    SyncSource.objects.bulk_create([SyncSource(name=name) for name in missing], ignore_conflicts=True)
    return known.all()


def describe(source: SyncSource, *, now: datetime) -> dict[str, Any]:
    """Provider and what its configuration lacks, cursor, breaker, and the next tick of the schedule."""
    definition = SOURCES[source.name]
    missing = definition.missing()
    return {
        "name": source.name,
        "provider": definition.provider_name(),
        "ready": not missing,
        "missing": missing,
        "cursor": source.cursor,
        "last_success_at": source.last_success_at,
        "last_full_at": source.last_full_at,
        "breaker": {
            "state": breaker.state_of(source, now=now),
            "consecutive_failures": source.consecutive_failures,
            "open_until": breaker.blocked_until(source, now=now),
            "reason": source.breaker_reason,
        },
        "next_run_at": schedule.next_run_at(source.name, now=now),
    }


def status(*, now: datetime) -> dict[str, Any]:
    """All sources with their active run and their last ones, newest first."""
    sources = []
    for source in known_sources():
        runs = SyncRun.objects.filter(source=source.name)
        active = runs.filter(status__in=SyncRun.ACTIVE).first()
        sources.append(describe(source, now=now) | {"active_run": active, "last_runs": list(runs[:LAST_RUNS])})
    return {"sources": sources}
