"""The auctions' figures and charts on the admin's home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, Max, Q
from django.db.models.functions import TruncDay, TruncHour
from django.urls import reverse

from auctions.models import Auction, AuctionLogEntry, Bid, Listing, Order
from auctions.models.orders import UNPAID_ORDER
from auctions.services.ledger import last_audit
from auctions.services.reports import REPORTS, Period, rows_of
from common.dashboard import Chart, Figure, panel

HOURS, DAYS, MONTHS = 24, 14, 12
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


@panel("auctions.view_ledgeraudit")
def ledger_panel(now: datetime) -> Iterator[Figure]:
    """Whether the money of all sales adds up."""
    audit = last_audit()
    url = reverse("admin:auctions_ledgeraudit_changelist")
    if audit is None:
        yield Figure("Ledger of sales", "none yet", "the schedule audits it each night", url)
    else:
        verdict = "adds up" if not audit.differences else f"{audit.differences} differences"
        yield Figure("Ledger of sales", verdict, f"{audit.at:%d %b %H:%M} UTC", url, alarm=audit.differences > 0)


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


@panel("auctions.read_sales_reports")
def reports_panel(now: datetime) -> Iterator[Chart]:
    """The reports on sales, over a year."""
    months = _months(now)
    yield _report_chart(
        "Sell-through and price of reserve, percent",
        months,
        {"Sold": ("sell-through", "percent"), "Price of reserve": ("price-against-reserve", "percent")},
        kind="line",
    )
    yield _report_chart("Bids per lot", months, {"Bids": ("bids-per-lot", "mean_bids")})
    yield _report_chart(
        "Days to pay and to the title, on average",
        months,
        {"To pay": ("time-to-pay", "mean_days"), "To the title": ("days-to-title", "mean_days")},
        kind="line",
    )
    fees = {"Buyers' premiums": "buyer_premium", "Titles": "title_processing", "From sellers": "seller_fees"}
    yield _report_chart(
        f"Fees, {settings.DEFAULT_CURRENCY}", months, {name: ("fees", fee) for name, fee in fees.items()}, stacked=True
    )
    lost = {"Defaulted": "defaulted", "Cancelled": "cancelled", "Refunded": "refunded"}
    yield _report_chart(
        "Orders that came to nothing", months, {name: ("defaults", way) for name, way in lost.items()}, stacked=True
    )


def _months(now: datetime) -> list[date]:
    """The first days of the last months, this one included."""
    numbers = (now.year * 12 + now.month - 1 - back for back in reversed(range(MONTHS)))
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def _report_chart(title: str, months: list[date], series: dict[str, tuple[str, str]], **look: Any) -> Chart:
    """Columns of reports, in the deployment's currency; what is not known is left out."""
    found = {name: _by_month(name, months[0]) for name in {name for name, _ in series.values()}}
    values = {
        label: [_number(found[name].get(f"{month:%Y-%m}", {}).get(column)) for month in months]
        for label, (name, column) in series.items()
    }
    return Chart(title, [f"{month:%b %Y}" for month in months], values, **look)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _by_month(name: str, first: date) -> dict[str, dict[str, Any]]:
    rows = rows_of(REPORTS[name], Period(first))
    return {row["month"]: row for row in rows if row.get("currency") in (None, settings.DEFAULT_CURRENCY)}
