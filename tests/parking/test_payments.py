"""/api/parking/reservations/{id}/payments: taking money for a stay, never more than it cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from parking.models import ParkingPayment, Reservation
from tests.answers import error
from tests.parking.factories import ReservationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def stay(user: User) -> Reservation:
    now = timezone.now()
    return ReservationFactory(
        user=user, status="completed", starts_at=now - timedelta(hours=2), released_at=now, cost=Decimal("6.00")
    )


@pytest.fixture
def attendant(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_attendant"]))


def path(stay: Reservation) -> str:
    return f"/api/parking/reservations/{stay.pk}/payments"


def pay(client: APIClient, stay: Reservation, amount: Any = "6.00", **more: Any) -> Any:
    return client.post(path(stay), {"amount": amount, "method": "cash"} | more)


def test_an_attendant_takes_the_money_in_parts(attendant: APIClient, stay: Reservation) -> None:
    first = pay(attendant, stay, "2.50", method="card", reference="T-1")
    assert first.status_code == 201, first.content
    assert (first.json()["amount"], first.json()["reference"], first.json()["reservation"]) == ("2.50", "T-1", stay.pk)
    assert pay(attendant, stay, 3.5).status_code == 201
    stay.refresh_from_db()
    assert stay.paid == stay.cost
    assert [row["amount"] for row in attendant.get(path(stay)).json()["results"]] == ["2.50", "3.50"]
    assert [event.new for event in stay.events.filter(kind="paid")] == ["3.50", "2.50"]


def test_more_than_is_owed_is_409(attendant: APIClient, stay: Reservation) -> None:
    assert pay(attendant, stay, "4.00").status_code == 201
    refused = pay(attendant, stay, "2.01")
    assert (refused.status_code, error(refused)["code"]) == (409, "payment_exceeds_cost")
    assert error(refused)["meta"] == {"balance": "2.00", "cost": "6.00"}
    assert ParkingPayment.objects.count() == 1


@pytest.mark.parametrize("status", ["reserved", "active", "cancelled", "no_show"])
def test_only_a_completed_stay_is_paid(attendant: APIClient, status: str) -> None:
    refused = pay(attendant, ReservationFactory(status=status))
    assert (refused.status_code, error(refused)["code"]) == (409, "stay_not_completed")


def test_a_free_stay_takes_no_money(attendant: APIClient, stay: Reservation) -> None:
    Reservation.objects.update(cost=0)
    assert pay(attendant, stay, "0.01").status_code == 409


def test_the_same_request_again_is_answered_again(attendant: APIClient, stay: Reservation) -> None:
    body = {"amount": "3.00", "method": "cash"}
    first, second = (attendant.post(path(stay), body, headers={"Idempotency-Key": "till-1"}) for _ in range(2))
    assert first.json() == second.json()
    stay.refresh_from_db()
    assert (stay.paid, ParkingPayment.objects.count()) == (3, 1)


def test_the_driver_reads_payments_and_takes_none(as_user: Any, user: User, stay: Reservation, attendant: Any) -> None:
    pay(attendant, stay)
    driver = as_user(user)
    (row,) = driver.get(path(stay)).json()["results"]
    assert (row["amount"], row["received_by"]) == ("6.00", None)
    assert attendant.get(path(stay)).json()["results"][0]["received_by"] is not None
    assert pay(driver, stay).status_code == 403


def test_a_stranger_sees_nothing(as_user: Any, other_user: User, api: APIClient, stay: Reservation) -> None:
    assert as_user(other_user).get(path(stay)).status_code == 404
    assert (api.get(path(stay)).status_code, pay(api, stay).status_code) == (401, 401)


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 0},
        {"amount": "-1.00"},
        {"amount": "1.001"},
        {"amount": "10000000000.00"},
        {"amount": None},
        {"method": "favour"},
        {"method": ""},
        {"reference": "x" * 65},
        {"received_by": 1},
        {"received_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_bad_input_is_400(attendant: APIClient, stay: Reservation, body: dict[str, Any]) -> None:
    assert attendant.post(path(stay), {"amount": "1.00", "method": "cash"} | body).status_code == 400
    assert not ParkingPayment.objects.exists()


def test_the_database_refuses_what_would_exceed_the_cost(stay: Reservation) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Reservation.objects.update(paid=Decimal("6.01"))


def test_payments_are_listed_in_a_constant_number_of_queries(
    attendant: APIClient, stay: Reservation, django_assert_num_queries: Any
) -> None:
    attendant.get(path(stay))
    for count in (1, 5):
        for _ in range(count):
            pay(attendant, stay, "0.10")
        with django_assert_num_queries(3):
            assert attendant.get(path(stay)).status_code == 200
