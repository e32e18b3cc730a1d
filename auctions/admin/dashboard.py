"""The auctions' figures and charts on the admin's home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Max, Q
from django.db.models.functions import TruncDay, TruncHour
from django.urls import reverse

from auctions.models import Auction, AuctionLogEntry, Bid, Listing, Order
from auctions.models.orders import UNPAID_ORDER
from common.dashboard import Chart, Figure, panel

HOURS, DAYS = 24, 14
LATE = timedelta(seconds=30)  # The sweep comes every five seconds.
Status = Auction.Status


@panel("auctions.moderate_listing")
def queue_panel(now: datetime) -> Iterator[Figure]:
    """What waits for a moderator."""
    waiting = Listing.objects.filter(status=Listing.Status.PENDING_REVIEW).count()
    url = reverse("admin:auctions_listing_changelist")
    yield Figure(
        "Listings to review", waiting, "the oldest first", f"{url}?status__exact=pending_review&o=7", alarm=waiting > 0
    )


@panel("auctions.view_auction")
def auctions_panel(now: datetime) -> Iterable[Figure | Chart]:
    """What is on sale now, and how it sells."""
    url = reverse("admin:auctions_auction_changelist")
    live = Auction.objects.filter(status=Status.LIVE)
    yield Figure("Live auctions", live.count(), "bids are coming in", f"{url}?status__exact=live")
    soon = live.filter(ends_at__lte=now + timedelta(hours=1)).count()
    yield Figure("Ending within the hour", soon, "of the live ones", f"{url}?status__exact=live&o=9")
    late = live.filter(ends_at__lte=now - LATE).count()
    yield Figure("Not closed in time", late, "the closing job is late", f"{url}?status__exact=live", alarm=late > 0)
    yield _bids_per_hour(now)
    yield from _outcomes(now)


@panel("auctions.view_order")
def orders_panel(now: datetime) -> Iterator[Figure]:
    """What is sold and not yet paid."""
    unpaid = Order.objects.filter(status__in=UNPAID_ORDER).count()
    url = reverse("admin:auctions_order_changelist")
    yield Figure("Orders to be paid", unpaid, "sold, waiting for the money", f"{url}?status__exact=awaiting_payment")


def _bids_per_hour(now: datetime) -> Chart:
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    bids = Bid.objects.filter(at__gte=first).order_by().annotate(hour=TruncHour("at"))
    counts = dict(bids.values_list("hour").annotate(Count("pk")))
    hours = [first + timedelta(hours=number) for number in range(HOURS)]
    return Chart(
        "Bids per hour", [f"{hour:%H}:00" for hour in hours], {"Bids": [counts.get(hour, 0) for hour in hours]}
    )


def _outcomes(now: datetime) -> Iterator[Chart]:
    """Sell-through and how late the closer came, by day of the end."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    ended = Auction.objects.filter(closed_at__gte=first).exclude(status=Status.CANCELLED)
    sold = Q(status__in=[Status.SOLD, Status.BOUGHT_NOW])
    by_day = ended.order_by().annotate(day=TruncDay("closed_at")).values("day")
    rows = {row["day"]: row for row in by_day.annotate(sold=Count("pk", filter=sold), all=Count("pk"))}
    days = [first + timedelta(days=number) for number in range(DAYS)]
    labels = [f"{day:%d %b}" for day in days]
    nothing = {"sold": 0, "all": 0}
    figures = [rows.get(day, nothing) for day in days]
    yield Chart(
        "Auctions ended, by day",
        labels,
        {"Sold": [row["sold"] for row in figures], "Not sold": [row["all"] - row["sold"] for row in figures]},
        stacked=True,
    )
    closed = AuctionLogEntry.objects.filter(kind=AuctionLogEntry.Kind.CLOSED, at__gte=first).order_by()
    late = closed.annotate(day=TruncDay("at"), lag=F("at") - F("deadline")).values("day")
    means = dict(late.annotate(mean=Avg("lag")).values_list("day", "mean"))
    longest = dict(late.annotate(most=Max("lag")).values_list("day", "most"))
    yield Chart(
        "Seconds from the end to the close, by day",
        labels,
        {"Mean": _seconds(means, days), "Longest": _seconds(longest, days)},
        kind="line",
    )


def _seconds(lags: dict[Any, timedelta], days: list[datetime]) -> list[float]:
    return [round(lags.get(day, timedelta()).total_seconds(), 1) for day in days]
