"""A mechanic reads the vehicle of an open ticket, as long as it is open and the mechanic's; nobody writes by that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import VehicleFactory
from tests.workshop.factories import MechanicFactory, TicketFactory

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def mechanic(user: User, as_user: SignIn) -> APIClient:
    MechanicFactory(user=user)
    return as_user(user)


def test_an_assigned_mechanic_reads_the_vehicle_and_its_readings(mechanic: APIClient, user: User) -> None:
    vehicle = VehicleFactory()
    TicketFactory(vehicle=vehicle, mechanics=[user.mechanic])
    assert mechanic.get(f"/api/garage/{vehicle.pk}").status_code == 200
    assert mechanic.get(f"/api/garage/{vehicle.pk}/odometer").status_code == 200
    assert [row["id"] for row in mechanic.get("/api/garage").json()["results"]] == [vehicle.pk]


def test_the_mechanic_writes_nothing_about_it(mechanic: APIClient, user: User) -> None:
    vehicle = VehicleFactory()
    TicketFactory(vehicle=vehicle, mechanics=[user.mechanic])
    assert mechanic.patch(f"/api/garage/{vehicle.pk}", {"color": "red"}).status_code == 403
    assert mechanic.delete(f"/api/garage/{vehicle.pk}").status_code == 403
    answer = mechanic.post(f"/api/garage/{vehicle.pk}/odometer", {"value": 1, "unit": "km"})
    assert answer.status_code == 403


@pytest.mark.parametrize("status", ["cancelled", "declined"])
def test_a_ticket_shows_it_as_long_as_work_may_come(mechanic: APIClient, user: User, status: str) -> None:
    vehicle = VehicleFactory()
    TicketFactory(vehicle=vehicle, mechanics=[user.mechanic], status=status)
    assert mechanic.get(f"/api/garage/{vehicle.pk}").status_code == (404 if status == "cancelled" else 200)


def test_other_mechanics_and_inactive_ones_see_nothing(mechanic: APIClient, user: User) -> None:
    vehicle = VehicleFactory()
    TicketFactory(vehicle=vehicle, mechanics=[MechanicFactory()])
    assert mechanic.get(f"/api/garage/{vehicle.pk}").status_code == 404
    TicketFactory(vehicle=vehicle, mechanics=[user.mechanic])
    user.mechanic.active = False
    user.mechanic.save()
    assert mechanic.get(f"/api/garage/{vehicle.pk}").status_code == 404
