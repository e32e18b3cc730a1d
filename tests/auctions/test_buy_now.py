"""POST /api/auctions/{id}/buy-now: when it is there, who may, and what it makes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, AuctionBidder, Listing, Order
from auctions.services.bids import place_bid
from tests.answers import error, refused
from tests.auctions.factories import AuctionFactory, BidderFactory, OrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def auction(db: None) -> Auction:
    return AuctionFactory(buy_now_price=Decimal(8000))


@pytest.fixture
def buyer(db: None) -> User:
    return BidderFactory()


@pytest.fixture
def client(as_user: Any, buyer: User) -> APIClient:
    return as_user(buyer)


def path(auction: Auction) -> str:
    return f"/api/auctions/{auction.pk}/buy-now"


def bid(auction: Auction, amount: int) -> None:
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount))


def test_buying_ends_the_auction_and_makes_the_order(client: APIClient, auction: Auction, buyer: User) -> None:
    answer = client.post(path(auction))
    assert answer.status_code == 201, answer.content
    order = Order.objects.get()
    assert answer.json() == {
        "order": order.pk,
        "order_number": order.order_number,
        "auction": auction.pk,
        "listing": auction.listing_id,
        "hammer_price": "8000.00",
        "currency": "USD",
        "status": "awaiting_payment",
    }
    auction.refresh_from_db()
    assert (order.buyer, order.seller, auction.status, auction.leader) == (buyer, auction.seller, "bought_now", buyer)
    assert (auction.price, auction.bid_count, auction.closed_at is None) == (Decimal(8000), 0, False)
    assert Listing.objects.get(pk=auction.listing_id).status == "pending_sale"


def test_the_log_and_the_stream_tell_of_it_once(client: APIClient, auction: Auction, buyer: User) -> None:
    client.post(path(auction))
    entry = auction.log.get(kind="buy_now")
    assert (entry.bidder, entry.amount, entry.price, entry.alias) == (buyer, Decimal(8000), Decimal(8000), "Bidder 1")
    events = list(auction.events.order_by("seq").values_list("kind", "status", "alias", "price"))
    assert events[1:] == [("closed", "bought_now", "Bidder 1", Decimal(8000))]
    assert AuctionBidder.objects.get().maximum == Decimal(8000)


def test_who_bid_before_keeps_the_alias(client: APIClient, auction: Auction, buyer: User) -> None:
    Auction.objects.update(reserve_price=Decimal(5000), original_reserve_price=Decimal(5000))
    bid(auction, 1000)
    place_bid(user_id=buyer.pk, auction_id=auction.pk, amount=Decimal(2000))
    assert client.post(path(auction)).status_code == 201
    auction.refresh_from_db()
    assert (auction.leader_alias, auction.bidder_count) == ("Bidder 2", 2)


@pytest.mark.parametrize(
    ("reserve", "amount", "status"), [(None, 1000, 409), (5000, 4999, 201), (5000, 5000, 409), (5000, 9000, 409)]
)
def test_it_goes_with_the_first_bid_or_with_the_reserve(
    client: APIClient, reserve: int | None, amount: int, status: int
) -> None:
    auction = AuctionFactory(buy_now_price=Decimal(8000), reserve_price=reserve and Decimal(reserve))
    bid(auction, amount)
    answer = client.post(path(auction))
    assert answer.status_code == status
    if status == 409:
        assert refused(answer) == (409, "buy_now_unavailable")
        assert not Order.objects.exists()


def test_a_maximum_as_high_buys_nothing(auction: Auction) -> None:
    bid(auction, 9000)
    auction.refresh_from_db()
    assert (auction.status, auction.price) == ("live", Decimal(1000))


def test_refusals_come_in_their_order(as_user: Any) -> None:
    """Each step mends what was refused before, and meets the next refusal."""
    auction = AuctionFactory(ends_at=timezone.now() - timedelta(seconds=5))
    seller, user = as_user(auction.seller), BidderFactory(payment_reference="", bid_limit=7000)
    client = as_user(user)
    assert seller.post(path(auction), {"amount": 1}).status_code == 400
    assert refused(seller.post("/api/auctions/987654/buy-now")) == (404, "not_found")
    assert refused(seller.post(path(auction))) == (409, "auction_ended")
    Auction.objects.update(ends_at=timezone.now() + timedelta(hours=1))
    assert refused(seller.post(path(auction))) == (403, "seller_cannot_bid")
    answer = client.post(path(auction))
    assert (refused(answer), error(answer)["meta"]) == ((403, "not_eligible"), {"missing": ["payment_profile"]})
    User.objects.filter(pk=user.pk).update(payment_reference="pm_9")
    assert refused(client.post(path(auction))) == (409, "buy_now_unavailable")
    Auction.objects.update(buy_now_price=Decimal(7000))
    OrderFactory(buyer=user, hammer_price=Decimal("0.01"))
    assert refused(client.post(path(auction))) == (409, "bid_limit_exceeded")
    Order.objects.update(status="paid", paid_at=timezone.now())
    assert client.post(path(auction)).status_code == 201


def test_nobody_buys_twice_or_after_another(client: APIClient, as_user: Any, auction: Auction) -> None:
    assert client.post(path(auction)).status_code == 201
    assert refused(client.post(path(auction))) == (409, "auction_not_live")
    assert refused(as_user(BidderFactory()).post(path(auction))) == (409, "auction_not_live")
    assert Order.objects.count() == 1


def test_a_purchase_that_is_sent_again_is_answered_again(client: APIClient, auction: Auction) -> None:
    first, again = (client.post(path(auction), HTTP_IDEMPOTENCY_KEY="buy-1") for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())


def test_a_due_auction_is_opened_by_its_buyer(client: APIClient) -> None:
    auction = AuctionFactory(status="scheduled", buy_now_price=Decimal(8000), starts_at=timezone.now())
    assert client.post(path(auction)).status_code == 201
    assert list(auction.log.values_list("kind", flat=True)) == ["opened", "buy_now"]


def test_before_the_start_nobody_buys(client: APIClient) -> None:
    auction = AuctionFactory(status="scheduled", buy_now_price=Decimal(8000))
    assert refused(client.post(path(auction))) == (409, "auction_not_live")


def test_nobody_buys_without_signing_in_and_staff_need_the_profile(
    api: APIClient, as_user: Any, make_user: Any, auction: Auction
) -> None:
    assert api.post(path(auction)).status_code == 401
    for role in ("moderator", "finance"):
        assert refused(as_user(make_user(roles=[role])).post(path(auction))) == (403, "not_eligible")


def test_a_purchase_costs_a_fixed_number_of_queries(client: APIClient, auction: Auction) -> None:
    with CaptureQueriesContext(connection) as made:
        assert client.post(path(auction)).status_code == 201
    assert len(made) - 1 <= 20, [str(query["sql"])[:100] for query in made]
