"""Reports on sales, by month: how much is sold, for how much, and how long the money and the titles take.

A report declares its rows (a queryset whose `month` is that of the event it counts), by what they are grouped, and its
figures: aggregates, or percentages and quotients of other figures. The database adds up; amounts of different
currencies are never added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Any, NamedTuple

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncMonth

from auctions.fees import LINE_KINDS
from auctions.models import Auction, Invoice, InvoiceLine, Order, TitleTransfer
from common.audits import sum_of
from common.errors import NotFound
from common.money import CENT, ZERO

TENTH = Decimal("0.1")
DAY = timedelta(days=1)


class Period(NamedTuple):
    """From one day to another, both included; open where there is none. Days are those of UTC."""

    first: date | None = None
    last: date | None = None

    def of(self, moment: str) -> Q:
        """Rows whose `moment` falls into it, and is not null."""
        within = Q(**{f"{moment}__isnull": False})
        if self.first is not None:
            within &= Q(**{f"{moment}__gte": datetime.combine(self.first, time.min, UTC)})
        if self.last is not None:
            within &= Q(**{f"{moment}__lt": datetime.combine(self.last, time.min, UTC) + DAY})
        return within


class Kind(Enum):
    """How a figure is shown: a whole number, an amount with two places, or a number with one place."""

    COUNT = "count"
    MONEY = "money"
    PERCENT = "percent"
    NUMBER = "number"
    DAYS = "days"


class Figure(NamedTuple):
    """A column. `of` is an aggregate, or the names of the two figures that are divided."""

    kind: Kind
    meaning: str
    of: Any


@dataclass(frozen=True, slots=True)
class Report:
    """One report; `groups` are `month` and, where there is money in it, `currency`."""

    description: str
    rows: Callable[[Period], QuerySet[Any]]
    figures: Mapping[str, Figure]
    groups: tuple[str, ...] = ("month",)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.groups, *self.figures)


def report_named(name: str) -> Report:
    """Raises NotFound."""
    report = REPORTS.get(name)
    if report is None:
        raise NotFound
    return report


def rows_of(report: Report, period: Period) -> Iterator[dict[str, Any]]:
    """One row for each month in which there was something to count, the oldest first."""
    return _read(report, period, report.groups)


def totals_of(report: Report, period: Period) -> Iterator[dict[str, Any]]:
    """The same over all months: one row, or one for each currency; none when nothing was counted."""
    return _read(report, period, report.groups[1:])


def _read(report: Report, period: Period, groups: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    # Named apart from the columns that they add up.
    sums = {f"sum_{name}": figure.of for name, figure in report.figures.items() if not isinstance(figure.of, tuple)}
    rows = report.rows(period).order_by()
    if not groups:
        whole = rows.aggregate(number=Count("pk"), **sums)
        if whole["number"]:
            yield _row(report, whole, groups)
        return
    for row in rows.values(*groups).annotate(**sums).order_by(*groups).iterator():
        yield _row(report, row, groups)


def _row(report: Report, found: Mapping[str, Any], groups: tuple[str, ...]) -> dict[str, Any]:
    row = {name: f"{found[name]:%Y-%m}" if name == "month" else found[name] for name in groups}
    for name, figure in report.figures.items():
        row[name] = _shown(figure, found[f"sum_{name}"]) if f"sum_{name}" in found else _quotient(figure, found)
    return row


def _shown(figure: Figure, value: Any) -> Any:
    if figure.kind is Kind.COUNT:
        return value or 0
    if figure.kind is Kind.MONEY:
        return ZERO if value is None else Decimal(str(value)).quantize(CENT)
    return None if value is None else _tenths(Decimal(value // timedelta(seconds=1)) / 86_400)


def _quotient(figure: Figure, found: Mapping[str, Any]) -> Decimal | None:
    """Null where there is nothing to divide by."""
    part, whole = (Decimal(str(found[f"sum_{name}"] or 0)) for name in figure.of)
    if not whole:
        return None
    return _tenths(part * (100 if figure.kind is Kind.PERCENT else 1) / whole)


def _tenths(value: Decimal) -> Decimal:
    return value.quantize(TENTH, rounding=ROUND_HALF_UP)


# --- The reports ------------------------------------------------------------------------------------------------------

SOLD = Q(status__in=["sold", "bought_now"])


def _ended(period: Period) -> QuerySet[Any]:
    """Auctions that ran to their end."""
    ended = Auction.objects.filter(period.of("closed_at")).exclude(status=Auction.Status.CANCELLED)
    return ended.annotate(month=TruncMonth("closed_at", tzinfo=UTC))


def _with_reserve(period: Period) -> QuerySet[Any]:
    return _ended(period).filter(original_reserve_price__isnull=False, price__isnull=False)


def _paid(period: Period) -> QuerySet[Any]:
    paid = Order.objects.filter(period.of("paid_at"))
    return paid.annotate(month=TruncMonth("paid_at", tzinfo=UTC), took=_between("created_at", "paid_at"))


def _titled(period: Period) -> QuerySet[Any]:
    titles = TitleTransfer.objects.filter(period.of("completed_at"))
    took = _between("order__paid_at", "completed_at")
    return titles.annotate(month=TruncMonth("completed_at", tzinfo=UTC), took=took)


def _invoiced(period: Period) -> QuerySet[Any]:
    """Invoices that were not taken back as a whole, with the sums of their kinds of lines."""
    lines = InvoiceLine.objects.all()
    kinds = {kind: sum_of(lines.filter(kind=kind), "invoice", "amount") for kind in LINE_KINDS}
    invoices = Invoice.objects.filter(period.of("issued_at")).exclude(status=Invoice.Status.VOID)
    return invoices.annotate(month=TruncMonth("issued_at", tzinfo=UTC), **kinds)


def _made(period: Period) -> QuerySet[Any]:
    return Order.objects.filter(period.of("created_at")).annotate(month=TruncMonth("created_at", tzinfo=UTC))


def _between(begin: str, end: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(end) - F(begin), output_field=DurationField())


_LATE = Q(completed_at__gt=F("due_at"))

REPORTS: dict[str, Report] = {
    "sell-through": Report(
        description="How many of the auctions that ended sold, by the month of their end; cancelled ones do not count. "
        "A reserve that was missed counts as sold once buyer and seller have agreed.",
        rows=_ended,
        figures={
            "ended": Figure(Kind.COUNT, "Auctions that ended.", Count("pk")),
            "sold": Figure(Kind.COUNT, "Of these, sold, bought at once or agreed on.", Count("pk", filter=SOLD)),
            "no_bids": Figure(Kind.COUNT, "Nobody bid.", Count("pk", filter=Q(status="no_bids"))),
            "percent": Figure(Kind.PERCENT, "Sold of ended.", ("sold", "ended")),
        },
    ),
    "price-against-reserve": Report(
        description="Auctions with a reserve that had bids, by the month of their end and by currency: what was bid "
        "against the reserve that held at the end.",
        rows=_with_reserve,
        groups=("month", "currency"),
        figures={
            "lots": Figure(Kind.COUNT, "Auctions with a reserve and bids.", Count("pk")),
            "met": Figure(Kind.COUNT, "The price reached it.", Count("pk", filter=Q(price__gte=F("reserve_price")))),
            "reserve": Figure(Kind.MONEY, "The sum of the reserves.", Sum("reserve_price")),
            "price": Figure(Kind.MONEY, "The sum of the prices.", Sum("price")),
            "percent": Figure(Kind.PERCENT, "Price of reserve.", ("price", "reserve")),
        },
    ),
    "bids-per-lot": Report(
        description="Bids and bidders of the auctions that ended, by the month of their end; voided bids do not count.",
        rows=_ended,
        figures={
            "lots": Figure(Kind.COUNT, "Auctions that ended.", Count("pk")),
            "bids": Figure(Kind.COUNT, "Bids that stood at the end.", Sum("bid_count")),
            "mean_bids": Figure(Kind.NUMBER, "Bids per auction.", ("bids", "lots")),
            "most_bids": Figure(Kind.COUNT, "In one auction.", Max("bid_count")),
            "mean_bidders": Figure(Kind.NUMBER, "Bidders per auction.", ("bidders", "lots")),
            "bidders": Figure(Kind.COUNT, "One bidder of two auctions counts twice.", Sum("bidder_count")),
        },
    ),
    "time-to-pay": Report(
        description="From the sale until all of it was paid, in days, by the month in which it was paid.",
        rows=_paid,
        figures={
            "orders": Figure(Kind.COUNT, "Orders that were paid.", Count("pk")),
            "late": Figure(
                Kind.COUNT, "Paid after they were due.", Count("pk", filter=Q(paid_at__gt=F("payment_due_at")))
            ),
            "mean_days": Figure(Kind.DAYS, "On average.", Avg("took")),
            "shortest_days": Figure(Kind.DAYS, "The fastest.", Min("took")),
            "longest_days": Figure(Kind.DAYS, "The slowest.", Max("took")),
        },
    ),
    "days-to-title": Report(
        description="From the payment until the title was the buyer's, in days, by the month in which it became so.",
        rows=_titled,
        figures={
            "titles": Figure(Kind.COUNT, "Titles that were transferred.", Count("pk")),
            "late": Figure(Kind.COUNT, "After they were due.", Count("pk", filter=_LATE)),
            "mean_days": Figure(Kind.DAYS, "On average.", Avg("took")),
            "shortest_days": Figure(Kind.DAYS, "The fastest.", Min("took")),
            "longest_days": Figure(Kind.DAYS, "The slowest.", Max("took")),
        },
    ),
    "fees": Report(
        description="What was invoiced, by the month of the invoice and by currency, without invoices that were taken "
        "back as a whole. `credited` is what was taken back of the others, `seller_fees` what is kept from the "
        "payouts of these sales.",
        rows=_invoiced,
        groups=("month", "currency"),
        figures={
            "invoices": Figure(Kind.COUNT, "Invoices.", Count("pk")),
            "hammer": Figure(Kind.MONEY, "Prices of the vehicles.", Sum("hammer")),
            "buyer_premium": Figure(Kind.MONEY, "Buyers' premiums.", Sum("buyer_premium")),
            "title_processing": Figure(Kind.MONEY, "For titles.", Sum("title_processing")),
            "transport": Figure(Kind.MONEY, "For transport.", Sum("transport")),
            "tax": Figure(Kind.MONEY, "Taxes.", Sum("tax")),
            "total": Figure(Kind.MONEY, "The sum of these.", Sum("total")),
            "credited": Figure(Kind.MONEY, "Taken back by credit notes.", Sum("credited")),
            "seller_fees": Figure(Kind.MONEY, "Kept from the sellers.", Coalesce(Sum("order__payout__fee"), ZERO)),
        },
    ),
    "defaults": Report(
        description="What became of the orders, by the month in which they were made.",
        rows=_made,
        figures={
            "orders": Figure(Kind.COUNT, "Orders that were made.", Count("pk")),
            "defaulted": Figure(Kind.COUNT, "Never paid.", Count("pk", filter=Q(status="defaulted"))),
            "cancelled": Figure(Kind.COUNT, "Called off by staff.", Count("pk", filter=Q(status="cancelled"))),
            "refunded": Figure(Kind.COUNT, "Undone after a dispute.", Count("pk", filter=Q(status="refunded"))),
            "percent": Figure(Kind.PERCENT, "Defaulted of all.", ("defaulted", "orders")),
        },
    ),
}
