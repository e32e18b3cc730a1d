"""The short way to the fast reads answers as the long one: body, status and every header."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from common import fastlane, fastread
from common.fastlane import FastLane
from common.throttling import process_counter

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
OWN = {"X-Request-ID", "Date"}


@pytest.fixture
def car(db: None) -> Car:
    return Car.objects.create(make="Audi", model="A1", year=2000)


@pytest.fixture
def long_way(settings: Any) -> Any:
    """A client whose requests do not meet the short way."""

    def make(headers: dict[str, str]) -> APIClient:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith("FastLane")]
        return APIClient(headers=headers)

    return make


@pytest.fixture
def bearer(as_user: Any, user: User) -> dict[str, str]:
    return {"authorization": as_user(user)._credentials["HTTP_AUTHORIZATION"]}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The actions that were answered the short way."""
    actions: list[str] = []
    answer = fastlane.Lane.answer

    def spy(lane: Any, request: Any, kwargs: Any) -> Any:
        found = answer(lane, request, kwargs)
        if found is not None:
            actions.append(lane.action)
        return found

    monkeypatch.setattr(fastlane.Lane, "answer", spy)
    return actions


def seen(answer: Any) -> tuple[Any, ...]:
    body = answer.json() if answer.status_code >= 400 else answer.content
    return answer.status_code, body, {n: v for n, v in answer.headers.items() if n not in OWN}


SHORT = ["/api/fast-cars", "/api/fast-cars?make=audi&limit=1", "/api/fast-cars?cursor=*", "/api/fast-cars/{pk}"]
LONG = [
    "/api/fast-cars?color=red", "/api/fast-cars?limit=0", "/api/fast-cars?page=9999", "/api/fast-cars/{pk}?a=b",
    "/api/fast-cars/999999", "/api/fast-cars/x", "/api/guarded-cars/{pk}", "/api/plain-cars", "/api/nothing",
]  # fmt: skip


@pytest.mark.parametrize("url", SHORT + LONG)
def test_both_ways_answer_alike(car: Car, bearer: Any, long_way: Any, taken: list[str], url: str) -> None:
    url = url.format(pk=car.pk)
    short = [seen(APIClient(headers=bearer).get(url)) for _ in range(2)]
    assert len(taken) == (2 if short[0][0] == 200 and "fast" in url else 0)
    assert short == [seen(long_way(bearer).get(url))] * 2


@pytest.mark.parametrize(
    "url", ["/api/public-cars", "/api/public-cars?limit=1", "/api/public-cars/{pk}", "/api/public-cars?limit=0"]
)
def test_public_reads_take_it_without_a_sign_in(car: Car, long_way: Any, taken: list[str], url: str) -> None:
    url = url.format(pk=car.pk)
    short = [seen(APIClient().get(url)) for _ in range(2)]
    assert len(taken) == (2 if short[0][0] == 200 else 0)
    assert short == [seen(long_way({}).get(url))] * 2


def test_who_is_not_signed_in_reads_nothing_else(car: Car, long_way: Any, taken: list[str]) -> None:
    for url in ("/api/fast-cars", f"/api/fast-cars/{car.pk}"):
        assert seen(APIClient().get(url)) == seen(long_way({}).get(url))
        assert APIClient().get(url).status_code == 401
    wrong = APIClient(headers={"authorization": "Bearer x"}).get("/api/public-cars")
    assert (wrong.status_code, taken) == (401, [])


def test_an_anonymous_read_counts_once_against_its_limit(car: Car, settings: Any, taken: list[str]) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "3/minute"}
    process_counter.clear()
    answers = [APIClient().get(f"/api/public-cars{query}") for query in ("", "?yaer=1", "", "")]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 429]
    assert taken == ["list", "list"]


def test_an_unchanged_car_is_the_same_304(car: Car, bearer: Any, long_way: Any, taken: list[str]) -> None:
    url = f"/api/fast-cars/{car.pk}"
    headers = bearer | {"if-none-match": APIClient(headers=bearer).get(url)["ETag"]}
    assert seen(APIClient(headers=headers).get(url)) == seen(long_way(headers).get(url))
    assert taken == ["retrieve", "retrieve"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer x"},
        {"authorization": "Basic x"},
        {"accept": "text/html"},
        {"accept": "image/png"},
        {"host": "elsewhere.example"},
        {"cookie": "sessionid=x", "authorization": ""},
    ],
    ids=str,
)
def test_whatever_is_unusual_goes_the_long_way(
    car: Car, bearer: Any, long_way: Any, taken: list[str], headers: dict[str, str]
) -> None:
    short = APIClient(headers=bearer | headers).get("/api/fast-cars")
    assert seen(short) == seen(long_way(bearer | headers).get("/api/fast-cars"))
    assert taken == []


def test_other_methods_go_the_long_way(car: Car, bearer: Any, taken: list[str]) -> None:
    client = APIClient(headers=bearer)
    assert client.head("/api/fast-cars").status_code == 200
    assert client.post("/api/fast-cars", {}, format="json").status_code == 405
    assert client.options("/api/fast-cars").status_code == 200
    assert taken == []


def test_a_user_who_is_no_longer_active_is_401(car: Car, bearer: Any, user: User, taken: list[str]) -> None:
    client = APIClient(headers=bearer)
    assert client.get("/api/fast-cars").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/api/fast-cars").status_code == 401
    assert taken == ["list"]


def test_limits_count_and_are_told(car: Car, bearer: Any, settings: Any, taken: list[str]) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"user": "2/minute"}
    process_counter.clear()
    answers = [APIClient(headers=bearer).get("/api/fast-cars") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert "Retry-After" in answers[2]


def test_a_lost_connection_is_tried_once_more(car: Car, bearer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise OperationalError("terminated")
        return fetch(*args)

    fetch = fastread.fetch_prepared
    monkeypatch.setattr(fastread, "fetch_prepared", failing_once)
    assert APIClient(headers=bearer).get(f"/api/fast-cars/{car.pk}").status_code == 200
    assert len(calls) == 2


def test_it_is_not_there_in_an_asynchronous_chain() -> None:
    async def get_response(request: Any) -> Any: ...

    with pytest.raises(fastlane.MiddlewareNotUsed):
        FastLane(get_response)


def test_a_refusal_that_is_left_to_the_long_way_counts_once(car: Car, bearer: Any, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    process_counter.clear()
    answers = [APIClient(headers=bearer).get("/api/fast-cars?yaer=2020") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert int(answers[0]["RateLimit-Remaining"]) - int(answers[1]["RateLimit-Remaining"]) == 1
