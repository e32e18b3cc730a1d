"""The fast list path and its callers: one statement, for each the own answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from common import clock, fastlist
from tests.common.parity import assert_same, fast_way, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
URL = "/api/years/2000/cars"
MOMENTS = [datetime(2026, 5, 1, 12, 30, tzinfo=UTC), datetime(2026, 5, 1, 12, 30, 0, 120_000, tzinfo=UTC)]


@pytest.fixture(autouse=True)
def _fresh_plans() -> None:
    fastlist._plans.clear()
    fastlist._orders.clear()


@pytest.fixture(autouse=True, params=MOMENTS, ids=["whole second", "microseconds"])
def moment(request: Any, monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: request.param)
    return request.param


@pytest.fixture
def people(user: User, other_user: User, make_user: Any) -> list[User]:
    return [user, other_user, make_user(perms=["cars.view_historicalcar"]), make_user(bid_limit="12.5")]


@pytest.fixture
def cars(people: list[User]) -> list[Car]:
    made = []
    for number in range(8):
        maker = [None, people[0], people[1], people[3]][number % 4]
        car = Car.objects.create(make=f'M"{number}', model="X", year=2000 + number // 7, created_by=maker)
        Car.objects.filter(pk=car.pk).update(created_at=MOMENTS[0] - timedelta(hours=12 * number))
        made.append(car)
    return made


def test_everybody_gets_the_same_bytes_by_both_paths(as_user: Any, people: list[User], cars: list[Car]) -> None:
    for client in (*map(as_user, people), APIClient()):
        assert_same(client, URL)
        assert_same(client, f"{URL}?limit=2")
        assert walk(client, f"{URL}?limit=1") >= 2


def test_each_caller_is_shown_the_own_rows_by_the_shared_statement(
    as_user: Any, people: list[User], cars: list[Car]
) -> None:
    for person in (people[0], people[1], people[3], people[0]):
        rows = fast_way(as_user(person), URL).json()["results"]
        assert {row["creator"] and row["creator"]["id"] for row in rows} == {None, person.pk}
        assert [row["mine"] for row in rows] == [row["creator"] is not None for row in rows]
    assert len(fastlist._plans) == 1


def test_permissions_and_strangers_have_statements_of_their_own(
    as_user: Any, people: list[User], cars: list[Car]
) -> None:
    counts = [len(fast_way(client, URL).json()["results"]) for client in (*map(as_user, people), APIClient())]
    assert counts == [4, 4, 7, 3, 2]
    assert len(fastlist._plans) == 3


def test_the_moment_is_that_of_the_request(
    as_user: Any, people: list[User], cars: list[Car], moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_user(people[2])
    before = assert_same(client, URL).json()["results"]
    assert {row["server_time"] for row in before} == {moment.isoformat().replace("+00:00", "Z")}
    monkeypatch.setattr(clock, "now", lambda: moment - timedelta(days=1))
    after = assert_same(client, URL).json()["results"]
    assert (sum(row["is_past"] for row in before), sum(row["is_past"] for row in after)) == (7, 5)


def test_a_path_is_bound_and_what_is_empty_is_left_to_the_plain_way(
    as_user: Any, people: list[User], cars: list[Car]
) -> None:
    client = as_user(people[2])
    assert [len(fast_way(client, f"/api/years/{year}/cars").json()["results"]) for year in (2000, 2001)] == [7, 1]
    assert len(fastlist._plans) == 1
    assert client.get("/api/years/1999/cars").json()["results"] == []


@pytest.mark.parametrize("query", ["page=1", "skip=1", "count=none", "make=x", "cursor=nx", "limit=0"])
def test_a_list_by_cursor_refuses_what_it_does_not_know(as_user: Any, people: list[User], query: str) -> None:
    assert as_user(people[0]).get(f"{URL}?{query}").status_code == 400


def test_what_a_view_does_not_declare_is_an_error_and_no_leak(as_user: Any, people: list[User]) -> None:
    client = as_user(people[2])
    with pytest.raises(AttributeError):
        client.get("/api/careless-cars")
    with pytest.raises(RuntimeError, match="view_historicalcar"):
        client.get("/api/careless-years/2000/cars")
    with pytest.raises(RuntimeError, match="depends on a stand-in"):
        client.get("/api/careless-ids/2000/cars")
