"""Receipts: what a bidder committed to, with the salts that prove it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Listing
from auctions.services.bids import buy_now
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid, closed

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


def receipts(client: APIClient, auction: Auction) -> Any:
    return client.get(f"/api/auctions/{auction.pk}/receipts")


def test_a_bidder_reads_the_own_salts_and_nobody_elses(as_user: SignIn) -> None:
    auction, (ann, bob) = AuctionFactory(), BidderFactory.create_batch(2)
    mine = [bid(auction, ann, "1500"), bid(auction, ann, "1700")]
    bid(auction, bob, "2000")
    bid(AuctionFactory(), ann, "9000")
    rows = receipts(as_user(ann), auction).json()["results"]
    assert [(row["bid"], row["amount"]) for row in rows] == [(str(mine[0]), "1500.00"), (str(mine[1]), "1700.00")]
    assert set(rows[0]) == {"bid", "kind", "amount", "salt", "text", "commitment", "placed_at"}
    assert receipts(as_user(auction.seller), auction).json()["results"] == []


def test_the_text_is_what_was_committed(as_user: SignIn) -> None:
    auction, ann = AuctionFactory(), BidderFactory()
    bid(auction, ann, "1500.5")
    row = receipts(as_user(ann), auction).json()["results"][0]
    assert row["text"] == f"{row['salt']}|{ann.pk}|1500.50|"
    assert hashlib.sha256(row["text"].encode()).hexdigest() == row["commitment"]


def test_after_the_end_the_receipt_is_found_in_the_published_log(as_user: SignIn) -> None:
    auction, ann = AuctionFactory(), BidderFactory()
    bid(auction, ann, "1500")
    row = receipts(as_user(ann), auction).json()["results"][0]
    closed(auction)
    published = APIClient().get(f"/api/auctions/{auction.pk}/audit").json()["rows"]
    assert [one["alias"] for one in published if one["commitment"] == row["commitment"]] == ["Bidder 1"]


def test_before_the_end_no_numbering_of_the_log_is_shown(as_user: SignIn) -> None:
    """A rival could count silent raises by it."""
    auction, (ann, bob) = AuctionFactory(), BidderFactory.create_batch(2)
    bid(auction, bob, "1100")
    before = receipts(as_user(bob), auction).json()
    bid(auction, ann, "3000")
    bid(auction, ann, "5000")
    assert receipts(as_user(bob), auction).json() == before


def test_a_purchase_at_once_has_a_receipt_too(as_user: SignIn) -> None:
    auction, ann = AuctionFactory(buy_now_price=5000), BidderFactory()
    buy_now(user_id=ann.pk, auction_id=auction.pk)
    rows = receipts(as_user(ann), auction).json()["results"]
    assert [(row["kind"], row["amount"]) for row in rows] == [("buy_now", "5000.00")]


def test_receipts_take_a_sign_in_and_an_auction_that_one_may_see(as_user: SignIn) -> None:
    auction = AuctionFactory()
    assert receipts(APIClient(), auction).status_code == 401
    closed(auction)
    Listing.objects.filter(pk=auction.listing_id).update(status=Listing.Status.ARCHIVED)
    assert receipts(as_user(BidderFactory()), auction).status_code == 404


def test_long_lists_of_receipts_are_read_page_by_page(as_user: SignIn, django_assert_max_num_queries: Any) -> None:
    auction, ann = AuctionFactory(), BidderFactory()
    for amount in range(1100, 1125):
        bid(auction, ann, str(amount))
    client = as_user(ann)
    with django_assert_max_num_queries(4):
        page = receipts(client, auction).json()
    rest = client.get(page["next"]).json()["results"]
    assert len({row["bid"] for row in page["results"] + rest}) == 25
