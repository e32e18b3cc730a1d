"""/api/parking/stats/revenue: what lots earned, and what is still owed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from parking.models import Lot, ParkingPayment, Rate, Reservation
from parking.services.stats import Period, Takings, period_of, revenue
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/stats/revenue"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def manager(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_manager"]))


def left(lot: Lot, released_at: datetime, cost: str, *payments: tuple[str, datetime], **fields: Any) -> Reservation:
    """A stay that is over, with what was paid for it and when."""
    begun = released_at - timedelta(hours=1)
    paid = sum((Decimal(amount) for amount, _ in payments), Decimal(0))
    reservation = ReservationFactory(
        lot=lot, status="completed", starts_at=begun, released_at=released_at, cost=Decimal(cost), paid=paid, **fields
    )
    for amount, received_at in payments:
        ParkingPayment.objects.create(
            reservation=reservation, amount=Decimal(amount), method="cash", received_at=received_at
        )
    return reservation


def test_a_manager_reads_what_came_in_and_what_is_owed(manager: APIClient) -> None:
    lot = LotFactory()
    left(lot, NOON + HOUR / 2, "6.00", ("4.00", NOON + HOUR))
    left(lot, NOON + HOUR, "3.30")
    left(lot, NOON - HOUR, "2.00", ("0.50", NOON))
    left(LotFactory(), NOON, "9.00")
    query = {"lot": lot.pk, "from": "2026-07-01T12:00:00Z", "to": "2026-07-01T14:00:00Z", "step": "hour"}
    answer = manager.get(URL, query)
    assert answer.status_code == 200, answer.content
    assert answer.json()["currencies"] == [
        {
            "currency": "USD",
            "total": {"stays": 2, "charged": "9.30", "unpaid": "5.30", "received": "4.50"},
            "outstanding": "6.80",
            "buckets": [
                {
                    "starts_at": "2026-07-01T12:00:00Z",
                    "ends_at": "2026-07-01T13:00:00Z",
                    "stays": 1,
                    "charged": "6.00",
                    "unpaid": "2.00",
                    "received": "0.50",
                },
                {
                    "starts_at": "2026-07-01T13:00:00Z",
                    "ends_at": "2026-07-01T14:00:00Z",
                    "stays": 1,
                    "charged": "3.30",
                    "unpaid": "3.30",
                    "received": "4.00",
                },
            ],
        }
    ]


def test_currencies_are_never_added_to_each_other() -> None:
    lot = LotFactory()
    euro = Rate.objects.create(lot=lot, version=2, price=Decimal(2), currency="EUR")
    left(lot, NOON, "6.00", rate=lot.rates.get(version=1))
    left(lot, NOON, "2.00", ("2.00", NOON), rate=euro)
    period = period_of(lot_id=None, start=NOON, end=NOON + HOUR, step="hour", now=NOON)
    shown = [(row.currency, row.total.charged, row.outstanding) for row in revenue(period=period).currencies]
    assert shown == [("EUR", Decimal(2), Decimal(0)), ("USD", Decimal(6), Decimal(6))]


def test_without_any_stay_there_is_no_currency(manager: APIClient) -> None:
    assert manager.get(URL, {"lot": LotFactory().pk}).json()["currencies"] == []


def test_what_is_owed_from_long_ago_is_outstanding(manager: APIClient) -> None:
    left(LotFactory(), NOON - timedelta(days=900), "6.00", ("1.00", NOON))
    (row,) = manager.get(URL).json()["currencies"]
    assert (row["outstanding"], row["total"]["unpaid"], row["total"]["stays"]) == ("5.00", "0.00", 0)


def by_hand(period: Period, currency: str) -> list[Takings]:
    answer = []
    for start, end in period.buckets:
        stays = [
            row
            for row in Reservation.objects.filter(lot=period.lot, rate__currency=currency, status="completed")
            if start <= (row.released_at or NOON) < end
        ]
        payments = [
            row.amount
            for row in ParkingPayment.objects.filter(reservation__lot=period.lot, reservation__rate__currency=currency)
            if start <= row.received_at < end
        ]
        charged = sum((row.cost or Decimal(0) for row in stays), Decimal(0))
        unpaid = charged - sum((row.paid for row in stays), Decimal(0))
        answer.append(Takings(len(stays), charged, unpaid, sum(payments, Decimal(0))))
    return answer


cents = st.integers(0, 999_999_999_999).map(lambda number: Decimal(number).scaleb(-2))
quarters = st.integers(-12, 12).map(lambda number: number * 900_000_000)
moments = (quarters | st.integers(-3 * 3_600_000_000, 3 * 3_600_000_000)).map(
    lambda number: NOON + timedelta(microseconds=number)
)
zones = st.sampled_from(["UTC", "Asia/Kathmandu"])
parked = st.tuples(moments, cents, st.lists(st.tuples(moments, st.integers(1, 4)), max_size=2), st.booleans())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stays=st.lists(parked, max_size=6), start=moments, step=st.sampled_from(["hour", "day"]), zone=zones)
def test_it_is_what_one_adds_up_by_hand(db: None, stays: list[Any], start: datetime, step: str, zone: str) -> None:
    ParkingPayment.objects.all().delete()
    Reservation.objects.all().delete()
    lot = LotFactory(timezone=zone)
    euro = Rate.objects.create(lot=lot, version=2, price=Decimal(2), currency="EUR")
    user = UserFactory()
    for released_at, cost, shares, in_euro in stays:
        paid = [(str((cost / 10 * share).quantize(Decimal("0.01"))), at) for at, share in shares]
        paid = [(amount, at) for amount, at in paid if Decimal(amount) > 0]
        left(lot, released_at, str(cost), *paid, user=user, rate=euro if in_euro else lot.rates.get(version=1))
    period = period_of(lot_id=lot.pk, start=start, end=start + 4 * HOUR, step=step, now=NOON)
    found = {row.currency: row for row in revenue(period=period).currencies}
    for currency in ("EUR", "USD"):
        counted = by_hand(period, currency)
        if currency in found:
            assert [bucket.takings for bucket in found[currency].buckets] == counted
            owed = Reservation.objects.filter(lot=lot, rate__currency=currency)
            assert found[currency].outstanding == sum(((row.cost or 0) - row.paid for row in owed), Decimal(0))
        else:
            assert not any(row.stays or row.received for row in counted)


def test_one_statement_whatever_there_is(django_assert_num_queries: Any) -> None:
    lot, now = LotFactory(), timezone.now()
    for count in (0, 5):
        for number in range(count):
            left(lot, now - timedelta(hours=number), "6.00", ("1.00", now))
        period = period_of(lot_id=lot.pk, start=None, end=None, step="day", now=now)
        with django_assert_num_queries(1):
            revenue(period=period)


def test_an_archived_lot_keeps_its_figures(manager: APIClient) -> None:
    lot = LotFactory()
    left(lot, timezone.now(), "6.00")
    Lot.objects.update(archived_at=timezone.now())
    (row,) = manager.get(URL, {"lot": lot.pk}).json()["currencies"]
    assert row["total"]["charged"] == "6.00"
