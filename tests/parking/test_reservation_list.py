"""The list of reservations goes the fast path: the same bytes, for every driver the own rows by a shared statement."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from common import fastlist
from parking.models import Rate, Reservation
from parking.serializers.reservations import ReservationSerializer
from tests.common.parity import assert_same, fast_way, walk
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db
URL = "/api/parking/reservations"


@pytest.fixture(autouse=True)
def _fresh_plans() -> None:
    fastlist._plans.clear()
    fastlist._orders.clear()


@pytest.fixture
def stays(user: User, other_user: User) -> list[Reservation]:
    """Of two drivers, in every state."""
    lot = LotFactory(spots=8)
    rows = [
        ReservationFactory(lot=lot, spot=spot, user=[user, other_user][number % 2], status=status)
        for number, (spot, status) in enumerate(
            zip(lot.spots.all(), ["active", "active", "reserved", "reserved", "cancelled", "no_show"], strict=False)
        )
    ]
    rows[0].remarks = 'Behind "the" \\ gate\u2028'
    rows[0].surcharge_percent = Decimal("10.5")
    rows[0].save()
    return rows


QUERIES = [
    "", "limit=2", "limit=1&page=2", "count=none", "status=active", "plate=fc%202003", "lot=1", "ordering=-starts_at",
    "from=2020-01-01T00:00:00Z", "from=2020-01-01&to=2099-01-01", "status=completed", "count=exact&limit=1&skip=1",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_drivers_and_staff_get_the_same_bytes_by_both_paths(
    as_user: Any, make_user: Any, stays: list[Reservation], query: str
) -> None:
    people = [stays[0].user, stays[1].user, make_user(roles=["parking_attendant"]), make_user()]
    for person in people:
        assert_same(as_user(person), f"{URL}?{query}")


@pytest.mark.parametrize("ordering", ["id", "-ends_at", "created_at"])
def test_both_paths_walk_alike(as_user: Any, make_user: Any, stays: list[Reservation], ordering: str) -> None:
    client = as_user(make_user(roles=["parking_manager"]))
    assert walk(client, f"{URL}?cursor=*&limit=2&ordering={ordering}") >= 6


def test_nobody_sees_the_rows_of_whom_the_statement_was_made_for(as_user: Any, stays: list[Reservation]) -> None:
    first, second = (as_user(stays[number].user) for number in (0, 1))
    for client, number in ((first, 0), (second, 1), (first, 0)):
        answer = fast_way(client, URL).json()
        assert {row["user"] for row in answer["results"]} == {stays[number].user_id}
        assert answer["count"] == 3
    assert len(fastlist._plans) == 1


def test_a_permission_is_a_statement_of_its_own(as_user: Any, make_user: Any, stays: list[Reservation]) -> None:
    assert fast_way(as_user(stays[0].user), URL).json()["count"] == 3
    attendant = make_user(roles=["parking_attendant"])
    assert fast_way(as_user(attendant), URL).json()["count"] == 6
    attendant.groups.clear()
    assert fast_way(as_user(attendant), URL).json()["count"] == 0
    assert len(fastlist._plans) == 2


def test_a_list_is_one_statement_beside_the_user_check(
    as_user: Any, stays: list[Reservation], django_assert_num_queries: Any
) -> None:
    client = as_user(stays[0].user)
    client.get(URL)
    with django_assert_num_queries(2):
        client.get(URL)


def test_who_is_not_signed_in_is_401(api: APIClient, stays: list[Reservation]) -> None:
    assert api.get(URL).status_code == 401


@pytest.mark.parametrize(
    ("price", "minutes"),
    [("0.01", 1), ("3.00", 60), ("0.01", 120), ("0.03", 120), ("2.30", 60), ("9999999999.99", 7), ("1.15", 17),
     ("0.00", 30), ("123456.78", 10080), ("0.07", 840)],
)  # fmt: skip
def test_an_hourly_rate_is_rounded_alike(as_user: Any, stays: list[Reservation], price: str, minutes: int) -> None:
    Rate.objects.update(price=price, increment_min=minutes)
    answer = assert_same(as_user(stays[0].user), URL).json()["results"][0]
    shown = ReservationSerializer().get_hourly_rate(Reservation.objects.select_related("rate").get(pk=stays[0].pk))
    assert answer["hourly_rate"] == shown


def test_a_released_stay_shows_its_cost(as_user: Any, user: User) -> None:
    now = timezone.now()
    ReservationFactory(
        user=user, status="completed", starts_at=now - timedelta(hours=3), released_at=now, cost=6, paid=Decimal("1.5")
    )
    (row,) = assert_same(as_user(user), URL).json()["results"]
    assert (row["cost"], row["paid"], row["released_at"] is not None) == ("6.00", "1.50", True)
