"""POST /api/auctions: who may schedule which auction, on which terms."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.increments import MOST_AMOUNT
from auctions.models import Auction, Listing, ListingEvent
from auctions.services import auctions
from tests.auctions.factories import AuctionFactory, ListingFactory

pytestmark = pytest.mark.django_db

URL = "/api/auctions"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def listing(user: User) -> Listing:
    return ListingFactory(seller=user)


def terms(listing: Listing, *, begin: float = 60, minutes: float = 60, **more: Any) -> dict[str, Any]:
    """A body: from `begin` minutes from now, for so many minutes."""
    starts_at = timezone.now() + timedelta(minutes=begin)
    times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=minutes)}
    return {"listing": listing.pk} | {name: time.isoformat() for name, time in times.items()} | more


def refused(answer: Any) -> tuple[int, str, str | None]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["code"], error["attr"]


def test_a_seller_schedules_the_auction_of_an_active_listing(client: APIClient, listing: Listing) -> None:
    answer = client.post(URL, terms(listing))
    shown = answer.json()
    assert answer.status_code == 201
    assert answer["Location"].endswith(f"{URL}/{shown['id']}")
    facts = ("listing", "status", "is_open", "price", "min_next", "bid_count", "reserve_status", "event_seq")
    assert [shown[name] for name in facts] == [listing.pk, "scheduled", False, None, "1000.00", 0, "none", 0]
    assert shown["original_ends_at"] == shown["ends_at"]
    listing.refresh_from_db()
    assert (listing.status, listing.auction_id) == ("in_auction", shown["id"])
    assert ListingEvent.objects.get(listing=listing).new == "in_auction"
    again = client.get(f"{URL}/{shown['id']}")
    assert again["ETag"] == answer["ETag"]


def test_what_is_left_out_has_its_default(client: APIClient, listing: Listing, user: User) -> None:
    auction = Auction.objects.get(pk=client.post(URL, terms(listing)).json()["id"])
    assert (auction.soft_close_window_s, auction.soft_close_extension_s) == (120, 120)
    assert (auction.max_extensions, auction.hard_end, auction.buy_now_price, auction.increments) == (None,) * 4
    assert (auction.under_reserve, auction.seller, auction.created_by) == ("jump", user, user)


def test_the_terms_are_kept(client: APIClient, listing: Listing) -> None:
    tiers = [{"up_to": "500", "step": 25}, {"up_to": None, "step": "50.00"}]
    body = terms(listing, increments=tiers, soft_close_window_s=30, max_extensions=3, under_reserve="minimum")
    body |= {"soft_close_extension_s": 60, "hard_end": body["ends_at"], "buy_now": "2000"}
    auction = Auction.objects.get(pk=client.post(URL, body).json()["id"])
    assert auction.increments == [{"up_to": "500.00", "step": "25.00"}, {"up_to": None, "step": "50.00"}]
    assert (auction.soft_close_window_s, auction.soft_close_extension_s, auction.max_extensions) == (30, 60, 3)
    assert (auction.hard_end, auction.under_reserve) == (auction.ends_at, "minimum")
    assert auction.buy_now_price == 2000


def test_prices_come_from_the_listing(client: APIClient, user: User) -> None:
    prices = {"reserve_price": Decimal(2000), "buy_now_price": Decimal(3000)}
    answer = client.post(URL, terms(ListingFactory(seller=user, **prices)))
    auction = Auction.objects.get(pk=answer.json()["id"])
    assert (answer.json()["buy_now"], answer.json()["reserve_status"]) == ("3000.00", "not_met")
    assert (auction.reserve_price, auction.original_reserve_price, auction.buy_now_price) == (2000, 2000, 3000)
    assert b"2000.00" not in answer.content


def test_null_offers_no_price_to_buy_at_once(client: APIClient, user: User) -> None:
    listing = ListingFactory(seller=user, buy_now_price=Decimal(3000))
    assert client.post(URL, terms(listing, buy_now=None)).json()["buy_now"] is None


def test_a_start_a_moment_ago_counts_as_now(client: APIClient, listing: Listing) -> None:
    assert client.post(URL, terms(listing, begin=-4)).json()["is_open"] is True


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"begin": -6}, (422, "start_in_past", "starts_at")),
        ({"minutes": 0}, (422, "end_before_start", "ends_at")),
        ({"begin": -4, "minutes": 3}, (422, "end_before_start", "ends_at")),
        ({"minutes": 0.05}, (422, "too_short", "ends_at")),
        ({"minutes": 30 * 24 * 60 + 1}, (422, "too_long", "ends_at")),
        ({"hard_end": "2020-01-01T00:00:00Z"}, (422, "hard_end_before_end", "hard_end")),
        ({"buy_now": "1500.00"}, (422, "buy_now_not_above_reserve", "buy_now")),
        ({"buy_now": "999.99"}, (422, "buy_now_below_start", "buy_now")),
        ({"buy_now": "1000000000.00"}, (422, "out_of_range", "buy_now")),
        ({"increments": [{"up_to": "5", "step": "1"}]}, (422, "last_tier_not_open", "increments.0.up_to")),
        ({"increments": []}, (400, "empty", "increments.non_field_errors")),
        ({"increments": [{"up_to": None, "step": "0"}]}, (422, "out_of_range", "increments.0.step")),
        ({"soft_close_window_s": -1}, (400, "min_value", "soft_close_window_s")),
        ({"under_reserve": "hide"}, (400, "invalid_choice", "under_reserve")),
        ({"buy_now": "2000.001"}, (400, "invalid", "buy_now")),
        ({"reserve_price": "1"}, (400, "unknown_field", "reserve_price")),
        ({"listing": Listing(pk=2**62)}, (422, "does_not_exist", "listing")),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    client: APIClient, user: User, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    listing = ListingFactory(seller=user, reserve_price=Decimal(1500))
    assert refused(client.post(URL, terms(**{"listing": listing} | change))) == expected
    assert not Auction.objects.exists()


def test_thirty_days_and_the_shortest_duration_are_allowed(client: APIClient, user: User) -> None:
    for minutes in (30 * 24 * 60, 5 / 60):
        assert client.post(URL, terms(ListingFactory(seller=user), minutes=minutes)).status_code == 201


@pytest.mark.parametrize("status", ["draft", "pending_review", "pending_sale", "sold", "suspended", "archived"])
def test_a_listing_that_is_not_active_is_not_auctioned(client: APIClient, user: User, status: str) -> None:
    answer = client.post(URL, terms(ListingFactory(seller=user, status=status)))
    assert refused(answer) == (409, "invalid_transition", None)
    assert answer.json()["errors"][0]["meta"]["from"] == status


@pytest.mark.parametrize("status", ["scheduled", "live"])
def test_a_listing_has_one_auction_that_is_not_over(client: APIClient, user: User, status: str) -> None:
    auction = AuctionFactory(status=status, listing=ListingFactory(seller=user))
    answer = client.post(URL, terms(auction.listing))
    assert refused(answer) == (409, "auction_exists", "listing")
    assert answer.json()["errors"][0]["meta"] == {"auction": auction.pk}


def test_the_constraint_refuses_a_second_auction_whatever_the_listing_says(client: APIClient, user: User) -> None:
    auction = AuctionFactory(listing=ListingFactory(seller=user))
    Listing.objects.filter(pk=auction.listing_id).update(status="active")
    assert refused(client.post(URL, terms(auction.listing))) == (409, "auction_exists", "listing")


@pytest.mark.parametrize("name", ["starting_price", "reserve_price", "buy_now_price"])
def test_a_listing_from_before_prices_had_a_bound_is_not_auctioned_above_it(
    client: APIClient, listing: Listing, name: str
) -> None:
    prices = dict.fromkeys(("starting_price", "reserve_price", "buy_now_price")) | {"starting_price": 1000}
    Listing.objects.filter(pk=listing.pk).update(**prices | {name: MOST_AMOUNT + 1})
    assert refused(client.post(URL, terms(listing))) == (422, "price_too_high", "listing")
    Listing.objects.filter(pk=listing.pk).update(**prices | {name: MOST_AMOUNT})
    assert client.post(URL, terms(listing)).status_code == 201


def test_other_constraints_are_not_taken_for_a_second_auction(user: User, listing: Listing) -> None:
    now = timezone.now()
    with pytest.raises(IntegrityError, match="auction_starts_above_zero"):
        auctions._insert(
            Auction(
                listing=listing,
                seller=user,
                currency="USD",
                starting_price=Decimal(0),
                starts_at=now,
                ends_at=now + timedelta(hours=1),
                original_ends_at=now + timedelta(hours=1),
            )
        )


def test_strangers_learn_nothing_of_the_listing(as_user: Any, other_user: User, listing: Listing) -> None:
    hidden = ListingFactory(status="draft")
    for target in (listing, hidden):
        assert refused(as_user(other_user).post(URL, terms(target))) == (422, "does_not_exist", "listing")


def test_anonymous_callers_are_asked_to_sign_in(api: APIClient, listing: Listing) -> None:
    assert api.post(URL, terms(listing)).status_code == 401


def test_moderators_schedule_for_a_seller_and_other_staff_does_not(
    as_user: Any, make_user: Any, user: User, listing: Listing
) -> None:
    finance, moderator = make_user(roles=["finance"]), make_user(roles=["moderator"])
    assert refused(as_user(finance).post(URL, terms(listing)))[:2] == (422, "does_not_exist")
    assert as_user(moderator).post(URL, terms(listing)).status_code == 201
    auction = Auction.objects.get()
    assert (auction.seller, auction.created_by) == (user, moderator)


def test_who_may_not_see_reserves_cannot_find_one_by_refusals(as_user: Any, make_user: Any, listing: Listing) -> None:
    half = make_user(perms=["auctions.moderate_auction"])
    assert refused(as_user(half).post(URL, terms(listing, buy_now="1.00"))) == (422, "does_not_exist", "listing")


def test_the_same_key_schedules_once(client: APIClient, listing: Listing) -> None:
    body = terms(listing)
    first, second = (client.post(URL, body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
