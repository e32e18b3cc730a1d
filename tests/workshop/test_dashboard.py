"""The staff's home tells the workshop's day, to each only what is theirs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from common.dashboard import Chart, Figure, Visit
from tests.conftest import MakeUser
from tests.workshop.factories import JobFactory, MechanicFactory, TicketFactory
from workshop.admin import dashboard
from workshop.models import Invoice, InvoiceLine, ServiceTicket, StockAudit, TimeEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)  # A Wednesday.


def invoice(ticket: ServiceTicket, sequence: int, issued_at: datetime, **fields: Any) -> Invoice:
    return Invoice.objects.create(
        number=f"INV-{sequence}", year=2026, sequence=sequence, ticket=ticket, customer=ticket.customer,
        customer_name="C", customer_email="c@example.com", service_date=issued_at.date(), currency="USD",
        issued_at=issued_at,
        **{"subtotal": Decimal(100), "tax_total": Decimal(0), "total": Decimal(100)} | fields,
    )  # fmt: skip


def line(invoice: Invoice, position: int, kind: str, quantity: str, price: str, cost: str | None) -> None:
    net = Decimal(quantity) * Decimal(price)
    InvoiceLine.objects.create(
        invoice=invoice, position=position, kind=kind, job_title="J", description="D", unit="h",
        quantity=Decimal(quantity), unit_price=Decimal(price), unit_cost=None if cost is None else Decimal(cost),
        tax_rate=0, net=net, tax=0,
    )  # fmt: skip


def chart(panel: Any, title: str) -> Chart:
    return next(item for item in panel(Visit(None, NOW)) if isinstance(item, Chart) and item.title.startswith(title))


def figure(panel: Any, title: str) -> Figure:
    return next(item for item in panel(Visit(None, NOW)) if isinstance(item, Figure) and item.title == title)


def test_tickets_are_counted_by_status() -> None:
    TicketFactory.create_batch(2)
    TicketFactory(status="on_hold", hold_reason="parts", held_from="authorised")
    shown = chart(dashboard.tickets_panel, "Tickets by status")
    assert dict(zip(shown.labels, shown.series["Tickets"], strict=True))["Draft"] == 2
    assert figure(dashboard.tickets_panel, "Waiting for parts").alarm


def test_hours_sold_and_clocked_fall_into_their_week() -> None:
    ticket = TicketFactory()
    this_week, last_week = NOW, NOW - timedelta(days=3)
    line(invoice(ticket, 1, this_week), 1, "labour", "2.5", "80", None)
    mechanic, job = MechanicFactory(), JobFactory(ticket=ticket)
    TimeEntry.objects.create(
        job=job, mechanic=mechanic, started_at=last_week, ended_at=last_week + timedelta(minutes=90)
    )
    TimeEntry.objects.create(job=job, mechanic=mechanic, started_at=this_week)
    shown = chart(dashboard.hours_panel, "Hours")
    assert shown.labels[-2:] == ["16 Nov", "23 Nov"]
    assert (shown.series["Sold"][-2:], shown.series["Clocked"][-2:]) == ([0.0, 2.5], [1.5, 0.0])


def test_the_margin_is_what_parts_earned_over_their_cost() -> None:
    first = invoice(TicketFactory(), 1, NOW)
    line(first, 1, "part", "2", "50", "30")
    line(first, 2, "labour", "1", "80", None)
    line(invoice(TicketFactory(), 2, NOW, status="void"), 1, "part", "1", "999", "1")
    shown = chart(dashboard.margin_panel, "Part margin")
    assert (shown.labels[-1], shown.series["Sales"][-1], shown.series["Margin"][-1]) == ("Nov 2026", 100, 40)
    assert len(shown.labels) == 6
    json.loads(shown.data)


def test_what_customers_owe_is_what_is_left() -> None:
    invoice(TicketFactory(), 1, NOW, status="partially_paid", paid=Decimal(40))
    invoice(TicketFactory(), 2, NOW, status="paid", paid=Decimal(100))
    owed = figure(dashboard.invoices_panel, "Owed by customers")
    assert (owed.value, owed.hint) == ("60.00", "unpaid invoices: 1")


def test_an_audit_with_differences_alarms() -> None:
    assert figure(dashboard.stock_panel, "Stock audit").value == "none yet"
    StockAudit.objects.create(parts=5, invoices=1, differences=2, details=[])
    assert figure(dashboard.stock_panel, "Stock audit").alarm


def test_each_sees_only_what_is_theirs(make_user: MakeUser, client: Client) -> None:
    client.force_login(make_user(roles=["service_advisor"]))
    home = client.get(reverse("admin:index")).content.decode()
    assert "Tickets by status" in home
    assert "Part margin" in home
    client.force_login(make_user(roles=["moderator"]))
    assert "Tickets by status" not in client.get(reverse("admin:index")).content.decode()
