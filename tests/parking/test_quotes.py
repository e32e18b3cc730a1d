"""/api/parking/lots/{id}/quote: what a stay would cost, line by line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from rest_framework.test import APIClient

from parking.costs import Tariff, stay_cost
from parking.models import Lot
from parking.services.quotes import itemise
from tests.parking.factories import LotFactory
from tests.parking.test_costs import tariffs, times

pytestmark = pytest.mark.django_db

CAPPED: dict[str, Any] = {"first_free_s": 600, "cap": Decimal("15.00"), "surcharges": {"ev": "10.00"}}


@pytest.fixture
def client(as_user: Any, user: Any) -> APIClient:
    return as_user(user)


@pytest.fixture
def lot() -> Lot:
    return LotFactory(rate=CAPPED)


def quote(client: APIClient, lot: Lot, **query: str) -> Any:
    return client.get(f"/api/parking/lots/{lot.pk}/quote", query)


def test_a_driver_sees_what_the_total_is_made_of(client: APIClient, lot: Lot) -> None:
    answer = quote(client, lot, starts_at="2026-12-01T08:00:00Z", ends_at="2026-12-02T13:30:00Z", spot_type="ev")
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "lines": [
            {"label": "Full days at the daily cap", "quantity": "1.00", "unit": "24 h", "amount": "15.00"},
            {"label": "Time parked", "quantity": "6.00", "unit": "60 min", "amount": "18.00"},
            {"label": "Daily cap", "quantity": "1.00", "unit": "24 h", "amount": "-3.00"},
            {"label": "Surcharge for ev", "quantity": "10.00", "unit": "%", "amount": "3.00"},
        ],
        "total": "33.00",
        "currency": "USD",
    }


def test_a_short_stay_is_free(client: APIClient, lot: Lot) -> None:
    shown = quote(client, lot, starts_at="2026-12-01T08:00:00Z", ends_at="2026-12-01T08:10:00Z").json()
    assert (shown["total"], [line["label"] for line in shown["lines"]]) == ("0.00", ["Free of charge"])


def test_without_a_window_it_is_the_default_stay_from_now(client: APIClient) -> None:
    assert quote(client, LotFactory(default_stay_min=121)).json()["total"] == "9.00"


def test_it_is_the_present_rate(client: APIClient, lot: Lot) -> None:
    lot.rates.create(version=2, price=Decimal("4.00"), currency="EUR")
    shown = quote(client, lot).json()
    assert (shown["total"], shown["currency"]) == ("8.00", "EUR")


@pytest.mark.parametrize(
    "query",
    [
        {"starts_at": "2026-12-01T08:00:00Z", "ends_at": "2026-12-01T08:00:00Z"},
        {"starts_at": "2026-12-01T08:00:00Z", "ends_at": "2026-12-01T07:00:00Z"},
        {"ends_at": "2001-12-01T07:00:00Z"},
        {"starts_at": "2026-12-01T08:00:00Z", "ends_at": "2027-12-01T08:00:00Z"},
        {"starts_at": "2026-12-01"},
        {"spot_type": "boat"},
        {"type": "ev"},
        {"page": "1"},
    ],
)
def test_a_question_that_makes_no_sense_is_400(client: APIClient, lot: Lot, query: dict[str, str]) -> None:
    assert quote(client, lot, **query).status_code == 400


def test_the_lot_must_be_visible(client: APIClient, api: APIClient, lot: Lot) -> None:
    assert quote(api, lot).status_code == 401
    Lot.objects.update(is_active=False)
    assert quote(client, lot).status_code == 404


@given(tariffs, times)
def test_the_lines_add_up_to_the_cost(rate: Tariff, seconds: int) -> None:
    lines = itemise(seconds, rate, spot_type="ev")
    assert sum(line.amount for line in lines) == stay_cost(seconds, rate)
