"""Rate limits: who is counted as one, what the answers say, and that they hold without Redis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from accounts.models import User
from common import throttling
from common.checks import throttle_scopes
from common.permissions import Public
from common.rates import Rate, parse_rate
from common.throttling import GeneralThrottle, ProcessCounter, ScopedThrottle, network_of
from common.views import ApiView
from tests.common.redis_server import RedisServer

pytestmark = pytest.mark.urls(__name__)


class FreeView(ApiView):
    permission_classes = (Public,)

    def get(self, request: Request) -> Response:
        return Response({})


class BidView(FreeView):
    throttle_scope = "bids"


urlpatterns = [
    path("api/free", FreeView.as_view()),
    path("api/bid", BidView.as_view()),
]


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "3/minute", "user": "5/minute", "bids": "2/second"}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


def statuses(client: APIClient, times: int, url: str = "/api/free", **extra: Any) -> list[int]:
    return [client.get(url, **extra).status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        ("10/second", Rate(10, 1)),
        ("5 per hour", Rate(5, 3600)),
        ("200 / day", Rate(200, 86400)),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "10", "10/fortnight", "-1/minute", "1.5/minute", "10/min;5/hour", "١/minute"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        parse_rate(text)


def test_beyond_the_rate_is_429_with_the_time_to_wait(api: APIClient) -> None:
    assert statuses(api, 3) == [200] * 3
    refused = api.get("/api/free")
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["code"] == "throttled"
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_answers_tell_what_is_left(api: APIClient) -> None:
    answers = [api.get("/api/free") for _ in range(4)]
    assert [answer["RateLimit-Limit"] for answer in answers] == ["3"] * 4
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert all(1 <= int(answer["RateLimit-Reset"]) <= 60 for answer in answers)


def test_of_two_limits_the_nearer_one_is_told(api: APIClient) -> None:
    answer = api.get("/api/bid")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("2", "1")


@pytest.mark.django_db
def test_each_user_has_a_count(as_user: Callable[[User], APIClient], user: User, other_user: User) -> None:
    assert statuses(as_user(user), 6) == [200] * 5 + [429]
    assert statuses(as_user(other_user), 1) == [200]


@pytest.mark.django_db
def test_a_second_sign_in_does_not_double_the_rate(as_user: Callable[[User], APIClient], user: User) -> None:
    statuses(as_user(user), 5)
    assert statuses(as_user(user), 1) == [429]


def test_each_address_has_a_count(api: APIClient) -> None:
    assert statuses(api, 4, REMOTE_ADDR="192.0.2.1")[-1] == 429
    assert statuses(api, 1, REMOTE_ADDR="192.0.2.2") == [200]


def test_a_forwarded_address_of_a_stranger_changes_nothing(api: APIClient) -> None:
    seen = [api.get("/api/free", HTTP_X_FORWARDED_FOR=f"192.0.2.{i}").status_code for i in range(4)]
    assert seen == [200, 200, 200, 429]


def test_scopes_by_action() -> None:
    class View:
        throttle_scopes = {"create": "bids"}
        action = "create"

    view: Any = View()
    request: Any = None
    assert ScopedThrottle().scope_of(request, view) == "bids"
    view.action = "list"
    assert ScopedThrottle().scope_of(request, view) is None


def test_disabled_for_test_servers(api: APIClient, settings: Any) -> None:
    settings.DISABLE_THROTTLES = True
    assert statuses(api, 10) == [200] * 10


def test_a_window_ends(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(throttling.time, "monotonic", lambda: now)
    assert statuses(api, 4)[-1] == 429
    now += 59
    assert statuses(api, 1) == [429]
    now += 1
    assert statuses(api, 1) == [200]


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(address: str, counted_as: str) -> None:
    assert network_of(address) == counted_as


def test_the_counter_of_a_process_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessCounter, "MAX_KEYS", 100)
    counter = ProcessCounter()
    for key in range(1000):
        counter.count(str(key), window_s=60)
    assert len(counter._windows) <= 100
    assert counter.count("999", window_s=60)[0] == 2


@pytest.mark.redis
def test_parallel_requests_share_no_number(redis_cache: RedisServer, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "10/minute"}
    with ThreadPoolExecutor(8) as threads:
        allowed = list(threads.map(lambda _: _ask(GeneralThrottle()), range(60)))
    assert sum(allowed) == 10


def _ask(throttle: GeneralThrottle) -> bool:
    request = Request(APIRequestFactory().get("/"), authenticators=())
    view: Any = None
    return throttle.allow_request(request, view)


@pytest.mark.redis
def test_processes_share_a_count_in_redis(redis_cache: RedisServer, api: APIClient) -> None:
    statuses(api, 3)
    throttling.process_counter.clear()
    assert statuses(api, 1) == [429]


@pytest.mark.redis
@pytest.mark.fault(
    "F2", "the server of the counts stopped", expected="429 from the same number on, counted in the process"
)
def test_without_redis_the_process_counts_at_the_same_rate(redis_cache: RedisServer, api: APIClient) -> None:
    redis_cache.stop()
    assert statuses(api, 5) == [200, 200, 200, 429, 429]


@pytest.mark.redis
def test_a_frozen_redis_holds_up_one_request(redis_cache: RedisServer, api: APIClient) -> None:
    redis_cache.freeze()
    assert statuses(api, 4) == [200, 200, 200, 429]


def test_a_scope_without_a_rate_is_a_configuration_error(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert throttle_scopes() == []
    monkeypatch.setattr(f"{__name__}.BidView.throttle_scope", "no-such-rate")
    assert [message.id for message in throttle_scopes()] == ["common.E001"]
