"""The auctions' figures and charts on the admin's home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, Max, Q
from django.db.models.functions import TruncDay, TruncHour
from django.urls import reverse

from auctions.models import (
    Auction,
    AuctionLogEntry,
    Bid,
    LedgerAudit,
    Listing,
    Order,
    Payout,
    Refund,
    TitleTransfer,
    TransportOrder,
    WebhookEvent,
)
from auctions.models.delivery import TITLE_OVER
from auctions.services.ledger import last_audit
from auctions.services.reports import REPORTS, Period, rows_of
from auctions.services.verification import last_run
from common.dashboard import Chart, Figure, Queue, Visit, list_url, panel, queues

HOURS, DAYS, MONTHS = 24, 14, 12
LATE = timedelta(seconds=30)  # The sweep comes every five seconds.
Status = Auction.Status


@panel("Auctions", "auctions.moderate_listing")
def queue_panel(visit: Visit) -> Iterator[Figure]:
    """What waits for a moderator, the oldest first."""
    pending = {"status__exact": Listing.Status.PENDING_REVIEW}
    oldest_first = {"o": "7"}
    yield from queues(
        Listing.objects.all(),
        Queue("Listings to review", "the oldest first", pending, link=oldest_first, alarm=True),
        Queue("Listings suspended", "a moderator decides", {"status__exact": Listing.Status.SUSPENDED}),
    )


@panel("Auctions", "auctions.view_auction")
def auctions_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What is on sale now."""
    live, now = {"status__exact": Status.LIVE}, visit.now
    yield from queues(
        Auction.objects.all(),
        Queue("Live auctions", "bids are coming in", live),
        Queue("Ending within the hour", "of the live ones", live | {"ends_at__lt": now + timedelta(hours=1)}),
        Queue("Not closed in time", "the closing job is late", live | {"ends_at__lt": now - LATE}, alarm=True),
        Queue("Paused", "somebody has to go on or cancel", {"status__exact": Status.PAUSED}, alarm=True),
    )
    yield _bids_per_hour(now)


@panel("Auctions", "auctions.audit_auction")
def verification_panel(visit: Visit) -> Iterator[Figure]:
    """Whether the logs of all auctions prove their outcomes."""
    run = last_run()
    if run is None:
        yield Figure("Verification", "none yet", "the schedule replays each log at night", list_url(Auction))
    else:
        verdict = "all agree" if not run.failed else f"{run.failed} fail"
        hint = f"{run.checked} logs, {run.at:%d %b %H:%M} UTC"
        yield Figure("Verification", verdict, hint, list_url(Auction), alarm=run.failed > 0)


@panel("Auctions", "auctions.view_auction")
def outcomes_panel(visit: Visit) -> Iterator[Chart]:
    """How auctions end."""
    yield from _outcomes(visit.now)


@panel("Sales", "auctions.view_order")
def orders_panel(visit: Visit) -> Iterator[Figure]:
    """What is sold and not yet done."""
    yield from queues(
        Order.objects.all(),
        Queue("Orders to be paid", "sold, within their time", {"status__exact": Order.Status.AWAITING_PAYMENT}),
        Queue("Orders overdue", "sold, not paid in time", {"status__exact": Order.Status.OVERDUE}, alarm=True),
        Queue("Disputes", "on hold until somebody decides", {"status__exact": Order.Status.DISPUTED}, alarm=True),
    )


@panel("Sales", "auctions.view_refund")
def refunds_panel(visit: Visit) -> Iterator[Figure]:
    """Money that is asked back."""
    yield from queues(
        Refund.objects.all(),
        Queue("Refunds to decide", "asked for", {"status__exact": Refund.Status.REQUESTED}, alarm=True),
        Queue("Refunds failed", "may be sent again", {"status__exact": Refund.Status.FAILED}, alarm=True),
    )


@panel("Sales", "auctions.view_payout")
def payouts_panel(visit: Visit) -> Iterator[Figure]:
    """Money that sellers wait for."""
    yield from queues(
        Payout.objects.all(), Queue("Payouts due", "sellers to be paid", {"status__exact": Payout.Status.DUE})
    )


@panel("Sales", "auctions.view_titletransfer")
def titles_panel(visit: Visit) -> Iterator[Figure]:
    """Papers that are late, and those to look through."""
    late = {"status__in": [status for status in TitleTransfer.Status if status not in TITLE_OVER]}
    link = {"overdue_at__isempty": "0"}
    received = {"status__in": [TitleTransfer.Status.RECEIVED, TitleTransfer.Status.UNDER_REVIEW]}
    yield from queues(
        TitleTransfer.objects.all(),
        Queue("Titles late", "past their deadline", late, where=Q(overdue_at__isnull=False), link=link, alarm=True),
        Queue("Titles to review", "the seller's documents are here", received),
    )


@panel("Sales", "auctions.view_transportorder")
def transports_panel(visit: Visit) -> Iterator[Figure]:
    """Ways that finance arranges."""
    asked = {"status__exact": TransportOrder.Status.QUOTE_REQUESTED}
    paid = {"status__exact": TransportOrder.Status.BOOKED, "order__status__exact": Order.Status.PAID}
    yield from queues(
        TransportOrder.objects.all(),
        Queue("Transports to quote", "the buyer waits for a price", asked),
        Queue("Carriers to find", "booked, and the order is paid", paid),
    )


@panel("Sales", "auctions.view_webhookevent")
def webhooks_panel(visit: Visit) -> Iterator[Figure]:
    """What payment providers reported and nobody could use."""
    failed = {"outcome__exact": WebhookEvent.Outcome.FAILED}
    yield from queues(WebhookEvent.objects.all(), Queue("Webhooks failed", "reports of providers", failed, alarm=True))


@panel("Sales", "auctions.view_ledgeraudit")
def ledger_panel(visit: Visit) -> Iterator[Figure]:
    """Whether the money of all sales adds up."""
    audit = last_audit()
    if audit is None:
        yield Figure("Ledger of sales", "none yet", "the schedule audits it each night", list_url(LedgerAudit))
    else:
        verdict = "adds up" if not audit.differences else f"{audit.differences} differences"
        url = reverse("admin:auctions_ledgeraudit_change", args=[audit.pk])
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


Series = dict[str, tuple[str, str]]
# What a chart of a year shows: its title, its series as columns of reports, and its look.
CHARTS: tuple[tuple[str, Series, dict[str, Any]], ...] = (
    (
        "Sell-through and price of reserve, percent",
        {"Sold": ("sell-through", "percent"), "Price of reserve": ("price-against-reserve", "percent")},
        {"kind": "line"},
    ),
    ("Bids per lot", {"Bids": ("bids-per-lot", "mean_bids")}, {}),
    (
        "Days to pay and to the title, on average",
        {"To pay": ("time-to-pay", "mean_days"), "To the title": ("days-to-title", "mean_days")},
        {"kind": "line"},
    ),
    (
        f"Fees, {settings.DEFAULT_CURRENCY}",
        {
            "Buyers' premiums": ("fees", "buyer_premium"),
            "Titles": ("fees", "title_processing"),
            "From sellers": ("fees", "seller_fees"),
        },
        {"stacked": True},
    ),
    (
        "Orders that came to nothing",
        {
            "Defaulted": ("defaults", "defaulted"),
            "Cancelled": ("defaults", "cancelled"),
            "Refunded": ("defaults", "refunded"),
        },
        {"stacked": True},
    ),
)


@panel("Sales", "auctions.read_sales_reports")
def reports_panel(visit: Visit) -> Iterator[Chart]:
    """The reports on sales, over a year."""
    months = _months(visit.now)
    for title, series, look in CHARTS:
        yield _report_chart(title, months, series, **look)


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
