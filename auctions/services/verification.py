"""Auditing many auctions, every night and when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import structlog
from django.core.cache import cache

from auctions.models import Auction
from auctions.services.audit import Problem, audit_auction
from common.errors import NotFound

log = structlog.get_logger(__name__)

LAST = "auctions:verification"
KEPT_S = 7 * 86_400


class Verified(NamedTuple):
    """How a run over auctions ended."""

    checked: int
    failed: int


class LastRun(NamedTuple):
    """What the metrics tell of the last run of the schedule."""

    at: datetime
    checked: int
    failed: int


def verify_auctions(
    *, auction_id: int | None = None, since: datetime | None = None, report: Callable[[int, Problem], None]
) -> Verified:
    """Audit one auction, those that changed since a moment, or all, one after the other: what is held in memory is
    the log of one. `report` is called with each problem."""
    checked = failed = 0
    for pk in _ids(auction_id, since):
        try:
            audit = audit_auction(pk)
        except NotFound:  # Deleted since its batch was read.
            continue
        checked += 1
        failed += not audit.valid
        for problem in audit.problems:
            report(pk, problem)
    return Verified(checked, failed)


def verify_nightly(*, now: datetime) -> Verified:
    """All auctions: each problem is a line of the log at level error, and the metrics tell how it ended."""
    verified = verify_auctions(report=_complain)
    cache.set(LAST, tuple(LastRun(now, *verified)), KEPT_S)
    log.info("auctions_verified", **verified._asdict())
    return verified


def last_run() -> LastRun | None:
    """Of the schedule, as far as the cache remembers."""
    stored = cache.get(LAST)
    return LastRun(*stored) if stored else None


def _complain(auction_id: int, problem: Problem) -> None:
    log.error("auction_audit_failed", auction=auction_id, **problem._asdict())


def _ids(auction_id: int | None, since: datetime | None, *, batch: int = 500) -> Iterator[int]:
    """By their keys in batches: no cursor is held open over so many transactions."""
    auctions = Auction.objects.order_by("pk")
    if auction_id is not None:
        auctions = auctions.filter(pk=auction_id)
    if since is not None:
        auctions = auctions.filter(updated_at__gte=since)
    last = 0
    while ids := list(auctions.filter(pk__gt=last).values_list("pk", flat=True)[:batch]):
        yield from ids
        last = ids[-1]
