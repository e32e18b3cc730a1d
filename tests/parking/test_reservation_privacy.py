"""A driver's right to a copy of their parking, and to be forgotten."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from parking.models import PlateCheck, Reservation
from tests.factories import VehicleFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

ME = "/api/auth/me"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def past_stay(user: User, **fields: Any) -> Reservation:
    now = timezone.now()
    return ReservationFactory(
        user=user, lot=LotFactory(), status="completed", starts_at=now - timedelta(hours=3), released_at=now,
        cost=Decimal("9.00"), plate="AB 1", remarks="Blue tent on the roof.", **fields,
    )  # fmt: skip


def test_the_copy_holds_each_stay(client: APIClient, user: User) -> None:
    stay = past_stay(user)
    ReservationFactory(lot=LotFactory(), plate="OTHER 1")
    (told,) = client.get(f"{ME}/export").json()["apps"]["parking"]
    assert (told["reference"], told["plate"], told["cost"]) == (stay.reference, "AB 1", "9.00")
    assert (told["lot"], told["spot"], told["currency"], told["payments"]) == (stay.lot.name, 1, "USD", [])


def test_nobody_is_forgotten_while_their_vehicle_is_parked(client: APIClient, user: User) -> None:
    parked = ReservationFactory(user=user, lot=LotFactory(), status="active", starts_at=timezone.now())
    to_come = ReservationFactory(user=user, lot=LotFactory())
    answer = client.delete(ME)
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"], error["meta"]) == (409, "vehicle_parked", {"reservations": [parked.pk]})
    to_come.refresh_from_db()
    assert to_come.status == "reserved"


def test_what_is_to_come_is_cancelled_and_what_was_stays_without_the_person(client: APIClient, user: User) -> None:
    stay, to_come = past_stay(user, vehicle=VehicleFactory(owner=user)), ReservationFactory(user=user, lot=LotFactory())
    check = PlateCheck.objects.create(lot=stay.lot, plate="AB 1", reservation=stay)
    assert client.delete(ME).status_code == 204
    for row in (stay, to_come, check, user):
        row.refresh_from_db()
    assert (to_come.status, to_come.plate, to_come.plate_key) == ("cancelled", "", "")
    assert (stay.plate, stay.plate_key, stay.vehicle, stay.remarks, stay.cost) == ("", "", None, "", Decimal("9.00"))
    assert (check.plate, user.is_active, stay.user_id) == ("", False, user.pk)


def test_who_never_parked_leaves_no_row(client: APIClient, user: User) -> None:
    assert client.delete(ME).status_code == 204
    assert not User.objects.filter(pk=user.pk).exists()
