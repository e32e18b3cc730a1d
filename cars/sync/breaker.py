"""The circuit breaker of a source, in its database row: after repeated failures the source rests, each time longer.

The functions that take a `SyncSource` change it in memory; the caller holds its lock and saves it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from cars.models import SyncSource

FAILURES_TO_OPEN = 5
FIRST_REST = timedelta(minutes=15)
LONGEST_REST = timedelta(hours=4)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # The rest is over; the next run decides.


def state_of(source: SyncSource, *, now: datetime) -> State:
    if blocked_until(source, now=now):
        return State.OPEN
    return State.HALF_OPEN if source.breaker_opened_count else State.CLOSED


def blocked_until(source: SyncSource, *, now: datetime) -> datetime | None:
    """When a run may start again: the end of the rest, or of the silence that upstream asked for. None: now."""
    moments = [moment for moment in (source.breaker_open_until, source.not_before) if moment and moment > now]
    return max(moments, default=None)


def failed(source: SyncSource, *, reason: str, at_once: bool, now: datetime) -> bool:
    """Count a failed run; answers whether that opened the breaker. `at_once`: trying again cannot help (a refused key).
    The first rest is 15 minutes; each failure after a rest doubles it, to at most 4 hours."""
    source.consecutive_failures += 1
    if not at_once and source.consecutive_failures < FAILURES_TO_OPEN:
        return False
    rest = min(FIRST_REST * 2 ** min(source.breaker_opened_count, 8), LONGEST_REST)
    source.breaker_open_until = now + rest
    source.breaker_opened_count += 1
    source.breaker_reason = reason
    return True


def succeeded(source: SyncSource) -> None:
    """Upstream answered as it should: all is forgotten."""
    source.consecutive_failures = source.breaker_opened_count = 0
    source.breaker_open_until = source.not_before = None
    source.breaker_reason = ""


def reset(name: str) -> SyncSource:
    """Staff let a source try again at once, whatever happened."""
    with transaction.atomic():
        SyncSource.objects.get_or_create(name=name)
        source = SyncSource.objects.select_for_update(no_key=True).get(name=name)
        succeeded(source)
        source.save()
    return source
