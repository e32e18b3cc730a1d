"""The inventory's list comes from the cache, and shows every change at once."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from tests.concurrency.second_server import second_server
from tests.concurrency.served import served
from tests.workshop.factories import PartFactory, PartLineFactory
from workshop.models import Part
from workshop.services import inventory, stock

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/workshop/inventory"
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """The cache in the database outlives a test with real transactions."""
    cache.clear()


@pytest.fixture
def client(as_user: Any, user: Any) -> APIClient:
    return as_user(user)


@pytest.fixture
def part() -> Part:
    return PartFactory(on_hand=5)


def reserve(part: Part) -> None:
    stock.reserve(lines=[PartLineFactory(part=part)], actor=None, now=NOW)


def test_a_second_look_does_not_ask_the_database(client: APIClient, part: Part) -> None:
    first = client.get(URL)
    Part.objects.update(name="Changed behind the services' back")
    second = client.get(URL)
    assert first.content == second.content
    assert first["ETag"] == second["ETag"]
    assert client.get(URL, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


@pytest.mark.parametrize(
    "change",
    [
        reserve,
        lambda part: stock.receive(part_id=part.pk, quantity=Decimal(1), actor=None, now=NOW),
        lambda part: stock.adjust(part_id=part.pk, counted=Decimal(1), reason="x", actor=None, now=NOW),
        lambda part: stock.scrap(part_id=part.pk, quantity=Decimal(1), reason="x", actor=None, now=NOW),
        lambda part: inventory.update_part(part=part, data={"name": "New"}, now=NOW),
        lambda part: inventory.archive_part(part=part, now=NOW),
        lambda part: inventory.create_part(
            data={"name": "Other", "sku": "X-1", "price": Decimal(1), "cost": Decimal(1)}, now=NOW
        ),
    ],
)
def test_a_change_shows_on_the_next_request(client: APIClient, part: Part, change: Callable[[Part], Any]) -> None:
    before = client.get(URL)
    change(part)
    after = client.get(URL, HTTP_IF_NONE_MATCH=before["ETag"])
    assert after.status_code == 200
    assert after.json() != before.json()


def test_a_deleted_part_is_gone_at_once(client: APIClient) -> None:
    part = PartFactory()
    assert client.get(URL).json()["count"] == 1
    inventory.delete_part(part=part)
    assert client.get(URL).json()["count"] == 0


def test_every_page_is_an_entry_of_its_own_and_names_the_next(client: APIClient, part: Part) -> None:
    PartFactory(name="Wiper")
    for _ in range(2):
        first = client.get(f"{URL}?limit=1")
        assert client.get(first.json()["next"]).json()["results"][0]["name"] == "Wiper"
        assert 'rel="next"' in first["Link"]


def test_zero_turns_the_cache_off(client: APIClient, part: Part, settings: Any) -> None:
    settings.CACHE_TTL_S = 0
    client.get(URL)
    Part.objects.update(name="Changed")
    assert client.get(URL).json()["results"][0]["name"] == "Changed"


@pytest.mark.slow
def test_a_change_in_one_process_shows_with_the_next_request_to_another(user: User, part: Part) -> None:
    token = issue_tokens(user=user, now=timezone.now()).access

    def shown(server: str) -> str:
        # One host name for both, so that both read the same entry of the cache.
        headers = {"Authorization": f"Bearer {token}", "Host": "localhost"}
        with urllib.request.urlopen(urllib.request.Request(server + URL, headers=headers), timeout=60) as answer:
            on_hand: str = json.load(answer)["results"][0]["on_hand"]
        return on_hand

    with served() as here, second_server() as there:
        assert [shown(server) for server in (here, there, here)] == ["5.000"] * 3
        Part.objects.update(on_hand=9)  # Behind the services' back: both go on reading what is kept.
        assert [shown(server) for server in (here, there)] == ["5.000"] * 2
        stock.receive(part_id=part.pk, quantity=Decimal(1), actor=None, now=NOW)
        assert [shown(server) for server in (there, here)] == ["10.000"] * 2
