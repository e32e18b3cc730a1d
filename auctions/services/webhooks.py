"""What providers report: stored as it came in, then processed in a transaction of its own.

Lock order: webhook event -> listing -> order -> invoice (-> refund). Of two who have the same event one processes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, QuerySet

from auctions.models import WebhookEvent
from auctions.providers import provider_named
from auctions.providers.base import Report
from auctions.services.payments import apply_report, is_awaited
from common.sweeps import SweepResult, sweep_ids

log = structlog.get_logger(__name__)
MOST_ATTEMPTS = 100  # One a minute; afterwards it is for people to look at.
Outcome = WebhookEvent.Outcome


def receive(*, provider: str, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookEvent:
    """Take a webhook: verify it, store it, and process it. It is received once it is stored: what fails after that is
    taken up by `process_due`, and the provider need not send it again. Raises BadSignature, BadEvent."""
    report = provider_named(provider).verify(headers, body)
    event = store(provider=provider, report=report, body=body.decode(), now=now)
    process(event.pk, now=now)
    return event


def store(*, provider: str, report: Report, body: str, now: datetime) -> WebhookEvent:
    """The event's row; the one that is there when it came before."""
    event, _ = WebhookEvent.objects.get_or_create(
        provider=provider,
        event_id=report.event_id,
        defaults={"kind": report.kind[:100], "body": body, "received_at": now},
    )
    return event


def process(event_id: UUID, *, now: datetime) -> bool:
    """Apply a stored event unless that was done, or somebody is about to. A failure is written down and not raised."""
    event = WebhookEvent.objects.get(pk=event_id)
    if event.processed_at is not None:
        return False
    try:
        provider = provider_named(event.provider)
        report = provider.read(event.body)
        if is_awaited(event.provider, report):
            report = provider.confirm(report)
        return _apply(event_id, report, now=now)
    except Exception:
        log.exception("webhook_failed", provider=event.provider, event_id=event.event_id, kind=event.kind)
        unprocessed = WebhookEvent.objects.filter(pk=event_id, processed_at=None)
        unprocessed.update(attempts=F("attempts") + 1, outcome=Outcome.FAILED)
        return False


@transaction.atomic
def _apply(event_id: UUID, report: Report, *, now: datetime) -> bool:
    event = _lock(event_id)
    if event is None:
        return False
    is_applied = apply_report(provider=event.provider, report=report, now=now)
    event.outcome = Outcome.APPLIED if is_applied else Outcome.IGNORED
    event.processed_at, event.attempts = now, event.attempts + 1
    event.save(update_fields=["outcome", "processed_at", "attempts"])
    return True


def _lock(event_id: UUID) -> WebhookEvent | None:
    """The unprocessed event; None when another process has it, or had it."""
    waiting = WebhookEvent.objects.filter(pk=event_id, processed_at=None)
    return waiting.select_for_update(of=("self",), skip_locked=True, no_key=True).first()


def process_due(*, now: datetime) -> SweepResult:
    """Take up what was stored and not processed."""
    return sweep_ids(_due(), partial(process, now=now))


def _due() -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(processed_at=None, attempts__lt=MOST_ATTEMPTS)
