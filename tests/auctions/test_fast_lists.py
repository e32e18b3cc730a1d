"""The lists of auctions and of bids go the fast path: the same bytes, and to nobody what is another's."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.increments import EBAY_TIERS
from auctions.models import Auction, Listing
from auctions.services.bids import place_bid
from common import clock, fastlist
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.common.parity import assert_same, fast_way, walk

pytestmark = pytest.mark.django_db
URL = "/api/auctions"
MAKERS = ["Honda", "Kia"]


@pytest.fixture(autouse=True)
def _fresh_plans() -> None:
    fastlist._plans.clear()
    fastlist._orders.clear()


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """One for all answers; reads only, the rules ask another clock."""
    moment = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


@pytest.fixture
def bidders(db: None) -> list[User]:
    return [BidderFactory(), BidderFactory()]


@pytest.fixture
def auctions(bidders: list[User]) -> list[Auction]:
    """In every state that their columns can be in, each with up to three bids of two people."""
    terms: list[dict[str, Any]] = [
        {}, {"reserve_price": Decimal(1500)}, {"reserve_price": Decimal(5000), "buy_now_price": Decimal(9000)},
        {"buy_now_price": Decimal(2500)}, {"status": "scheduled", "buy_now_price": Decimal(2000)},
        {"increments": EBAY_TIERS, "starting_price": Decimal("0.99")},
        {"under_reserve": "minimum", "reserve_price": Decimal(9000)},
    ]  # fmt: skip
    made = []
    for number, fields in enumerate(terms):
        ends_at = timezone.now() + timedelta(hours=2 + number)
        made.append(AuctionFactory(ends_at=ends_at, listing_fields={"make": MAKERS[number % 2]}, **fields))
        for person, amount in [(0, "1200"), (1, "4999.99"), (0, "5200.55")][: number % 4]:
            if made[-1].status == "live":
                place_bid(user_id=bidders[person].pk, auction_id=made[-1].pk, amount=Decimal(amount))
    Listing.objects.filter(pk=made[0].listing_id).update(status="suspended")
    ended = {"status": "sold", "closed_at": timezone.now()}
    Auction.objects.filter(pk=made[2].pk).update(**ended)
    return made


@pytest.fixture
def people(as_user: Any, make_user: Any, bidders: list[User], auctions: list[Auction]) -> list[APIClient]:
    """Nobody, two bidders, a seller, a moderator and a stranger."""
    users = [*bidders, auctions[0].seller, make_user(roles=["moderator"]), make_user()]
    return [APIClient(), *map(as_user, users)]


QUERIES = [
    "", "limit=2", "limit=2&page=2", "status=live", "make=honda", "year_min=2000&year_max=2030", "min_price=1000",
    "max_price=1000.50&min_price=1", "ordering=newest", "ends_before=2099-01-01T00:00:00Z", "count=none",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_everybody_gets_the_same_auctions_by_both_paths(people: list[APIClient], query: str) -> None:
    for client in people:
        assert_same(client, f"{URL}?{query}")


def test_a_walk_is_the_same_too(people: list[APIClient]) -> None:
    for client in people[:2]:
        assert walk(client, f"{URL}?cursor=*&limit=2&ordering=ending_soon") >= 6


def test_each_caller_sees_the_own_part_alone(people: list[APIClient], auctions: list[Auction]) -> None:
    for client in (people[1], people[2], people[1]):
        rows = {row["id"]: row for row in fast_way(client, URL).json()["results"]}
        own = {pk: row["your_max"] for pk, row in rows.items() if row["your_max"]}
        detail = {pk: client.get(f"{URL}/{pk}").json()["your_max"] for pk in rows}
        assert own == {pk: maximum for pk, maximum in detail.items() if maximum}
    for client in (people[0], people[5]):
        assert not any(row["your_alias"] or row["your_max"] for row in fast_way(client, URL).json()["results"])


def test_only_those_who_may_see_a_suspended_one(people: list[APIClient], auctions: list[Auction]) -> None:
    shown = [auctions[0].pk in {row["id"] for row in fast_way(client, URL).json()["results"]} for client in people]
    assert shown == [False, False, False, True, True, False]


@pytest.mark.parametrize("price", ["0.99", "1.00", "4.99", "99.99", "100", "249.99", "2499.99", "2500", "9999999.99"])
def test_the_next_bid_is_that_of_the_rules(people: list[APIClient], auctions: list[Auction], price: str) -> None:
    """On both sides of a table's borders."""
    Auction.objects.filter(pk=auctions[5].pk).update(
        price=price, leader_max=Decimal("99999999"), runner_up_max=None, leader=auctions[1].seller, leader_number=1
    )
    rows = {row["id"]: row for row in assert_same(people[0], URL).json()["results"]}
    expected = Auction.objects.get(pk=auctions[5].pk).min_next
    assert rows[auctions[5].pk]["min_next"] == f"{expected:.2f}"


def test_everybody_gets_the_same_bids_by_both_paths(people: list[APIClient], auctions: list[Auction]) -> None:
    for client in people:
        for auction in auctions[1:]:
            assert_same(client, f"{URL}/{auction.pk}/bids")
        assert walk(client, f"{URL}/{auctions[3].pk}/bids?limit=1") >= 2


def test_bids_of_what_is_not_there_are_404(people: list[APIClient], auctions: list[Auction]) -> None:
    answers = [client.get(f"{URL}/{auctions[0].pk}/bids").status_code for client in people]
    assert answers == [404, 404, 404, 200, 200, 404]
    assert people[0].get(f"{URL}/999999/bids").status_code == 404
    assert people[0].get(f"{URL}/{auctions[4].pk}/bids").json()["results"] == []


def test_a_list_is_one_statement(
    people: list[APIClient], auctions: list[Auction], django_assert_num_queries: Any
) -> None:
    for url in (URL, f"{URL}/{auctions[3].pk}/bids"):
        for client, number in ((people[0], 1), (people[1], 2)):
            client.get(url)
            with django_assert_num_queries(number):
                client.get(url)
