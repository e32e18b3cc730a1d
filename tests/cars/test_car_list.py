"""GET /api/cars and /api/cars/{id}."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["model"] for row in answer.json()["results"]]


def test_nobody_reads_without_signing_in(api: APIClient) -> None:
    assert api.get("/api/cars").status_code == 401
    assert api.get("/api/cars/1").status_code == 401


def test_make_and_model_match_whole_values_in_any_spelling(client: APIClient) -> None:
    CarFactory(make="Land Rover", model="Defender 110")
    CarFactory(make="Land Rover Santana", model="Defender")
    assert names(client.get("/api/cars?make=land%20%20ROVER")) == ["Defender 110"]
    assert names(client.get("/api/cars?model=DEFENDER")) == ["Defender"]


def test_parts_of_make_and_model_match_in_any_case(client: APIClient) -> None:
    CarFactory(make="Škoda", model="Octavia")
    CarFactory(make="Toyota", model="Corolla")
    assert names(client.get("/api/cars?make__icontains=ŠKO")) == ["Octavia"]
    assert names(client.get("/api/cars?model__icontains=OROL")) == ["Corolla"]


def test_years_are_filtered_by_value_and_range(client: APIClient) -> None:
    for year in (2018, 2019, 2020):
        CarFactory(model=str(year), year=year)
    assert names(client.get("/api/cars?year=2019")) == ["2019"]
    assert names(client.get("/api/cars?year_min=2019&year_max=2020")) == ["2019", "2020"]


def test_category_and_source_are_filtered(client: APIClient) -> None:
    CarFactory(model="A", category="SUV")
    CarFactory(model="B", source="file", external_id="b")
    assert names(client.get("/api/cars?category=suv")) == ["A"]
    assert names(client.get("/api/cars?source=file")) == ["B"]


def test_search_wants_every_word_somewhere(client: APIClient) -> None:
    CarFactory(make="Toyota", model="Camry", category="Sedan")
    CarFactory(make="Toyota", model="Tacoma", category="Pickup")
    assert names(client.get("/api/cars?search=toyota%20sedan")) == ["Camry"]


def test_withdrawn_cars_are_hidden_unless_asked_for(client: APIClient) -> None:
    gone = CarFactory(model="Gone", withdrawn_at=timezone.now())
    CarFactory(model="Here")
    assert names(client.get("/api/cars")) == ["Here"]
    assert names(client.get("/api/cars?include_withdrawn=true")) == ["Gone", "Here"]
    assert names(client.get("/api/cars?include_withdrawn=false")) == ["Here"]
    assert client.get(f"/api/cars/{gone.pk}").status_code == 200


def test_the_order_is_by_the_listed_fields(client: APIClient) -> None:
    CarFactory(make="Audi", model="b")
    CarFactory(make="audi", model="C")
    CarFactory(make="Audi", model="A")
    assert names(client.get("/api/cars?ordering=model")) == ["A", "b", "C"]
    assert names(client.get("/api/cars?ordering=-model")) == ["C", "b", "A"]


def test_pages_have_the_envelope(client: APIClient) -> None:
    CarFactory.create_batch(3)
    page = client.get("/api/cars?page=2&limit=2").json()
    assert (page["count"], page["count_capped"], page["next"], len(page["results"])) == (3, False, None, 1)
    assert "page=1" in page["previous"]


@pytest.mark.parametrize(
    "query",
    [
        "yaer=2020",
        "year=",
        "year=2020&year=2021",
        "year=20x",
        "year=1800",
        "year_min=2021&year_max=2020",
        "make=",
        "make__icontains=" + "x" * 51,
        "search=" + "x" * 51,
        "include_withdrawn=1",
        "ordering=make_key",
        "limit=101",
        "page=1&skip=0",
    ],
)
def test_a_bad_query_is_400(client: APIClient, query: str) -> None:
    answer = client.get(f"/api/cars?{query}")
    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"


def test_a_car_is_read_with_its_tag(client: APIClient) -> None:
    car = CarFactory(make="Toyota", model="Camry", year=2020)
    answer = client.get(f"/api/cars/{car.pk}")
    assert answer.json()["make"] == "Toyota"
    again = client.get(f"/api/cars/{car.pk}", HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_missing_car_is_404(client: APIClient) -> None:
    assert client.get("/api/cars/999999").status_code == 404
    assert client.get("/api/cars/0").status_code == 404


def test_a_list_is_one_statement_beside_the_sign_in_check(client: APIClient, django_assert_num_queries: Any) -> None:
    CarFactory.create_batch(31)

    for query in ("", "?make=Toyota", "?make=Toyota&limit=30", "?cursor=*&limit=5"):
        with django_assert_num_queries(2):
            client.get(f"/api/cars{query}")
