"""/api/garage/{id}/odometer, and the rule behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import Vehicle
from tests.answers import error
from tests.factories import VehicleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    return VehicleFactory(owner=user)


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def read(client: APIClient, vehicle: Vehicle, value: int, unit: str = "km", **more: Any) -> Any:
    return client.post(f"/api/garage/{vehicle.pk}/odometer", {"value": value, "unit": unit, **more})


def days_ago(days: int) -> str:
    return (timezone.now() - timedelta(days=days)).isoformat()


def test_a_reading_is_the_vehicles_mileage_and_on_its_timeline(client: APIClient, vehicle: Vehicle) -> None:
    answer = read(client, vehicle, 52000, "mi")
    assert answer.status_code == 201
    assert {"value": 52000, "unit": "mi", "source": "owner", "forced": False}.items() <= answer.json().items()
    vehicle.refresh_from_db()
    assert (vehicle.mileage, vehicle.mileage_unit) == (52000, "mi")
    assert vehicle.events.get().public_summary == "The odometer showed 52,000 miles."


def test_it_says_whether_owner_or_staff_read_it(
    as_user: Any, make_user: Any, client: APIClient, vehicle: Vehicle
) -> None:
    staff = as_user(make_user(roles=["service_advisor"]))
    assert read(staff, vehicle, 1).json()["source"] == "staff"
    assert staff.patch(f"/api/garage/{vehicle.pk}", {"mileage": 2}).status_code == 200
    assert client.patch(f"/api/garage/{vehicle.pk}", {"mileage": 3}).status_code == 200
    assert [reading.source for reading in vehicle.odometer_readings.all()] == ["owner", "staff", "staff"]


def test_one_below_the_last_is_refused_with_the_last(client: APIClient, vehicle: Vehicle) -> None:
    read(client, vehicle, 1000)
    answer = read(client, vehicle, 999)
    assert (answer.status_code, error(answer)["code"]) == (409, "odometer_rollback")
    last = error(answer)["meta"]["last"]
    assert (last["value"], last["unit"]) == (1000, "km")
    assert vehicle.odometer_readings.count() == 1


def test_with_force_and_a_reason_it_is_recorded(client: APIClient, vehicle: Vehicle) -> None:
    read(client, vehicle, 1000)
    unexplained = read(client, vehicle, 5, force=True)
    assert (unexplained.status_code, error(unexplained)["code"]) == (422, "reason_required")
    answer = read(client, vehicle, 5, force=True, reason="Cluster replaced.")
    assert (answer.status_code, answer.json()["forced"], answer.json()["forced_reason"]) == (
        201,
        True,
        "Cluster replaced.",
    )
    vehicle.refresh_from_db()
    assert vehicle.mileage == 5


def test_force_where_none_is_needed_leaves_no_trace(client: APIClient, vehicle: Vehicle) -> None:
    answer = read(client, vehicle, 5, force=True, reason="Just in case.")
    assert (answer.status_code, answer.json()["forced"]) == (201, False)


@pytest.mark.parametrize(
    ("before", "value", "unit", "status"),
    [
        (100, 62, "mi", 201),  # 62 whole miles may be 100.2 km.
        (100, 61, "mi", 409),
        (160934, 100000, "mi", 201),
        (1000, 1000, "km", 201),
    ],
)
def test_units_are_converted_before_comparing(
    client: APIClient, vehicle: Vehicle, before: int, value: int, unit: str, status: int
) -> None:
    read(client, vehicle, before)
    assert read(client, vehicle, value, unit).status_code == status


def test_an_old_reading_goes_between_its_neighbours(client: APIClient, vehicle: Vehicle) -> None:
    read(client, vehicle, 1000, at=days_ago(10))
    read(client, vehicle, 3000)
    assert read(client, vehicle, 2000, at=days_ago(5)).status_code == 201
    too_high = read(client, vehicle, 3001, at=days_ago(4))
    assert (too_high.status_code, error(too_high)["meta"]["next"]["value"]) == (409, 3000)
    assert error(read(client, vehicle, 999, at=days_ago(3)))["meta"]["last"]["value"] == 2000
    vehicle.refresh_from_db()
    assert vehicle.mileage == 3000


def test_nobody_has_read_the_future(client: APIClient, vehicle: Vehicle) -> None:
    answer = read(client, vehicle, 1, at=days_ago(-1))
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, "in_the_future", "at")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": 1},
        {"value": 1, "unit": "m"},
        {"value": -1, "unit": "km"},
        {"value": 1, "unit": "km", "source": "x"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, vehicle: Vehicle, body: dict[str, Any]) -> None:
    assert client.post(f"/api/garage/{vehicle.pk}/odometer", body).status_code == 400
    assert client.post(f"/api/garage/{vehicle.pk}/odometer?x=1", {"value": 1, "unit": "km"}).status_code == 400


def test_readings_are_listed_newest_first_by_cursor(client: APIClient, vehicle: Vehicle) -> None:
    for value, days in ((3, 1), (1, 3), (2, 2)):
        assert read(client, vehicle, value, at=days_ago(days)).status_code == 201
    page = client.get(f"/api/garage/{vehicle.pk}/odometer?limit=2").json()
    assert ([row["value"] for row in page["results"]], page["count"]) == ([3, 2], None)
    assert [row["value"] for row in client.get(page["next"]).json()["results"]] == [1]


def test_why_it_was_forced_is_read_by_the_actor_and_by_staff(
    as_user: Any, user: User, other_user: User, make_user: Any, vehicle: Vehicle
) -> None:
    now = timezone.now()
    facts = {"vehicle": vehicle, "unit": "km", "source": "workshop", "actor": other_user, "now": now}
    services.record_odometer(value=10, **facts)
    services.record_odometer(value=5, force=True, reason="Secret.", **facts)
    url = f"/api/garage/{vehicle.pk}/odometer"
    shown = as_user(user).get(url).json()["results"][0]
    assert (shown["forced"], shown["forced_reason"]) == (True, "")
    staff = as_user(make_user(roles=["service_advisor"]))
    assert staff.get(url).json()["results"][0]["forced_reason"] == "Secret."
