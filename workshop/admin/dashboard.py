"""The workshop's figures and charts on the admin's home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncWeek

from common.dashboard import Chart, Figure, Queue, Visit, list_url, panel, queues
from workshop.admin.own import is_mechanic
from workshop.models import (
    Invoice,
    InvoiceLine,
    LowStockAlert,
    PriceProposal,
    PurchaseOrder,
    ServiceTicket,
    StockAudit,
    TimeEntry,
)

WEEKS, MONTHS = 8, 6
Status = ServiceTicket.Status
AMOUNT = DecimalField(max_digits=24, decimal_places=5)
UNDER_WAY = [Status.AUTHORISED, Status.IN_PROGRESS, Status.REVIEW]
OWED = [Invoice.Status.OPEN, Invoice.Status.PARTIALLY_PAID]
COMING = [PurchaseOrder.Status.SENT, PurchaseOrder.Status.PARTIALLY_RECEIVED]
MINE = {"mine": "1"}
FOR_PARTS = {"status__exact": Status.ON_HOLD, "hold_reason__exact": ServiceTicket.HoldReason.PARTS}


@panel("Workshop", is_mechanic)
def own_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What a mechanic has to do, and on what the own clock runs."""
    yield from queues(
        ServiceTicket.objects.assigned_to(visit.user),
        Queue("My tickets", "authorised, in progress or in review", {"status__in": UNDER_WAY}, link=MINE),
        Queue("My tickets on hold", "they wait for something", {"status__exact": Status.ON_HOLD}, link=MINE),
    )
    clocks = TimeEntry.objects.filter(mechanic__user=visit.user)
    running = {"ended_at__isempty": "1"}
    yield from queues(
        clocks, Queue("Clocked in", "clocks of mine that run", where=Q(ended_at=None), link=MINE | running)
    )


@panel("Workshop", "workshop.view_serviceticket")
def tickets_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """Where the tickets stand."""
    unfinished = [status for status in ServiceTicket.EDITABLE if status != Status.DECLINED]
    yield from queues(
        ServiceTicket.objects.all(),
        Queue("Requests to look at", "drafts without an estimate", {"status__exact": Status.DRAFT}),
        Queue("Estimates out", "the customer has to decide", {"status__exact": Status.AWAITING_AUTHORISATION}),
        Queue("Tickets under way", "authorised, in progress or in review", {"status__in": UNDER_WAY}),
        Queue("Waiting for parts", "tickets on hold", FOR_PARTS, alarm=True),
        Queue("Past the promise", "promised for earlier, not done", _promised(unfinished, visit.now), alarm=True),
        Queue("Ready to invoice", "completed, the vehicle can leave", {"status__exact": Status.COMPLETED}),
    )
    counts = dict(ServiceTicket.objects.order_by().values_list("status").annotate(Count("id")))
    labels = [str(Status(status).label) for status in Status]
    yield Chart("Tickets by status", labels, {"Tickets": [counts.get(status, 0) for status in Status]})


def _promised(statuses: Sequence[str], now: datetime) -> dict[str, Any]:
    return {"status__in": statuses, "promised_at__lt": now}


@panel("Workshop", "workshop.view_serviceticket")
def hours_panel(visit: Visit) -> Iterator[Chart]:
    """How many hours were sold and worked."""
    yield from _hours(visit.now)


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


@panel("Workshop", "workshop.view_costs")
def margin_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What the parts on the invoices earned over their cost."""
    months = _months(visit.now)
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


@panel("Workshop", "workshop.view_invoice")
def invoices_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What customers owe."""
    owed = Invoice.objects.filter(status__in=OWED)
    left = Sum(F("total") - F("credited") - F("paid"), output_field=AMOUNT)
    found = owed.aggregate(left=left, count=Count("pk"))
    hint = f"unpaid invoices: {found['count']}"
    url = list_url(Invoice, {"status__in": OWED})
    yield Figure("Owed by customers", f"{found['left'] or Decimal(0):,.2f}", hint, url, counted=found["count"])


@panel("Stock", "workshop.view_lowstockalert")
def low_stock_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What runs low."""
    link = {"closed_at__isempty": "1"}
    low = Queue("Parts running low", "below their threshold", where=Q(closed_at=None), link=link, alarm=True)
    yield from queues(LowStockAlert.objects.all(), low)


@panel("Stock", "workshop.view_purchaseorder")
def purchasing_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """What is to be sent, and what is to come."""
    yield from queues(
        PurchaseOrder.objects.all(),
        Queue("Orders to send", "drafts to suppliers", {"status__exact": PurchaseOrder.Status.DRAFT}),
        Queue("Deliveries due", "ordered, not all of it came", {"status__in": COMING}),
    )


@panel("Stock", "workshop.view_stockaudit")
def stock_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """Whether the ledger adds up."""
    audit = StockAudit.objects.first()
    url = list_url(StockAudit)
    if audit is None:
        yield Figure("Stock audit", "none yet", "the schedule runs one each night", url)
    else:
        verdict = "adds up" if not audit.differences else f"{audit.differences} differences"
        yield Figure("Stock audit", verdict, f"{audit.at:%d %b %H:%M} UTC", url, alarm=audit.differences > 0)


@panel("Catalogue", "workshop.view_priceproposal")
def proposals_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """Prices that somebody has to look at."""
    pending = {"status__exact": PriceProposal.Status.PENDING}
    yield from queues(
        PriceProposal.objects.all(), Queue("Prices to review", "moved by more than half", pending, alarm=True)
    )


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
