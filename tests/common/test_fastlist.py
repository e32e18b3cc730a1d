"""The fast list path gives the very bytes of the plain one, by one statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from common import fastlist, pagination
from common.rowjson import columns_of
from common.serializers import StrictModelSerializer
from tests.common.urls import SampleAnythingSerializer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
ODD = "".join(chr(number) for number in range(1, 32)) + '"\\/\x7f\x80\u2028\u00e9\U0001f697 100%s \\", \\" %'


@pytest.fixture(autouse=True)
def _fresh_plans() -> None:
    fastlist._plans.clear()
    fastlist._orders.clear()


@pytest.fixture
def client(as_user: Callable[[User], APIClient], user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def cars(db: None, user: User) -> list[Car]:
    """Nine cars with every kind of value that a row can hold."""
    moments = [None, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, 3, 4, 5, 67_800, tzinfo=UTC)]
    return [
        Car.objects.create(
            make=[ODD, "Audi", "\u0160koda"][number % 3], model=f"M{number}", year=2000 + number % 2,
            source=["manual", "parse"][number % 2], external_id=f"x{number}" if number % 2 else None,
            source_updated_at=moments[number % 3], withdrawn_at=moments[(number + 1) % 3],
            locked_fields=[[], ["make"], ["make", "year", "category"]][number % 3], created_by=user if number else None,
        )
        for number in range(9)
    ]  # fmt: skip


QUERIES = [
    "", "limit=4", "limit=4&page=2", "skip=7&limit=2", "page=9", "count=none", "count=exact&limit=1", "limit=9",
    "make=AUDI", "make=%C5%A1koda&year=2000", "year_min=2000&year_max=2000", "year=2099", "search=m1",
    "search=audi%20m4", "search=%25", "search=%25s&limit=1", "withdrawn=true", "withdrawn=false&ordering=-year",
    "source=parse", "since=2020-01-01T00:00:00Z", "since=2030-01-01T00:00:00Z", "ordering=-year,make&limit=3",
    "ordering=withdrawn&limit=3&page=2", "cursor=*&limit=4", "cursor=*&limit=4&ordering=-withdrawn,make",
    "part=ud&limit=2", "part=%5C&limit=2", "word=AUDI", "by=1",
]  # fmt: skip


def both(client: APIClient, query: str) -> tuple[Any, Any]:
    return client.get(f"/api/fast-cars?{query}"), client.get(f"/api/plain-cars?{query}")


def same(fast: Any, plain: Any) -> bool:
    """Status, body and headers, but for the path in links and the headers of the request."""
    names = {"Content-Type", "Link", "Allow", "Vary"}
    body = fast.content.replace(b"fast-cars", b"plain-cars")
    headers = {name: fast[name].replace("fast-cars", "plain-cars") for name in names & set(fast.headers)}
    return (fast.status_code, body, headers) == (
        plain.status_code, plain.content, {name: plain[name] for name in names & set(plain.headers)}
    )  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_both_paths_give_the_same_bytes(client: APIClient, cars: list[Car], query: str) -> None:
    for _ in range(2):  # Compiled, then bound.
        fast, plain = both(client, query)
        assert fast.status_code == 200, fast.content
        assert (fast.content.replace(b"fast-cars", b"plain-cars")) == plain.content
        assert same(fast, plain)


@pytest.mark.parametrize("ordering", ["year", "-withdrawn", "withdrawn,-year", "make", "-make,-year"])
def test_both_paths_walk_alike_in_both_directions(client: APIClient, cars: list[Car], ordering: str) -> None:
    query = f"ordering={ordering}&limit=2&cursor=*"
    trail = []
    for direction in ("next", "previous"):
        while query:
            fast, plain = both(client, query)
            assert same(fast, plain)
            trail.append(query)
            link = fast.json()[direction]
            query = link.split("?")[1] if link else ""
        query = trail[-1]
    assert len(trail) >= 9


def test_both_paths_hand_over_to_the_cursor_alike(
    client: APIClient, cars: list[Car], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_DEPTH", 4)

    for query in (
        "limit=2",
        "limit=2&page=2",
        "limit=2&page=2&count=exact",
        "limit=2&page=3",
        "limit=4&ordering=-year",
    ):
        fast, plain = both(client, query)
        assert same(fast, plain)
    assert b"cursor=" in both(client, "limit=2&page=2")[0].content


def test_statements_may_be_forgotten_at_any_moment(
    client: APIClient, cars: list[Car], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Emptied(dict[Any, Any]):
        """By another thread, whenever something was put in."""

        def __setitem__(self, key: Any, value: Any) -> None:
            pass

    monkeypatch.setattr(fastlist, "_plans", Emptied())
    monkeypatch.setattr(fastlist, "_orders", Emptied())
    fast, plain = both(client, "ordering=-year&limit=2")
    assert same(fast, plain)


@pytest.mark.parametrize("query", ["yaer=1", "year=x", "year=2000&year=2000", "page=1&skip=1", "cursor=nx", "limit=0"])
def test_both_paths_refuse_alike(client: APIClient, query: str) -> None:
    fast, plain = both(client, query)

    assert fast.status_code == 400
    assert same(fast, plain)


def test_an_empty_list_is_the_same_too(client: APIClient) -> None:
    for query in ("", "cursor=*", "count=none", "count=exact"):
        fast, plain = both(client, query)
        assert same(fast, plain)
        assert fast.json()["results"] == []


def test_a_list_is_one_statement_beside_the_user_check(
    client: APIClient, cars: list[Car], connection_queries: Callable[[], CaptureQueriesContext]
) -> None:
    for query in ("limit=4&make=audi&year=2001", "limit=4&cursor=*"):
        client.get(f"/api/fast-cars?{query}")
        with connection_queries() as queries:
            client.get(f"/api/fast-cars?{query}")
        assert len(queries) == 2


def test_values_share_the_statement_of_their_shape(client: APIClient, cars: list[Car]) -> None:
    for year in range(1990, 2010):
        client.get(f"/api/fast-cars?year={year}&page=2&search=a{year}")
    assert len(fastlist._plans) == 1
    client.get("/api/fast-cars?year=2000&ordering=year")
    assert len(fastlist._plans) == 2


def test_shapes_are_bounded(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastlist, "MAX_PLANS", 3)
    for words in range(1, 9):
        client.get(f"/api/fast-cars?search={'+'.join('a' * words)}")

    assert len(fastlist._plans) <= 3


def test_the_browsable_api_takes_the_plain_path(user: User, cars: list[Car]) -> None:
    browser = APIClient(HTTP_ACCEPT="text/html")
    browser.force_login(user)

    assert browser.get("/api/fast-cars")["Content-Type"].startswith("text/html")
    assert not fastlist._plans


def test_every_kind_of_field_is_written_as_the_renderer_does(client: APIClient, user: User) -> None:
    User.objects.create_user("rich@example.com", bid_limit="1200.50", is_active=False)
    User.objects.create_user("poor@example.com", bid_limit="0")

    for query in ("", "?poor=0", "?poor=5000", "?poor=5000&limit=1"):
        fast, plain = client.get(f"/api/fast-anything{query}"), client.get(f"/api/plain-anything{query}")
        assert (fast.status_code, fast.content) == (200, plain.content.replace(b"plain-", b"fast-"))
    assert fast.json()["results"][0]["bid_limit"] == "1200.50"


def test_a_field_that_the_database_cannot_show_is_refused_when_it_is_declared() -> None:
    class MethodSerializer(StrictModelSerializer):
        class Meta:
            model = Car
            fields = ["id", "history_length"]

        history_length = SampleAnythingSerializer()

    with pytest.raises(ImproperlyConfigured, match="history_length"):
        columns_of(MethodSerializer(), Car, connection.vendor)
