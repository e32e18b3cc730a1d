"""What staff do in the pages of auctions goes through the services; secrets stay with those who may read the log."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from auctions.models import Auction, Bid, Listing
from auctions.services.bids import place_bid
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
REASON = {"reason": "The photos show another car."}


@pytest.fixture
def moderator(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(roles=["moderator"]))
    return client


def page(model: type, name: str, pk: object) -> str:
    return reverse(f"admin:auctions_{model._meta.model_name}_{name}", args=[pk])


def test_a_listing_is_approved_from_the_queue(moderator: Client) -> None:
    listing = ListingFactory(status=Listing.Status.PENDING_REVIEW)
    queue = reverse("admin:auctions_listing_changelist")
    assert str(listing) in moderator.get(queue, {"status__exact": "pending_review"}).content.decode()
    moderator.post(queue, {"action": "approve_all", "_selected_action": [listing.pk]})
    listing.refresh_from_db()
    assert (listing.status, listing.events.get().new) == ("active", "active")


@pytest.mark.parametrize(("button", "status"), [("reject", "rejected"), ("request_changes", "changes_requested")])
def test_what_is_turned_down_says_why(moderator: Client, button: str, status: str) -> None:
    listing = ListingFactory(status=Listing.Status.PENDING_REVIEW)
    url = page(Listing, button, listing.pk)
    assert "Reason" in moderator.get(url).content.decode()
    assert moderator.post(url, {"reason": " "}).status_code == 200
    moderator.post(url, REASON)
    listing.refresh_from_db()
    assert (listing.status, listing.events.get().reason) == (status, REASON["reason"])


def test_an_auction_is_paused_and_goes_on(moderator: Client) -> None:
    auction = AuctionFactory()
    moderator.post(page(Auction, "pause", auction.pk), REASON)
    auction.refresh_from_db()
    assert auction.status == Auction.Status.PAUSED
    moderator.get(page(Auction, "resume", auction.pk))
    auction.refresh_from_db()
    assert auction.status == Auction.Status.LIVE


def test_a_bid_is_voided_and_the_log_still_proves_the_auction(moderator: Client) -> None:
    auction = AuctionFactory()
    for amount in ("1200.00", "1500.00"):
        place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount))
    moderator.post(page(Bid, "void", Bid.objects.get(amount="1500.00").pk), REASON)
    auction.refresh_from_db()
    assert (auction.price, auction.bid_count) == (Decimal("1000.00"), 1)
    answer = moderator.get(page(Auction, "verify", auction.pk), follow=True).content.decode()
    assert "Log, price and outcome agree." in answer


def test_an_auction_is_cancelled_with_a_reason(moderator: Client) -> None:
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1200.00"))
    moderator.post(page(Auction, "cancel", auction.pk), REASON)
    auction.refresh_from_db()
    assert auction.status == Auction.Status.CANCELLED


def test_finance_sees_auctions_without_reserve_and_maxima(client: Client, make_user: MakeUser) -> None:
    auction = AuctionFactory(reserve_price=Decimal("7777.13"), under_reserve="minimum")
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("6666.17"))
    client.force_login(make_user(roles=["finance"]))
    text = client.get(page(Auction, "change", auction.pk)).content.decode()
    assert "1000.00" in text
    assert "7777" not in text
    assert "6666" not in text
    assert client.get(reverse("admin:auctions_bid_changelist")).status_code == 403
    assert client.get(page(Auction, "pause", auction.pk)).status_code == 403


def test_the_home_shows_the_queue_and_the_auctions(moderator: Client) -> None:
    ListingFactory(status=Listing.Status.PENDING_REVIEW)
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1200.00"))
    home = moderator.get(reverse("admin:index")).content.decode()
    for text in (
        "Listings to review",
        "Live auctions",
        "Bids per hour",
        "Auctions ended, by day",
        "Seconds from the end",
    ):
        assert text in home
    assert "Vehicles parked" not in home
