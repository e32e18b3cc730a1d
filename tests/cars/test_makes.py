"""GET /api/cars/makes and /api/cars/makes/{make}/models."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def results(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_makes_come_once_with_their_count(client: APIClient) -> None:
    CarFactory(make="Toyota", model="A")
    CarFactory(make="TOYOTA", model="B")
    CarFactory(make="Audi")
    CarFactory(make="Saab", withdrawn_at=timezone.now())
    first, second = results(client.get("/api/cars/makes"))
    assert first == {"make": "Audi", "count": 1}
    assert (second["make"].lower(), second["count"]) == ("toyota", 2)


def test_models_are_those_of_the_make_in_any_spelling(client: APIClient) -> None:
    CarFactory(make="Land Rover", model="Defender", year=2019)
    CarFactory(make="Land Rover", model="Defender", year=2020)
    CarFactory(make="Land Rover", model="Discovery", year=2020)
    CarFactory(make="Rover", model="75")
    url = "/api/cars/makes/land%20rover/models"
    assert results(client.get(url)) == [
        {"model": "Defender", "count": 2},
        {"model": "Discovery", "count": 1},
    ]
    assert results(client.get(f"{url}?year=2019")) == [{"model": "Defender", "count": 1}]


def test_an_unknown_make_has_no_models(client: APIClient) -> None:
    answer = client.get("/api/cars/makes/Nobody/models")
    assert (results(answer), answer.json()["count"]) == ([], 0)


def test_they_come_in_pages(client: APIClient) -> None:
    for make in "ABCDE":
        CarFactory(make=make)
    page = client.get("/api/cars/makes?limit=2&page=2")
    assert [row["make"] for row in results(page)] == ["C", "D"]
    assert page.json()["count"] == 5
    assert "page=3" in page.json()["next"]
    assert 'rel="prev"' in page["Link"]
    assert [row["make"] for row in results(client.get("/api/cars/makes?skip=4"))] == ["E"]


@pytest.mark.parametrize("query", ["year=2020", "limit=0", "page=1&skip=1", "page=9999&limit=100", "cursor=*"])
def test_a_bad_query_is_400(client: APIClient, query: str) -> None:
    assert client.get(f"/api/cars/makes?{query}").status_code == 400


def test_they_are_for_people_who_are_signed_in(api: APIClient) -> None:
    assert api.get("/api/cars/makes").status_code == 401
    assert api.get("/api/cars/makes/Audi/models").status_code == 401


def test_they_carry_a_tag(client: APIClient) -> None:
    CarFactory(make="Audi")
    tag = client.get("/api/cars/makes")["ETag"]
    assert client.get("/api/cars/makes", HTTP_IF_NONE_MATCH=tag).status_code == 304
    CarFactory(make="BMW")
    assert client.get("/api/cars/makes", HTTP_IF_NONE_MATCH=tag).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_committed_change_is_seen_at_once_and_nothing_else_is_asked_twice(
    client: APIClient, admin_user: User, django_assert_num_queries: Any
) -> None:
    car = CarFactory(make="Audi")
    assert [row["make"] for row in results(client.get("/api/cars/makes"))] == ["Audi"]
    CarFactory(make="Behind the services' back")
    assert len(results(client.get("/api/cars/makes"))) == 1
    services.update_car(car=car, actor=admin_user, data={"make": "BMW"}, now=timezone.now())
    assert "BMW" in [row["make"] for row in results(client.get("/api/cars/makes"))]
    services.delete_car(car=car, actor=admin_user)
    assert len(results(client.get("/api/cars/makes"))) == 1
