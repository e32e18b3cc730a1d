"""POST /api/cars."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db

CAMRY = {"make": "Toyota", "model": "Camry", "year": 2020, "category": "Sedan"}


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def code(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def test_a_car_is_added_by_whoever_is_signed_in(client: APIClient, user: User) -> None:
    answer = client.post("/api/cars", CAMRY)
    assert answer.status_code == 201
    body = answer.json()
    assert {**CAMRY, "source": "manual", "locked_fields": []}.items() <= body.items()
    assert answer["Location"].endswith(f"/api/cars/{body['id']}")
    assert client.get(answer["Location"]).json() == body
    assert Car.objects.get().created_by == user


def test_nobody_adds_one_without_signing_in(api: APIClient) -> None:
    assert api.post("/api/cars", CAMRY).status_code == 401


def test_the_same_car_in_another_spelling_is_a_duplicate(client: APIClient) -> None:
    existing = CarFactory(make="Land Rover", model="Defender", year=2020)
    answer = client.post("/api/cars", {"make": "LAND  ROVER", "model": "ｄefender", "year": 2020})
    assert (answer.status_code, code(answer)) == (409, "duplicate_car")
    assert answer.json()["errors"][0]["meta"] == {"existing_id": existing.pk}


def test_a_withdrawn_car_is_a_duplicate_too(client: APIClient) -> None:
    existing = CarFactory(**CAMRY, withdrawn_at=timezone.now())
    answer = client.post("/api/cars", CAMRY)
    assert (answer.status_code, answer.json()["errors"][0]["meta"]["existing_id"]) == (409, existing.pk)


def test_another_year_is_another_car(client: APIClient) -> None:
    CarFactory(**CAMRY)
    assert client.post("/api/cars", CAMRY | {"year": 2021}).status_code == 201


def test_models_are_announced_two_years_ahead_and_no_more(client: APIClient) -> None:
    this_year = timezone.now().year
    assert client.post("/api/cars", CAMRY | {"year": this_year + 2}).status_code == 201
    refused = client.post("/api/cars", CAMRY | {"year": this_year + 3})
    assert (refused.status_code, code(refused)) == (422, "year_too_far")


@pytest.mark.parametrize("name", ["ß" * 128, "ﬁ" * 128])
def test_names_whose_key_is_twice_as_long_fit(client: APIClient, name: str) -> None:
    assert client.post("/api/cars", CAMRY | {"make": name}).status_code == 201
    assert client.post("/api/cars", CAMRY | {"make": name}).status_code == 409


@pytest.mark.parametrize("member", ["make", "model"])
def test_a_name_whose_key_does_not_fit_is_422(client: APIClient, member: str) -> None:
    answer = client.post("/api/cars", CAMRY | {member: "ﷺ" * 100})
    assert (answer.status_code, code(answer)) == (422, "name_too_long")
    assert answer.json()["errors"][0]["attr"] == member


@pytest.mark.parametrize(
    "change",
    [
        {"id": 5},
        {"source": "file"},
        {"external_id": "x"},
        {"locked_fields": []},
        {"withdrawn_at": None},
        {"created_by": 1},
        {"created_in_run": 1},
        {"make_key": "x"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"colour": "red"},
        {"year": "2020"},
        {"year": True},
        {"year": 2020.5},
        {"year": 1885},
        {"year": 2101},
        {"make": ""},
        {"make": " Toyota"},
        {"make": "x" * 129},
        {"model": "x" * 161},
        {"make": None},
        {"model": "a\u0000b"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, change: dict[str, Any]) -> None:
    assert client.post("/api/cars", CAMRY | change).status_code == 400
    assert not Car.objects.exists()


@pytest.mark.parametrize("missing", ["make", "model", "year"])
def test_make_model_and_year_are_needed(client: APIClient, missing: str) -> None:
    body = {name: value for name, value in CAMRY.items() if name != missing}
    answer = client.post("/api/cars", body)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, missing)


def test_a_repeated_post_with_a_key_is_answered_again(client: APIClient) -> None:
    first = client.post("/api/cars", CAMRY, HTTP_IDEMPOTENCY_KEY="k1")
    second = client.post("/api/cars", CAMRY, HTTP_IDEMPOTENCY_KEY="k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Car.objects.count() == 1
