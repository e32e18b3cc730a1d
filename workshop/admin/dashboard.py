"""The workshop's figures and charts on the admin's home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, ExpressionWrapper, F, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncWeek
from django.urls import reverse

from common.dashboard import Chart, Figure, panel
from workshop.models import (
    Invoice,
    InvoiceLine,
    LowStockAlert,
    PriceProposal,
    ServiceTicket,
    StockAudit,
    TimeEntry,
)

WEEKS, MONTHS = 8, 6
Status = ServiceTicket.Status
AMOUNT = DecimalField(max_digits=24, decimal_places=5)


@panel("workshop.view_serviceticket")
def tickets_panel(now: datetime) -> Iterable[Figure | Chart]:
    """Where the tickets stand, and how many hours were sold and worked."""
    counts = dict(ServiceTicket.objects.order_by().values_list("status").annotate(Count("id")))
    url = reverse("admin:workshop_serviceticket_changelist")
    under_way = counts.get(Status.AUTHORISED, 0) + counts.get(Status.IN_PROGRESS, 0) + counts.get(Status.REVIEW, 0)
    yield Figure("Tickets under way", under_way, "authorised, in progress or in review", url)
    waiting = ServiceTicket.objects.filter(status=Status.ON_HOLD, hold_reason=ServiceTicket.HoldReason.PARTS).count()
    yield Figure("Waiting for parts", waiting, "tickets on hold", f"{url}?status__exact=on_hold", alarm=waiting > 0)
    asked = counts.get(Status.AWAITING_AUTHORISATION, 0)
    yield Figure("Estimates out", asked, "the customer has to decide", f"{url}?status__exact=awaiting_authorisation")
    labels = [str(Status(status).label) for status in Status]
    yield Chart("Tickets by status", labels, {"Tickets": [counts.get(status, 0) for status in Status]})
    yield from _hours(now)


def _hours(now: datetime) -> Iterator[Chart]:
    first = _monday(now) - timedelta(weeks=WEEKS - 1)
    weeks = [(first + timedelta(weeks=number)).date() for number in range(WEEKS)]
    labour = InvoiceLine.objects.filter(kind=InvoiceLine.Kind.LABOUR, invoice__issued_at__gte=first)
    sold = _by_period(labour.annotate(period=TruncWeek("invoice__issued_at")), Sum("quantity"))
    clocks = TimeEntry.objects.filter(started_at__gte=first, ended_at__isnull=False)
    worked = Sum(F("ended_at") - F("started_at"))
    clocked = _by_period(clocks.annotate(period=TruncWeek("started_at")), worked)
    yield Chart(
        "Hours sold and clocked, by week",
        [f"{week:%d %b}" for week in weeks],
        {
            "Sold": [round(float(sold.get(week) or 0), 1) for week in weeks],
            "Clocked": [round((clocked.get(week) or timedelta()).total_seconds() / 3600, 1) for week in weeks],
        },
    )


@panel("workshop.view_costs")
def margin_panel(now: datetime) -> Iterable[Figure | Chart]:
    """What the parts on the invoices earned over their cost."""
    months = _months(now)
    cost = ExpressionWrapper(F("quantity") * F("unit_cost"), output_field=AMOUNT)
    lines = InvoiceLine.objects.filter(
        kind=InvoiceLine.Kind.PART, invoice__issued_at__date__gte=months[0], unit_cost__isnull=False
    ).exclude(invoice__status=Invoice.Status.VOID)
    by_month = lines.annotate(period=TruncMonth("invoice__issued_at"))
    sales = _by_period(by_month, Sum("net"))
    costs = _by_period(by_month, Sum(cost))
    yield Chart(
        "Part margin, by month",
        [f"{month:%b %Y}" for month in months],
        {
            "Sales": [_whole(sales.get(month)) for month in months],
            "Margin": [_whole((sales.get(month) or 0) - (costs.get(month) or 0)) for month in months],
        },
    )


@panel("workshop.view_invoice")
def invoices_panel(now: datetime) -> Iterable[Figure | Chart]:
    """What customers owe."""
    owed = Invoice.objects.filter(status__in=[Invoice.Status.OPEN, Invoice.Status.PARTIALLY_PAID])
    total = owed.aggregate(owed=Sum(F("total") - F("credited") - F("paid"), output_field=AMOUNT))["owed"]
    url = f"{reverse('admin:workshop_invoice_changelist')}?status__in=open,partially_paid"
    yield Figure("Owed by customers", f"{total or Decimal(0):,.2f}", f"invoices: {owed.count()}", url)


@panel("workshop.view_stockaudit")
def stock_panel(now: datetime) -> Iterable[Figure | Chart]:
    """Whether the ledger adds up, and what runs low."""
    audit = StockAudit.objects.first()
    audits = reverse("admin:workshop_stockaudit_changelist")
    if audit is None:
        yield Figure("Stock audit", "none yet", "the schedule runs one each night", audits)
    else:
        verdict = "adds up" if not audit.differences else f"{audit.differences} differences"
        yield Figure("Stock audit", verdict, f"{audit.at:%d %b %H:%M} UTC", audits, alarm=audit.differences > 0)
    low = LowStockAlert.objects.filter(closed_at__isnull=True).count()
    alerts = f"{reverse('admin:workshop_lowstockalert_changelist')}?closed_at__isempty=1"
    yield Figure("Parts running low", low, "below their threshold", alerts, alarm=low > 0)


@panel("workshop.view_priceproposal")
def proposals_panel(now: datetime) -> Iterable[Figure | Chart]:
    """Prices that somebody has to look at."""
    pending = PriceProposal.objects.filter(status=PriceProposal.Status.PENDING).count()
    url = f"{reverse('admin:workshop_priceproposal_changelist')}?status__exact=pending"
    yield Figure("Prices to review", pending, "moved by more than half", url, alarm=pending > 0)


def _by_period(rows: QuerySet[Any], total: Sum) -> dict[date, Any]:
    return {row["period"].date(): row["total"] for row in rows.order_by().values("period").annotate(total=total)}


def _monday(now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


def _months(now: datetime) -> list[date]:
    """The first days of the last months, this one included."""
    last = now.year * 12 + now.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(last - MONTHS + 1, last + 1)]


def _whole(amount: Decimal | int | None) -> int:
    return round(amount or 0)
