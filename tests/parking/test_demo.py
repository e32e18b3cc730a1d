"""The demo's parking: lots with vehicles on them and a history, the same after a reset."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from parking.models import Lot, ParkingPayment, Reservation

pytestmark = pytest.mark.django_db


def figures() -> dict[str, object]:
    return {
        "lots": sorted(Lot.objects.values_list("name", flat=True)),
        "stays": sorted(Reservation.objects.values_list("status", flat=True)),
        "costs": sorted(Reservation.objects.filter(cost__isnull=False).values_list("cost", flat=True)),
        "payments": ParkingPayment.objects.count(),
    }


def test_lots_have_a_past_a_present_and_a_future() -> None:
    call_command("seed_demo")
    assert figures()["stays"] == ["active", "active", "cancelled", *["completed"] * 7, "reserved"]
    assert figures()["payments"] == 5


def test_a_reset_puts_everything_back() -> None:
    call_command("seed_demo")
    before = figures()
    call_command("seed_demo")
    assert figures() == before
    Lot.objects.update(address="scribbled over")
    call_command("seed_demo", "--reset")
    assert figures() == before
    assert not Lot.objects.filter(address="scribbled over").exists()
