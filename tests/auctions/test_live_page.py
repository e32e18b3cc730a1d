"""The page of a live auction, as the server makes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from auctions.models import Auction, ListingImage
from auctions.services.bids import place_bid
from tests.auctions.factories import AuctionFactory, BidderFactory

pytestmark = pytest.mark.django_db


def page_of(auction: Auction, user: User | None = None) -> Any:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(reverse("auction-live", args=[auction.pk]))


def test_everybody_reads_how_it_stands_and_nobody_the_secrets() -> None:
    auction = AuctionFactory(reserve_price="4321.00")
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=1777)
    answer = page_of(auction)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "2018 Honda Accord" in text
    assert "1,777.00" in text
    assert "Reserve not met" in text
    assert "Sign in to bid" in text
    assert "4321" not in text
    assert "4,321" not in text
    assert "<form" not in text


def test_a_bidder_reads_the_own_maximum_and_the_others_do_not() -> None:
    auction = AuctionFactory()
    one, two = BidderFactory(), BidderFactory()
    place_bid(user_id=one.pk, auction_id=auction.pk, amount=5555)
    place_bid(user_id=two.pk, auction_id=auction.pk, amount=1500)
    leads, lost = page_of(auction, one).content.decode(), page_of(auction, two).content.decode()
    assert "You lead." in leads
    assert "5,555.00" in leads
    assert "You were outbid." in lost
    assert "5,555.00" not in lost


def test_sellers_are_offered_no_bid() -> None:
    auction = AuctionFactory()
    assert '<form id="bid"' not in page_of(auction, auction.seller).content.decode()


def test_its_policy_lets_nothing_foreign_in() -> None:
    policy = page_of(AuctionFactory())["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_first_photo_is_shown() -> None:
    auction = AuctionFactory()
    shown = ListingImage.objects.create(
        id="6f0c8a3e-6a55-4c0e-9d6f-3b1f6f1a2b3c", listing=auction.listing, key="a.jpg", content_type="image/jpeg",
        size=1, position=1, is_primary=True, status="ready",
    )  # fmt: skip
    path = f"/api/vehicles/{auction.listing_id}/images/{shown.pk}/file?size=large"
    assert f'<img src="{path}"' in page_of(auction).content.decode()


def test_what_is_not_there_and_what_is_hidden_are_one_page() -> None:
    auction = AuctionFactory()
    type(auction.listing).objects.update(status="suspended")
    hidden, absent = page_of(auction), Client().get("/auctions/4711/live")
    assert (hidden.status_code, hidden.content) == (404, absent.content)
    assert page_of(auction, auction.seller).status_code == 200


@pytest.mark.parametrize("bids", [0, 12])
def test_the_page_costs_the_same_however_many_bid(django_assert_max_num_queries: Any, bids: int) -> None:
    auction = AuctionFactory()
    for number in range(bids):
        place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=1000 + 100 * number)
    with django_assert_max_num_queries(3):
        assert page_of(auction).status_code == 200


def test_requests_are_limited(settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "1/minute"}
    auction = AuctionFactory()
    assert [page_of(auction).status_code for _ in range(2)] == [200, 429]


def test_whoever_is_signed_in_stays_so_under_the_limits(settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "1/day"}
    auction, bidder = AuctionFactory(), BidderFactory()
    for text in [page_of(auction, bidder).content.decode() for _ in range(2)]:
        assert bidder.email in text
        assert '<form id="bid"' in text


def test_a_session_bids_with_the_header_and_not_without() -> None:
    """Looking for the token in the body would take it from the view."""
    auction, careful = AuctionFactory(), Client(enforce_csrf_checks=True)
    careful.force_login(BidderFactory())
    path = reverse("auction-live", args=[auction.pk])
    token = careful.get(path).cookies["csrftoken"].value
    bid = {"path": f"/api/auctions/{auction.pk}/bids", "data": {"amount": "1500"}, "content_type": "application/json"}
    assert careful.post(**bid).status_code == 403
    assert careful.post(**bid, headers={"X-CSRFToken": token}).status_code == 201
