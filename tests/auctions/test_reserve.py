"""POST /api/auctions/{id}/reserve: only down, with what follows for the price, and nothing told that is secret."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Listing, ListingEvent
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from tests.answers import refused
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory

pytestmark = pytest.mark.django_db

URL = "/api/auctions"


@pytest.fixture
def auction(user: User) -> Auction:
    """With a reserve of 5,000, whose price follows the bids alone."""
    listing = ListingFactory(seller=user, reserve_price=Decimal(5000))
    return AuctionFactory(listing=listing, reserve_price=Decimal(5000), under_reserve="minimum")


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    """The seller's."""
    return as_user(user)


def lower(client: APIClient, auction: Auction, reserve: Any) -> Any:
    answer = client.post(f"{URL}/{auction.pk}/reserve", {"reserve_price": reserve})
    auction.refresh_from_db()
    return answer


def bid(auction: Auction, amount: int) -> None:
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount))
    auction.refresh_from_db()


def event_kinds(auction: Auction) -> list[str]:
    return list(auction.events.order_by("seq").values_list("kind", flat=True))


def test_a_seller_lowers_the_reserve_and_nobody_else_learns_how_far(client: APIClient, auction: Auction) -> None:
    bid(auction, 1500)
    answer = lower(client, auction, "4000.00")
    assert (answer.status_code, answer.json()["reserve_status"], answer.json()["price"]) == (200, "not_met", "1000.00")
    assert b"4000.00" not in answer.content
    assert (auction.reserve_price, auction.original_reserve_price) == (4000, 5000)
    assert event_kinds(auction) == ["opened", "bid"]
    entry = auction.log.last()
    assert (entry.kind, entry.amount, entry.actor_id) == ("reserve", 4000, auction.seller_id)


def test_the_public_version_stays_when_the_reserve_stays_unmet(
    api: APIClient, client: APIClient, auction: Auction
) -> None:
    before = api.get(f"{URL}/{auction.pk}")["ETag"]
    lower(client, auction, "4000.00")
    assert api.get(f"{URL}/{auction.pk}")["ETag"] == before


def test_the_listing_says_the_same_from_then_on(client: APIClient, auction: Auction) -> None:
    lower(client, auction, "4000.00")
    assert Listing.objects.get(pk=auction.listing_id).reserve_price == 4000
    event = ListingEvent.objects.get(listing_id=auction.listing_id)
    assert (event.kind, event.old, event.new, event.reason) == ("edited", "", "", "Changed: reserve_price.")


def test_the_price_rises_to_a_reserve_that_the_leader_reaches(client: APIClient, auction: Auction) -> None:
    bid(auction, 4500)
    answer = lower(client, auction, "4400.00")
    assert (answer.json()["price"], answer.json()["reserve_status"]) == ("4400.00", "met")
    assert event_kinds(auction) == ["opened", "bid", "reserve_met"]
    event = auction.events.last()
    assert (event.price, event.reserve_status, event.bid_count) == (4400, "met", 1)


def test_the_price_never_falls_to_a_reserve(client: APIClient, auction: Auction) -> None:
    bid(auction, 4500), bid(auction, 4300)
    assert lower(client, auction, "2000.00").json()["price"] == "4400.00"
    assert auction.reserve_status == "met"


def test_a_reserve_that_is_removed_stands_in_nobodys_way(client: APIClient, auction: Auction) -> None:
    bid(auction, 1500)
    answer = lower(client, auction, None)
    assert (answer.json()["price"], answer.json()["reserve_status"]) == ("1000.00", "none")
    assert event_kinds(auction)[-1] == "reserve_met"
    assert auction.log.last().amount is None
    ended = auction.ends_at + timedelta(seconds=1)
    assert close_auction(auction_id=auction.pk, clock=lambda: ended).status == "sold"


def test_before_the_first_bid_there_is_nothing_to_tell(client: APIClient, auction: Auction) -> None:
    assert lower(client, auction, None).json()["reserve_status"] == "none"
    assert event_kinds(auction) == ["opened"]


def test_a_reserve_that_is_met_already_is_not_met_again(client: APIClient, auction: Auction) -> None:
    bid(auction, 6000)
    lower(client, auction, "4000.00")
    assert event_kinds(auction) == ["opened", "bid", "reserve_met"]
    assert auction.price == 5000


@pytest.mark.parametrize("status", ["scheduled", "paused"])
def test_it_may_be_lowered_before_the_start_and_in_a_pause(client: APIClient, user: User, status: str) -> None:
    auction = AuctionFactory(
        listing=ListingFactory(seller=user),
        reserve_price=Decimal(5000),
        status="scheduled" if status == "scheduled" else "live",
    )
    Auction.objects.filter(pk=auction.pk).update(status=status)
    assert lower(client, auction, "4000").status_code == 200


@pytest.mark.parametrize("reserve", ["5000.00", "5000.01", "99999.00"])
def test_the_reserve_is_never_raised_or_repeated(client: APIClient, auction: Auction, reserve: str) -> None:
    answer = lower(client, auction, reserve)
    assert refused(answer) == (409, "reserve_only_down")
    assert "meta" not in answer.json()["errors"][0]
    assert (auction.reserve_price, auction.log.count()) == (5000, 1)


def test_where_there_is_none_none_can_be_set(client: APIClient, user: User) -> None:
    auction = AuctionFactory(listing=ListingFactory(seller=user))
    assert refused(lower(client, auction, "2000.00")) == (409, "reserve_only_down")
    assert refused(lower(client, auction, None)) == (409, "reserve_only_down")


@pytest.mark.parametrize(
    ("reserve", "expected"),
    [
        ("999.99", (422, "reserve_below_start")),
        ("0", (422, "out_of_range")),
        ("-1", (400, "invalid")),
        ("4000.001", (400, "invalid")),
        (True, (400, "invalid")),
    ],
)
def test_amounts_that_make_no_sense_are_refused(
    client: APIClient, auction: Auction, reserve: Any, expected: tuple[int, str]
) -> None:
    assert refused(lower(client, auction, reserve)) == expected
    assert refused(client.post(f"{URL}/{auction.pk}/reserve", {})) == (400, "required")


def test_once_the_end_has_come_the_reserve_decides_as_it_was(client: APIClient, auction: Auction) -> None:
    """However late the closer is: else a seller could choose the outcome."""
    bid(auction, 4500)
    now = timezone.now()
    Auction.objects.filter(pk=auction.pk).update(ends_at=now, original_ends_at=now)
    assert refused(lower(client, auction, "4400.00")) == (409, "auction_ended")
    close_auction(auction_id=auction.pk)
    assert refused(lower(client, auction, None)) == (409, "auction_ended")
    assert auction.status == "reserve_not_met"


def test_moderators_lower_it_and_nobody_else(as_user: Any, make_user: Any, other_user: User, auction: Auction) -> None:
    half = make_user(perms=["auctions.moderate_auction"])  # May not see reserves, so may not find one either.
    for who in (other_user, make_user(roles=["finance"]), half):
        assert lower(as_user(who), auction, "4000.00").status_code == 403
    assert lower(as_user(make_user(roles=["moderator"])), auction, "4000.00").status_code == 200


def test_others_see_no_reserve_of_the_listing(api: APIClient, as_user: Any, auction: Auction) -> None:
    for client in (api, as_user(BidderFactory())):
        assert b"5000.00" not in client.get(f"{URL}/{auction.pk}").content
