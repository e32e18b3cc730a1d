"""The demo's workshop: a ticket in each state of a day, a ledger that adds up, the same after a reset."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from common import clock
from workshop.models import Invoice, Job, Part, PurchaseOrder, ServiceTicket, StockMovement, TimeEntry
from workshop.services import audit

pytestmark = pytest.mark.django_db


def figures() -> dict[str, object]:
    return {
        "tickets": sorted(ServiceTicket.objects.values_list("status", flat=True)),
        "parts": sorted(Part.objects.values_list("sku", "on_hand", "reserved")),
        "movements": StockMovement.objects.count(),
        "jobs": sorted(Job.objects.values_list("state", flat=True)),
        "orders": PurchaseOrder.objects.count(),
        "clocks": TimeEntry.objects.filter(ended_at=None).count(),
        "paid": list(Invoice.objects.values_list("status", "paid", "total")),
    }


def test_a_day_is_told_and_adds_up() -> None:
    call_command("seed_demo")
    day = figures()
    assert day["tickets"] == ["awaiting_authorisation", "draft", "in_progress", "invoiced", "on_hold"]
    assert (day["orders"], day["clocks"]) == (2, 1)
    assert audit.audit_stock(now=clock.now()).differences == 0


def test_a_second_call_changes_nothing_and_a_reset_puts_everything_back() -> None:
    call_command("seed_demo")
    before = figures()
    call_command("seed_demo")
    assert figures() == before
    ServiceTicket.objects.filter(status="draft").update(description="scribbled over")
    call_command("seed_demo", "--reset")
    assert figures() == before
    assert not ServiceTicket.objects.filter(description="scribbled over").exists()
