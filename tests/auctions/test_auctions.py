"""GET /api/auctions and /api/auctions/{id}: what everybody sees, what only some see, and what tags and filters tell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Listing
from auctions.models.listings import PUBLIC_DETAIL
from auctions.services.bids import place_bid
from tests.auctions.factories import AuctionFactory, BidderFactory

pytestmark = pytest.mark.django_db

URL = "/api/auctions"
MEMBERS = [
    "id", "listing", "status", "is_open", "starts_at", "ends_at", "original_ends_at", "price", "min_next", "bid_count",
    "reserve_status", "buy_now", "leader_alias", "your_alias", "your_max", "currency", "event_seq", "server_time",
]  # fmt: skip


def bid(auction: Auction, amount: int, bidder: User | None = None) -> User:
    bidder = bidder or BidderFactory()
    place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount))
    return bidder


def shown(client: APIClient, query: str = "") -> list[int]:
    answer = client.get(f"{URL}{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


# --- One auction


def test_everybody_reads_an_auction(api: APIClient) -> None:
    auction = AuctionFactory()
    answer = api.get(f"{URL}/{auction.pk}")
    assert answer.status_code == 200
    assert list(answer.json()) == MEMBERS
    facts = ("status", "is_open", "price", "min_next", "reserve_status", "buy_now", "leader_alias", "your_max")
    assert [answer.json()[name] for name in facts] == ["live", True, None, "1000.00", "none", None, None, None]


def test_what_is_ones_own_is_seen_by_its_owner_only(api: APIClient, as_user: Any, other_user: User) -> None:
    auction = AuctionFactory()
    first, second = bid(auction, 2000), bid(auction, 3000)
    own = [as_user(who).get(f"{URL}/{auction.pk}").json() for who in (first, second, other_user)]
    assert [(row["your_alias"], row["your_max"]) for row in own] == [
        ("Bidder 1", "2000.00"),
        ("Bidder 2", "3000.00"),
        (None, None),
    ]
    assert api.get(f"{URL}/{auction.pk}").json()["your_max"] is None
    assert {row["leader_alias"] for row in own} == {"Bidder 2"}


def test_no_secret_is_in_the_answer(api: APIClient, as_user: Any, make_user: Any) -> None:
    auction = AuctionFactory(reserve_price=Decimal("7777.00"), under_reserve="minimum")
    bid(auction, 6543)
    for client in (api, as_user(auction.seller), as_user(make_user(roles=["moderator"]))):
        for path in (f"{URL}/{auction.pk}", URL):
            content = client.get(path).content
            assert b"7777.00" not in content
            assert b"6543.00" not in content


def test_the_price_to_buy_at_once_goes_with_the_first_bid(api: APIClient) -> None:
    auction = AuctionFactory(buy_now_price=Decimal(5000))
    assert api.get(f"{URL}/{auction.pk}").json()["buy_now"] == "5000.00"
    bid(auction, 1000)
    assert api.get(f"{URL}/{auction.pk}").json()["buy_now"] is None


@pytest.mark.parametrize(
    ("begin", "end", "status", "is_open"),
    [(-60, 60, "scheduled", True), (60, 120, "scheduled", False), (-60, -1, "live", False), (-60, 60, "paused", False)],
)
def test_is_open_goes_by_the_clock_and_not_by_a_late_sweep(
    api: APIClient, begin: int, end: int, status: str, is_open: bool
) -> None:
    auction, now = AuctionFactory(), timezone.now()
    times = {"starts_at": now + timedelta(minutes=begin), "ends_at": now + timedelta(minutes=end)}
    Auction.objects.filter(pk=auction.pk).update(status=status, original_ends_at=times["ends_at"], **times)
    assert api.get(f"{URL}/{auction.pk}").json()["is_open"] is is_open


@pytest.mark.parametrize("status", sorted(set(Listing.Status.values) - set(PUBLIC_DETAIL)))
def test_an_auction_of_a_hidden_listing_is_for_its_seller_and_staff(
    api: APIClient, as_user: Any, make_user: Any, other_user: User, status: str
) -> None:
    auction = AuctionFactory()
    Listing.objects.filter(pk=auction.listing_id).update(status=status)
    insider = make_user(roles=["parking_manager"])
    ways = [f"{URL}/{auction.pk}", *(f"{URL}/{auction.pk}/{way}" for way in ("bids", "stream", "quote?amount=1000"))]
    for client in (api, as_user(other_user), as_user(insider)):
        answers = {client.get(path).status_code for path in (*ways, f"/auctions/{auction.pk}/live")}
        assert (answers, shown(client)) == ({404}, [])
        assert client.get(URL).json()["count"] == 0
    for client in (as_user(auction.seller), as_user(make_user(roles=["finance"]))):
        assert client.get(f"{URL}/{auction.pk}").status_code == 200
        assert shown(client) == [auction.pk]


@pytest.mark.parametrize("status", PUBLIC_DETAIL)
def test_an_auction_of_a_listing_that_everybody_sees_is_everybodys(api: APIClient, status: str) -> None:
    auction = AuctionFactory()
    Listing.objects.filter(pk=auction.listing_id).update(status=status)
    assert (api.get(f"{URL}/{auction.pk}").status_code, shown(api)) == (200, [auction.pk])


# --- The entity tag


def test_the_moment_of_the_answer_makes_no_new_version(api: APIClient) -> None:
    auction = AuctionFactory()
    first = api.get(f"{URL}/{auction.pk}")
    second = api.get(f"{URL}/{auction.pk}")
    assert first.json()["server_time"] < second.json()["server_time"]
    assert first["ETag"] == second["ETag"]
    again = api.get(f"{URL}/{auction.pk}", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


def test_a_public_bid_makes_a_new_version(api: APIClient) -> None:
    auction = AuctionFactory()
    first = api.get(f"{URL}/{auction.pk}")
    bid(auction, 1500)
    again = api.get(f"{URL}/{auction.pk}", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.json()["price"]) == (200, "1000.00")
    assert again["ETag"] != first["ETag"]


def test_a_silent_raise_is_a_new_version_for_nobody_but_its_bidder(api: APIClient, as_user: Any) -> None:
    auction = AuctionFactory()
    loser, leader = bid(auction, 1500), bid(auction, 3000)
    clients = [api, as_user(loser), as_user(auction.seller), as_user(leader)]
    before = [client.get(f"{URL}/{auction.pk}") for client in clients]
    bid(auction, 4000, leader)
    after = [client.get(f"{URL}/{auction.pk}") for client in clients]
    assert [a["ETag"] == b["ETag"] for a, b in zip(before, after, strict=True)] == [True, True, True, False]
    assert [answer.json()["event_seq"] for answer in before] == [answer.json()["event_seq"] for answer in after]


# --- The list


def test_the_list_is_public_and_begins_with_the_earliest_end(api: APIClient) -> None:
    now = timezone.now()
    late, soon = (AuctionFactory(ends_at=now + timedelta(hours=hours)) for hours in (9, 2))
    scheduled = AuctionFactory(status="scheduled")
    assert shown(api) == shown(api, "?ordering=ending_soon") == [soon.pk, late.pk, scheduled.pk]
    assert shown(api, "?ordering=newest") == [scheduled.pk, soon.pk, late.pk]
    assert shown(api, "?cursor=*&limit=2") == [soon.pk, late.pk]
    assert list(api.get(URL).json()["results"][0]) == MEMBERS


def test_the_list_is_filtered(api: APIClient) -> None:
    now = timezone.now()
    fields = {"make": "Land  Rover", "model": "Defender", "year": 2021}
    rover = AuctionFactory(listing_fields=fields, ends_at=now + timedelta(hours=2))
    honda = AuctionFactory(status="scheduled", listing_fields={"year": 2019})
    until, after = ((now + timedelta(hours=h)).isoformat().replace("+", "%2B") for h in (2, 3))
    assert shown(api, "?make=land rover") == shown(api, "?model=DEFENDER") == shown(api, "?status=live") == [rover.pk]
    assert shown(api, "?year_min=2020") == shown(api, "?year_min=2021&year_max=2021") == [rover.pk]
    assert shown(api, "?year_max=2020") == shown(api, f"?seller={honda.seller_id}") == [honda.pk]
    assert shown(api, f"?ends_before={until}") == []
    assert shown(api, f"?ends_before={after}") == [rover.pk]
    assert shown(api, f"?ends_before={after}&status=scheduled") == []
    assert api.get(f"{URL}?status=live").json()["count"] == 1


def test_prices_are_those_that_everybody_sees(api: APIClient) -> None:
    """Neither the reserve nor a maximum is found by asking for prices."""
    auction = AuctionFactory(reserve_price=Decimal(7000), under_reserve="minimum")
    fresh = AuctionFactory(starting_price=Decimal(1500), ends_at=timezone.now() + timedelta(hours=5))
    bid(auction, 2000), bid(auction, 5000)
    assert shown(api, "?min_price=2100&max_price=2100") == [auction.pk]
    assert shown(api, "?min_price=1500&max_price=1500") == [fresh.pk]
    assert shown(api, "?min_price=2100.01") == []
    assert shown(api, "?max_price=1499.99") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?status=open", "invalid"),
        ("?reserve_price=1", "unknown_parameter"),
        ("?ordering=reserve_price", "invalid"),
        ("?min_price=5&max_price=4", "invalid_range"),
        ("?year_min=2020&year_max=2019", "invalid_range"),
        ("?ends_before=tomorrow", "invalid"),
        ("?seller=0", "invalid"),
    ],
)
def test_parameters_that_are_none_are_refused(api: APIClient, query: str, code: str) -> None:
    answer = api.get(f"{URL}{query}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
    assert api.get(f"{URL}/{AuctionFactory().pk}?x=1").status_code == 400


def test_a_page_costs_the_same_queries_however_many_there_are(
    as_user: Any, api: APIClient, django_assert_max_num_queries: Any
) -> None:
    bidder = BidderFactory()
    client = as_user(bidder)
    first = AuctionFactory()
    bid(first, 1500, bidder)
    shown(client)
    with django_assert_max_num_queries(20) as one:
        shown(client)
    for auction in [AuctionFactory() for _ in range(19)]:
        bid(auction, 1500, bidder)
    with django_assert_max_num_queries(len(one)):
        rows = client.get(URL).json()["results"]
    assert [row["your_max"] for row in rows] == ["1500.00"] * 20
    with django_assert_max_num_queries(2):  # Rows and their number; who is not signed in has no bids of their own.
        assert len(shown(api)) == 20


def test_an_auction_costs_one_query_and_one_more_for_who_is_signed_in(
    api: APIClient, as_user: Any, user: User, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    auction, client = AuctionFactory(), as_user(user)
    with django_assert_num_queries(1):
        api.get(f"{URL}/{auction.pk}")
    with django_assert_max_num_queries(20) as elsewhere:  # What it costs to know who asks.
        client.get("/api/clock")
    with django_assert_max_num_queries(len(elsewhere) + 2):
        client.get(f"{URL}/{auction.pk}")
