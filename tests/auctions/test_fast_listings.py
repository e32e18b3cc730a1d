"""The marketplace's list goes the fast path: the same bytes, and to nobody what a seller keeps to himself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import SellerProfile, User
from auctions.models import Auction, Listing
from auctions.serializers.listings import PRIVATE, ListingSerializer
from auctions.services.bids import place_bid
from common import fastlist
from common.rowjson import json_rows
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.auctions.listings import URL, add_photo
from tests.auctions.test_listing_search import EVERY_QUERY
from tests.common.parity import assert_same, fast_way, walk
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ORDERS = ["newest", "ending_soon", "price", "-price", "mileage", "bids"]


@pytest.fixture(autouse=True)
def _fresh_plans() -> None:
    fastlist._plans.clear()
    fastlist._orders.clear()


@pytest.fixture
def sellers(db: None) -> list[User]:
    """An approved dealer, one who waits to be, a private person."""
    people = [UserFactory() for _ in range(3)]
    for person, approved_at in ((people[0], timezone.now()), (people[1], None)):
        SellerProfile.objects.create(user=person, business_name='Cars "&" <Co>', approved_at=approved_at)
    return people


@pytest.fixture
def listings(sellers: list[User]) -> list[Listing]:
    """In every state that their columns can be in, with none to three photos of which some are not ready."""
    plain: list[dict[str, Any]] = [
        {"reserve_price": Decimal(1500), "latitude": Decimal("42.652600"), "longitude": Decimal("-73.756200")},
        {"buy_now_price": Decimal("4000.50"), "description": 'Two "owners",\n\\ ünd 🚗 </script>\x7f'},
        {"vin": None, "trim": "EX-L", "submitted_at": timezone.now(), "has_keys": False},
        # Of an auction that is over: it was not sold.
        {"auction": AuctionFactory(listing_fields={"status": "active", "seller": sellers[1]})},
    ]
    auctions: list[dict[str, Any]] = [
        {}, {"reserve_price": Decimal(1200)}, {"reserve_price": Decimal(5000), "buy_now_price": Decimal(9000)},
        {"status": "scheduled", "buy_now_price": Decimal(2000)},
    ]  # fmt: skip
    made = [ListingFactory(seller=sellers[number % 3], **fields) for number, fields in enumerate(plain)]
    for number, fields in enumerate(auctions):
        auction = AuctionFactory(
            ends_at=timezone.now() + timedelta(hours=2 + number),
            listing_fields={"seller": sellers[number % 3], "make": "Kia", "reserve_price": Decimal(3000)},
            **fields,
        )
        if auction.status == "live":
            place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1300"))
        made.append(auction.listing)
    for number, listing in enumerate(made):
        for position in range(number % 4):
            add_photo(listing, position=3 - position, status="processing" if position == 1 else "ready")
    return made


@pytest.fixture
def people(as_user: Any, make_user: Any, sellers: list[User], listings: list[Listing]) -> list[APIClient]:
    """Nobody, the sellers, a moderator, who sees all of all, and a stranger."""
    return [APIClient(), *map(as_user, [*sellers, make_user(roles=["moderator"]), make_user()])]


@pytest.mark.parametrize("query", ["limit=2", "limit=2&page=2", "count=none", *EVERY_QUERY])
def test_everybody_gets_the_same_listings_by_both_paths(people: list[APIClient], query: str) -> None:
    for client in people:
        assert_same(client, f"{URL}?{query}")


@pytest.mark.parametrize("order", ORDERS)
def test_a_walk_is_the_same_too(people: list[APIClient], order: str) -> None:
    for client in (people[0], people[1]):
        assert walk(client, f"{URL}?cursor=*&limit=4&ordering={order}") >= 3


def test_what_is_a_sellers_own_stands_in_the_own_rows_alone(
    people: list[APIClient], sellers: list[User], listings: list[Listing]
) -> None:
    """Whoever asked first, by the page and by the cursor."""
    of_seller = {listing.pk: listing.seller_id for listing in listings}
    viewers = [None, *(seller.pk for seller in sellers), "moderator", None]
    for url in (URL, f"{URL}?cursor=*"):
        for client, viewer in [*zip(people, viewers, strict=True)] * 2:
            for row in fast_way(client, url).json()["results"]:
                expected = viewer == "moderator" or viewer == of_seller.get(row["id"], sellers[1].pk)
                assert {name in row for name in PRIVATE} == {expected}, (url, viewer, row["id"])


def test_photos_come_in_their_order_and_only_when_ready(people: list[APIClient], listings: list[Listing]) -> None:
    rows = {row["id"]: row for row in fast_way(people[0], URL).json()["results"]}
    shown = [[image["position"] for image in rows[listing.pk]["images"]] for listing in listings[:4]]
    assert shown == [[], [3], [3], [1, 3]]


def test_an_auction_that_did_not_sell_is_not_shown(people: list[APIClient], listings: list[Listing]) -> None:
    rows = {row["id"]: row for row in fast_way(people[0], URL).json()["results"]}
    assert Listing.objects.get(pk=listings[3].pk).auction is not None
    assert rows[listings[3].pk]["auction"] is None
    assert rows[listings[4].pk]["auction"]["id"] == Auction.objects.get(listing=listings[4]).pk


def test_another_price_takes_the_same_statement(people: list[APIClient]) -> None:
    for query in (
        "min_price=1",
        "min_price=2.50",
        "ends_before=2099-01-01T00:00:00Z",
        "ends_before=2098-01-01T00:00:00Z",
    ):
        assert_same(people[0], f"{URL}?{query}")
    assert len(fastlist._plans) == 2


def test_a_list_is_one_statement(people: list[APIClient], django_assert_num_queries: Any) -> None:
    for client, number in ((people[0], 1), (people[1], 2)):
        client.get(URL)
        with django_assert_num_queries(number):
            client.get(URL)


def test_rows_with_other_members_are_for_lists_only() -> None:
    with pytest.raises(ImproperlyConfigured, match="ListingSerializer has members that not all rows have"):
        json_rows(ListingSerializer(), Listing.objects.all())
