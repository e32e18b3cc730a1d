"""Lists: one envelope, strict parameters, pages to a bounded depth and cursors to any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import pytest
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from common import pagination
from common.filters import DateFilter, IdFilter, StrictFilterSet, TextFilter
from common.schema import query_parameter

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]


@pytest.fixture
def client(as_user: Callable[[User], APIClient], user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def cars(db: None) -> list[Car]:
    """Seven cars: years repeat, some are withdrawn."""
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    return [
        Car.objects.create(
            make=f"Make {number % 3}", model=f"M{number}", year=2000 + number % 2,
            withdrawn_at=moment.replace(day=number + 1) if number % 3 == 0 else None,
        )
        for number in range(7)
    ]  # fmt: skip


def ids(answer: dict[str, Any]) -> list[int]:
    return [row["id"] for row in answer["results"]]


def walk(client: APIClient, url: str | None, direction: str = "next") -> list[list[int]]:
    pages = []
    while url:
        response = client.get(url)
        assert response.status_code == 200, response.content
        pages.append(ids(response.json()))
        url = response.json()[direction]
    return pages


def test_a_list_has_the_envelope_and_links(client: APIClient, cars: list[Car]) -> None:
    response = client.get("/api/cars?page=2&limit=3")
    answer = response.json()

    assert (answer["count"], answer["count_capped"], len(answer["results"])) == (7, False, 3)
    assert answer["next"] == "http://testserver/api/cars?limit=3&page=3"
    assert answer["previous"] == "http://testserver/api/cars?limit=3&page=1"
    assert response["Link"] == f'<{answer["next"]}>; rel="next", <{answer["previous"]}>; rel="prev"'


def test_skip_is_another_way_to_page(client: APIClient, cars: list[Car]) -> None:
    answer = client.get("/api/cars?skip=5&limit=3").json()

    assert ids(answer) == [car.pk for car in cars[5:]]
    assert (answer["next"], answer["previous"]) == (None, "http://testserver/api/cars?limit=3&skip=2")


def test_a_page_past_the_end_is_empty_and_still_counts(client: APIClient, cars: list[Car]) -> None:
    answer = client.get("/api/cars?page=9").json()

    assert (answer["count"], answer["results"], answer["next"]) == (7, [], None)


def test_the_count_can_be_waived(client: APIClient, cars: list[Car]) -> None:
    answer = client.get("/api/cars?count=none&limit=2").json()

    assert (answer["count"], answer["count_capped"]) == (None, False)
    assert answer["next"] is not None


def test_the_count_is_bounded_unless_asked_for_exactly(
    client: APIClient, cars: list[Car], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_DEPTH", 5)

    capped = client.get("/api/cars?limit=2").json()
    exact = client.get("/api/cars?limit=2&count=exact").json()

    assert (capped["count"], capped["count_capped"]) == (5, True)
    assert (exact["count"], exact["count_capped"]) == (7, False)


def test_pages_end_where_cursors_go_on(client: APIClient, cars: list[Car], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_DEPTH", 4)

    assert walk(client, "/api/cars?limit=2&ordering=-year") == [
        [cars[i].pk for i in page] for page in ([5, 3], [1, 6], [4, 2], [0])
    ]
    refused = client.get("/api/cars?limit=2&page=3")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "use_cursor")


@pytest.mark.parametrize(
    "ordering", ["year", "-year", "make,-year", "withdrawn", "-withdrawn", "-withdrawn,make", "-make,-year"]
)
def test_a_cursor_walks_every_order_to_the_end_and_back(client: APIClient, cars: list[Car], ordering: str) -> None:
    whole = ids(client.get(f"/api/cars?ordering={ordering}").json())

    forwards = walk(client, f"/api/cars?ordering={ordering}&limit=2&cursor=*")
    last = client.get(f"/api/cars?ordering={ordering}&limit=6&cursor=*").json()["next"]
    backwards = walk(client, client.get(last).json()["previous"].replace("limit=6", "limit=2"), "previous")

    assert list(chain(*forwards)) == whole
    assert list(chain(*reversed(backwards))) == whole[:6]


def test_a_cursor_is_not_disturbed_by_rows_that_come_and_go(client: APIClient, cars: list[Car]) -> None:
    first = client.get("/api/cars?limit=3&cursor=*").json()
    cars[2].delete()

    assert ids(client.get(first["next"]).json()) == [car.pk for car in cars[3:6]]


def test_a_cursor_fits_a_request_line_even_at_a_long_name(client: APIClient, cars: list[Car]) -> None:
    Car.objects.update(make_key="\N{CYRILLIC CAPITAL LETTER ZHE}" * 250)

    pages = walk(client, "/api/cars?ordering=make&limit=3&cursor=*")

    assert list(chain(*pages)) == [car.pk for car in cars]
    assert "cursor=n%40" in client.get("/api/cars?ordering=make&limit=3&cursor=*").json()["next"]


@pytest.mark.parametrize(
    "cursor", ["n", "n@99999", "n@x", "nabc", "n1.2", "x1", "n99999999999999999999", "n~", "p-", "nMQ"]
)
def test_a_cursor_of_another_order_is_400(client: APIClient, cars: list[Car], cursor: str) -> None:
    response = client.get(f"/api/cars?cursor={cursor}")

    assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, "cursor")


def test_a_list_by_cursor_needs_no_cursor_to_start(client: APIClient, cars: list[Car]) -> None:
    answer = client.get("/api/cars/walk?limit=5").json()

    assert ids(answer) == [car.pk for car in reversed(cars[2:])]
    assert (answer["count"], answer["count_capped"], answer["previous"]) == (None, False, None)
    assert ids(client.get(answer["next"]).json()) == [cars[1].pk, cars[0].pk]


@pytest.mark.parametrize(
    "query",
    [
        "yaer=2020", "year=", "year=2020&year=2020", "year=abc", "year=2020.5", "year=1_0", "year=%D9%A3", "year=1885",
        "year=99999999999999999999999", "page=0", "page=-1", "page=", "page=abc", "limit=0", "limit=101", "limit=1e9",
        "skip=-1", "page=1&skip=0", "page=1&cursor=*", "count=all", "ordering=", "ordering=D", "ordering=year,",
        "ordering=id;drop", "make=", "make=%20", "make=%0A", "search=" + "a" * 51, "withdrawn=yes", "withdrawn=1",
        "source=other", "since=2020-01-01", "since=2021-02-29T00:00:00Z", "year_min=2001&year_max=2000", "format=xml",
    ],
)  # fmt: skip
def test_an_unknown_or_bad_parameter_is_400(client: APIClient, query: str) -> None:
    response = client.get(f"/api/cars?{query}")

    assert response.status_code == 400
    assert response.json()["type"] == "validation_error"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("make=%20MAKE%20%20%201", [1, 4]),
        ("year=2001&make=make%201", [1]),
        ("year_min=2001", [1, 3, 5]),
        ("year_min=2000&year_max=2000", [0, 2, 4, 6]),
        ("search=make%20m5", [5]),
        ("search=%25", []),
        ("withdrawn=true", [0, 3, 6]),
        ("withdrawn=false", [1, 2, 4, 5]),
        ("source=parse", []),
        ("since=2020-01-01T00:00:00-21:25", [0, 1, 2, 3, 4, 5, 6]),
        ("ordering=-year,make", [3, 1, 5, 0, 6, 4, 2]),
    ],
)
def test_a_filter_keeps_what_it_names(client: APIClient, cars: list[Car], query: str, expected: list[int]) -> None:
    assert ids(client.get(f"/api/cars?{query}").json()) == [cars[number].pk for number in expected]


def test_a_page_costs_two_statements_and_a_short_list_one(
    client: APIClient, cars: list[Car], connection_queries: Callable[[], CaptureQueriesContext]
) -> None:
    with connection_queries() as long:
        client.get("/api/cars?limit=2")
    with connection_queries() as short:
        client.get("/api/cars?limit=50")

    assert len([query for query in long if "cars_car" in (query["sql"] or "")]) == 2
    assert len([query for query in short if "cars_car" in (query["sql"] or "")]) == 1


def test_other_reads_take_declared_parameters_only(client: APIClient) -> None:
    assert client.get("/api/cars/statistics?year=2020").json() == {"year": 2020}
    assert client.get("/api/cars/statistics?yaer=2020").status_code == 400
    assert client.get("/api/cars/statistics?year=1").status_code == 400
    assert client.post("/api/cars/wash?force=1").status_code == 400


class Plates(StrictFilterSet):
    plate = TextFilter(required=True)
    lot = IdFilter()


def test_a_parameter_may_be_required():
    assert Plates.read(QueryDict("plate=A")) == {"plate": "A"}
    with pytest.raises(ValidationError) as refused:
        Plates.read(QueryDict("lot=x"))
    assert {name: [detail.code for detail in details] for name, details in refused.value.detail.items()} == {
        "plate": ["required"],
        "lot": ["invalid"],
    }
    published = [query_parameter(name, filter_) for name, filter_ in Plates.base_filters.items()]
    assert [(parameter["name"], parameter["required"]) for parameter in published] == [("plate", True), ("lot", False)]


class Days(StrictFilterSet):
    from_ = DateFilter("day", "gte")
    to = DateFilter("day", "lte")
    ranges = [("from", "to")]


def test_a_parameter_may_have_the_name_of_a_keyword():
    assert Days.read(QueryDict("from=2024-02-29&to=2024-03-01")) == {"from": date(2024, 2, 29), "to": date(2024, 3, 1)}


@pytest.mark.parametrize("query", ["from=2023-02-29", "from=2024-2-9", "to=20240301", "from=2024-03-02&to=2024-03-01"])
def test_a_day_that_is_none_and_a_range_without_days_are_refused(query):
    with pytest.raises(ValidationError):
        Days.read(QueryDict(query))
