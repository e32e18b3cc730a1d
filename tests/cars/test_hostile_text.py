"""Text that attacks what reads it: in every text parameter and member it is only text."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car, Vehicle
from tests.factories import CarFactory, VehicleFactory

pytestmark = pytest.mark.django_db

HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE cars_car; --",
    '" OR ""="',
    "1) OR (1=1",
    "x' UNION SELECT password FROM accounts_user--",
    "'||pg_sleep(5)||'",
    "%' AND 1=1 --",
    "\\",
    "%",
    "_",
    "%s %(x)s {0}",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "İstanbul ﬁ ß",
)
PARAMETERS = (
    *(f"/api/cars?{name}" for name in ("make", "model", "make__icontains", "model__icontains", "category")),
    *(f"/api/cars?{name}" for name in ("source", "search")),
    *(f"/api/garage?{name}" for name in ("vin", "plate", "search")),
)


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    CarFactory(make="Toyota")
    VehicleFactory(owner=user, plate="AB 1")
    return as_user(user)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_in_a_query_it_finds_nothing(client: APIClient, parameter: str) -> None:
    path, name = parameter.split("?")
    for text in HOSTILE:
        answer = client.get(path, {name: text[:32]})
        assert (answer.status_code, answer.json()["results"]) == (200, []), text


def test_in_a_path_it_finds_nothing(client: APIClient) -> None:
    for text in ("' OR '1'='1", "%25", "x;y", "‮"):
        answer = client.get(f"/api/cars/makes/{text}/models")
        assert (answer.status_code, answer.json()["results"]) == (200, []), text


@pytest.mark.parametrize("text", HOSTILE)
def test_in_a_body_it_is_kept_as_it_came(client: APIClient, text: str) -> None:
    car = client.post("/api/cars", {"make": text, "model": text, "year": 2020, "category": text})
    assert (car.status_code, car.json()["make"]) == (201, text)
    vehicle = client.post("/api/garage", {"make": text, "color": text, "trim": text})
    assert (vehicle.status_code, vehicle.json()["trim"]) == (201, text)
    assert (Car.objects.count(), Vehicle.objects.count()) == (2, 2)
