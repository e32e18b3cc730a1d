"""Figures of auctions for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily

from auctions.models import Auction, Listing
from auctions.models.auctions import OPEN
from auctions.services import ledger, verification
from common import clock

CLOSE_LAG = Histogram(
    "auction_close_lag_seconds",
    "From the end of an auction until it was closed, by the process that closed it.",
    buckets=(0.5, 1, 2.5, 5, 7.5, 10, 15, 30, 60, 300, 3600),
)


class AuctionFigures:
    """What the tables say when they are read. A lag that grows is seen also while no worker runs that could observe
    it."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = clock.now()
        active = GaugeMetricFamily(
            "auction_active_count", "Auctions by status, while they are not over.", labels=["status"]
        )
        overdue = GaugeMetricFamily("auction_overdue_seconds", "Since the end of the oldest that is not closed yet.")
        for status in OPEN:
            active.add_metric([status], Auction.objects.filter(status=status).count())
        oldest = Auction.objects.due_to_close(now).aggregate(oldest=Min("ends_at"))["oldest"]
        overdue.add_metric([], (now - oldest).total_seconds() if oldest else 0.0)
        listings = GaugeMetricFamily("vehicles_total", "Listings by status.", labels=["status"])
        for status, number in Listing.objects.order_by().values_list("status").annotate(Count("pk")):
            listings.add_metric([status], number)
        yield from (active, overdue, listings)
        yield from _verified()
        yield from _audited()


def _verified() -> Iterator[GaugeMetricFamily]:
    """How the nightly verification ended; nothing before the first one."""
    last = verification.last_run()
    if last is not None:
        yield GaugeMetricFamily("auction_audit_failures", "Auctions that are not as their logs say.", last.failed)
        yield GaugeMetricFamily("auction_audit_run_seconds", "When that was found, Unix time.", last.at.timestamp())


def _audited() -> Iterator[GaugeMetricFamily]:
    """What the last audit of the ledger found; nothing before the first one."""
    last = ledger.last_audit()
    if last is not None:
        yield GaugeMetricFamily(
            "ledger_audit_differences", "Figures that are not what their rows say.", last.differences
        )
        yield GaugeMetricFamily("ledger_audit_run_seconds", "When that was found, Unix time.", last.at.timestamp())
