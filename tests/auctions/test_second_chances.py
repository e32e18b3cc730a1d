"""What follows when an auction did not end in money: the highest bid as an offer to the seller whose reserve it
missed, and second chances for those who were outbid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, AuctionBidder, Listing, Offer, Order, SettlementEvent
from auctions.services import offers
from auctions.services.auctions import create_auction, lower_reserve
from auctions.services.audit import audit_auction
from auctions.services.bids import buy_now
from auctions.services.chances import make_offers
from auctions.services.corrections import void_bid
from auctions.services.listings import archive_listing
from auctions.services.moderation import suspend_listing
from auctions.services.offers import (
    NotYourTurn,
    accept_offer,
    counter_offer,
    decline_offer,
    expire_offers,
    withdraw_offer,
)
from auctions.services.orders import chase_orders
from auctions.services.sales import release_listing
from auctions.services.settling import lock_order, move
from auctions.services.states import lock_listing
from auctions.tasks import make_offers as make_offers_task
from common.errors import InvalidTransition
from common.sweeps import SweepResult
from tests.answers import refused
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory, OfferFactory
from tests.auctions.trust import bid, closed, planted

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
DAY = timedelta(seconds=settings.OFFER_TTL_S)
NOTHING, ONE = SweepResult(0, 0), SweepResult(1, 0)


def reread(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def missed(**fields: Any) -> Auction:
    """Closed at 3,000 for a reserve of 9,000."""
    auction = AuctionFactory(reserve_price=Decimal(9000), **fields)
    bid(auction, BidderFactory(), "2000")
    bid(auction, BidderFactory(), "3000")
    return closed(auction)


def swept(now: Any = None) -> SweepResult:
    return make_offers(now=now or timezone.now())


def negotiated(**fields: Any) -> Offer:
    """The offer that came of a missed reserve."""
    auction = missed(**fields)
    assert swept() == ONE
    return Offer.objects.get(auction=auction)


# --- The highest bid below the reserve ------------------------------------------------------------------------------


def test_the_highest_bid_becomes_an_offer_that_the_seller_decides_on() -> None:
    auction, now = missed(), timezone.now()
    assert swept(now) == ONE
    assert swept(now) == NOTHING
    offer = Offer.objects.get()
    assert (offer.kind, offer.status, offer.made_by, offer.amount) == ("if_bid", "pending", "buyer", Decimal(3000))
    assert (offer.buyer_id, offer.seller_id, offer.auction_id) == (auction.leader_id, auction.seller_id, auction.pk)
    assert offer.expires_at == now + DAY
    assert (reread(auction).status, reread(auction.listing).status) == ("negotiating", "in_auction")
    assert SettlementEvent.objects.get().actor is None
    assert audit_auction(auction.pk).problems == []


def test_the_job_does_it() -> None:
    missed()
    make_offers_task()
    assert Offer.objects.get().kind == "if_bid"


def test_accepting_it_sells_on_the_auctions_terms() -> None:
    offer = negotiated()
    accept_offer(offer_id=offer.pk, actor=offer.seller)
    order, auction = Order.objects.get(), reread(offer.auction)
    assert (order.auction, order.buyer, order.hammer_price) == (auction, offer.buyer, Decimal(3000))
    assert (order.fee_schedule, order.offer) == (auction.fee_schedule, offer)
    assert (auction.status, reread(offer.listing).status) == ("sold", "pending_sale")
    assert audit_auction(auction.pk).problems == []


def test_the_bid_binds_its_bidder(as_user: SignIn) -> None:
    offer = negotiated()
    assert refused(as_user(offer.buyer).post(f"/api/offers/{offer.pk}/withdraw")) == (409, "offer_binding")
    assert refused(as_user(offer.buyer).post(f"/api/offers/{offer.pk}/accept")) == (403, "not_your_turn")


@pytest.mark.parametrize("end", ["decline", "expire", "counter_declined", "counter_withdrawn", "counter_expires"])
def test_when_they_do_not_agree_the_listing_is_free_again(end: str) -> None:
    offer = negotiated()
    if end.startswith("counter"):
        offer = counter_offer(offer_id=offer.pk, actor=offer.seller, amount=Decimal(5000))
        assert reread(offer.auction).status == "negotiating"
    match end:
        case "decline":
            decline_offer(offer_id=offer.pk, actor=offer.seller)
        case "counter_declined":
            decline_offer(offer_id=offer.pk, actor=offer.buyer)
        case "counter_withdrawn":
            withdraw_offer(offer_id=offer.pk, actor=offer.seller)
        case _:
            assert expire_offers(now=offer.expires_at) == ONE
    assert (reread(offer.auction).status, reread(offer.listing).status) == ("unsold", "active")
    assert not Order.objects.exists()
    assert swept() == NOTHING
    assert audit_auction(offer.auction_id).problems == []


def test_a_counter_offer_is_another_price_for_the_same_auction() -> None:
    offer = negotiated()
    counter = counter_offer(offer_id=offer.pk, actor=offer.seller, amount=Decimal(5000))
    assert (counter.kind, counter.auction, counter.made_by) == ("if_bid", offer.auction, "seller")
    accept_offer(offer_id=counter.pk, actor=offer.buyer)
    order = Order.objects.get()
    assert (order.hammer_price, order.auction_id) == (Decimal(5000), offer.auction_id)
    assert reread(offer.auction).status == "sold"
    assert audit_auction(offer.auction_id).problems == []


def test_offers_from_before_the_bidding_fall() -> None:
    auction = missed()
    earlier = OfferFactory(listing=auction.listing, buyer=auction.leader)
    assert swept() == ONE
    assert reread(earlier).status == "superseded"
    assert Offer.objects.get(status="pending").kind == "if_bid"


def test_a_bidder_who_left_is_not_sold_to() -> None:
    auction = missed()
    User.objects.filter(pk=auction.leader_id).update(is_active=False)
    assert swept() == ONE
    assert (reread(auction).status, reread(auction.listing).status) == ("unsold", "active")
    assert not Offer.objects.exists()


@pytest.mark.parametrize("before", [True, False])
def test_a_listing_that_is_taken_off_ends_it_and_stays_off(before: bool, admin_user: User) -> None:
    auction = missed()
    if not before:
        assert swept() == ONE
    suspend_listing(listing=auction.listing, actor=admin_user, reason="Stolen.", now=timezone.now())
    assert swept() == (ONE if before else NOTHING)
    assert expire_offers(now=timezone.now()) == (NOTHING if before else ONE)
    assert (reread(auction).status, reread(auction.listing).status) == ("unsold", "suspended")
    assert {offer.status for offer in Offer.objects.all()} <= {"superseded"}


def test_what_was_sold_and_what_nobody_bid_for_is_left_alone() -> None:
    sold, empty = AuctionFactory(), AuctionFactory()
    bid(sold, BidderFactory(), "2000")
    for auction in (sold, empty):
        closed(auction)
    assert swept() == NOTHING


# --- Second chances -------------------------------------------------------------------------------------------------


@pytest.fixture
def people(db: None) -> list[User]:
    return BidderFactory.create_batch(4)


@pytest.fixture
def auction(people: list[User]) -> Auction:
    """Sold to the first at 4,100; the second said 4,000 and showed it, the third 3,500 of which 2,600 were seen, the
    fourth 2,500."""
    auction = AuctionFactory()
    first, second, third, fourth = people
    bid(auction, fourth, "2500")
    bid(auction, third, "3500")
    bid(auction, second, "4000")
    bid(auction, first, "6000")
    return closed(auction)


def lost(order: Order, status: str = "defaulted") -> Order:
    """It came to nothing, and its listing is free again."""
    now = timezone.now()
    with transaction.atomic():
        listing, order = lock_listing(order.listing_id), lock_order(order.pk)
        if status == "defaulted":
            move(order, "overdue", actor=None, now=now)
        move(order, status, actor=None, now=now)
        release_listing(order, listing, actor=None, now=now)
    return order


def chance() -> Offer:
    return Offer.objects.get(kind="second_chance", status="pending")


@pytest.mark.parametrize("status", ["defaulted", "cancelled"])
def test_the_next_bidder_is_asked_at_what_everybody_saw(status: str, auction: Auction, people: list[User]) -> None:
    order, now = lost(Order.objects.get(), status), timezone.now()
    assert swept(now) == ONE
    offer = chance()
    assert (offer.buyer, offer.seller_id, offer.made_by) == (people[1], auction.seller_id, "seller")
    assert (offer.auction, offer.expires_at) == (auction, now + DAY)
    shown = auction.events.filter(kind="bid", alias="Bidder 3").last()
    assert offer.amount == min(Decimal(4000), shown.price) == Decimal(3600)
    assert swept(now) == NOTHING  # One at a time.
    assert reread(order).chances_ended_at is None


def test_they_are_asked_by_rank_until_nobody_is_left(auction: Auction, people: list[User]) -> None:
    order, asked = lost(Order.objects.get()), []
    while swept() == ONE and reread(order).chances_ended_at is None:
        offer = chance()
        asked.append((offer.buyer, offer.amount))
        expire_offers(now=offer.expires_at)
    assert asked == [(people[1], Decimal(3600)), (people[2], Decimal(2600)), (people[3], Decimal(1000))]
    assert (reread(order).chances_ended_at is None, reread(auction.listing).status) == (False, "active")
    assert swept() == NOTHING


def test_accepting_sells_to_the_next_on_the_auctions_fees(auction: Auction, people: list[User]) -> None:
    order = lost(Order.objects.get())
    swept()
    offer = chance()
    accept_offer(offer_id=offer.pk, actor=people[1])
    second = Order.objects.latest("pk")
    assert (second.auction, second.buyer, second.hammer_price) == (auction, people[1], offer.amount)
    assert (second.offer, second.fee_schedule) == (offer, auction.fee_schedule)
    assert (reread(auction).status, reread(auction.listing).status) == ("sold", "pending_sale")
    assert swept() == ONE  # The first sale's chances are over.
    assert reread(order).chances_ended_at is not None
    assert audit_auction(auction.pk).problems == []


def test_when_the_second_sale_is_lost_too_the_third_is_asked(auction: Auction, people: list[User]) -> None:
    lost(Order.objects.get())
    swept()
    accept_offer(offer_id=chance().pk, actor=people[1])
    lost(Order.objects.latest("pk"))
    assert swept() == ONE
    assert chance().buyer == people[2]
    swept()
    assert Offer.objects.filter(kind="second_chance").count() == 2
    assert audit_auction(auction.pk).problems == []


def test_the_next_bidder_may_counter_and_the_seller_withdraw(auction: Auction, people: list[User]) -> None:
    order = lost(Order.objects.get())
    swept()
    counter = counter_offer(offer_id=chance().pk, actor=people[1], amount=Decimal(3000))
    assert swept() == NOTHING
    decline_offer(offer_id=counter.pk, actor=order.seller)
    assert reread(auction).status == "sold"
    assert swept() == ONE
    assert chance().buyer == people[2]
    withdraw_offer(offer_id=chance().pk, actor=order.seller)
    assert swept() == ONE
    assert chance().buyer == people[3]


def test_only_those_are_asked_whose_word_stands_and_who_are_still_here(auction: Auction, people: list[User]) -> None:
    AuctionBidder.objects.filter(user=people[1]).update(maximum=None)
    User.objects.filter(pk=people[2].pk).update(is_active=False)
    lost(Order.objects.get())
    swept()
    assert chance().buyer == people[3]


def test_of_equal_words_the_first_is_asked_first() -> None:
    auction = AuctionFactory()
    early, late = BidderFactory.create_batch(2)
    bid(auction, late, "1500")  # Came first, but said 3,000 later.
    bid(auction, early, "3000")
    bid(auction, late, "3000")
    bid(auction, BidderFactory(), "5000")
    closed(auction)
    lost(Order.objects.get())
    swept()
    assert chance().buyer == early


def test_a_silent_raise_whose_bid_was_voided_stands_for_itself(admin_user: User) -> None:
    auction = AuctionFactory(ends_at=timezone.now() + timedelta(days=2))
    loser = BidderFactory()
    shown = bid(auction, loser, "1500")
    bid(auction, loser, "2000")
    void_bid(bid_id=shown, actor=admin_user, reason="A slip.")
    bid(auction, BidderFactory(), "5000")
    closed(auction)
    lost(Order.objects.get())
    swept()
    assert (chance().buyer, chance().amount) == (loser, Decimal(2000))


def test_who_bought_at_once_and_did_not_pay_is_followed_by_the_bidders() -> None:
    auction = AuctionFactory(buy_now_price=Decimal(8000), reserve_price=Decimal(7000))
    bidder, buyer = BidderFactory.create_batch(2)
    bid(auction, bidder, "3000")
    buy_now(user_id=buyer.pk, auction_id=auction.pk)
    lost(Order.objects.get())
    swept()
    offer = chance()
    assert (offer.buyer, offer.amount, offer.made_by) == (bidder, Decimal(3000), "buyer")
    with pytest.raises(NotYourTurn):
        accept_offer(offer_id=offer.pk, actor=bidder)
    accept_offer(offer_id=offer.pk, actor=auction.seller)
    assert (Order.objects.latest("pk").buyer, Order.objects.latest("pk").hammer_price) == (bidder, Decimal(3000))
    assert audit_auction(auction.pk).problems == []


@pytest.mark.parametrize(
    ("reserve", "lowered", "made_by"),
    [(3000, False, "seller"), (3000.01, False, "buyer"), (3000.01, 3000, "seller"), (3000.01, None, "seller")],
)
def test_the_seller_is_asked_below_the_reserve_that_held_at_the_end(reserve: float, lowered: Any, made_by: str) -> None:
    auction = AuctionFactory(reserve_price=Decimal(str(reserve)))
    bid(auction, BidderFactory(), "3000")
    bid(auction, BidderFactory(), "5000")
    if lowered is not False:
        price = lowered and Decimal(lowered)
        lower_reserve(auction_id=auction.pk, actor=auction.seller, reserve_price=price)
    closed(auction)
    lost(Order.objects.get())
    swept()
    assert (chance().amount, chance().made_by) == (Decimal(3000), made_by)


def test_a_bidder_below_the_reserve_is_free_to_go_and_the_next_is_proposed() -> None:
    auction = AuctionFactory(buy_now_price=Decimal(8000), reserve_price=Decimal(7000))
    low, high, buyer = BidderFactory.create_batch(3)
    bid(auction, low, "2000")
    bid(auction, high, "3000")
    buy_now(user_id=buyer.pk, auction_id=auction.pk)
    lost(Order.objects.get())
    swept()
    withdraw_offer(offer_id=chance().pk, actor=high)
    swept()
    assert (chance().buyer, chance().made_by) == (low, "buyer")
    decline_offer(offer_id=chance().pk, actor=auction.seller)
    assert (swept(), Offer.objects.filter(status="pending").exists()) == (ONE, False)


def test_a_negotiated_sale_that_is_lost_goes_to_the_next_bidder() -> None:
    offer = negotiated()
    accept_offer(offer_id=offer.pk, actor=offer.seller)
    lost(Order.objects.get())
    swept()
    assert (chance().buyer == offer.buyer, chance().amount) == (False, Decimal(2000))
    accept_offer(offer_id=chance().pk, actor=chance().seller)
    assert audit_auction(offer.auction_id).problems == []


@pytest.mark.parametrize("where", ["auction", "archived", "suspended"])
def test_a_listing_that_went_another_way_ends_the_chances(where: str, auction: Auction, admin_user: User) -> None:
    order, now = lost(Order.objects.get()), timezone.now()
    listing = Listing.objects.get()
    match where:
        case "auction":
            data = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=9)}
            create_auction(listing_id=listing.pk, actor=listing.seller, data=data, now=now)
        case "archived":
            archive_listing(listing=listing, actor=listing.seller, now=now)
        case _:
            suspend_listing(listing=listing, actor=admin_user, reason="Stolen.", now=now)
    assert swept(now) == ONE
    assert reread(order).chances_ended_at == now
    assert not Offer.objects.exists()


def test_who_negotiates_already_is_not_asked_twice(auction: Auction, people: list[User]) -> None:
    lost(Order.objects.get())
    own = OfferFactory(listing=auction.listing, buyer=people[1])
    assert swept() == NOTHING
    decline_offer(offer_id=own.pk, actor=own.seller)
    assert swept() == ONE
    assert chance().buyer == people[1]


def test_sales_without_an_auction_and_refunded_ones_have_no_second_chance(auction: Auction) -> None:
    offer = OfferFactory()
    accept_offer(offer_id=offer.pk, actor=offer.seller)
    lost(Order.objects.latest("pk"))
    Order.objects.filter(auction=auction).update(status="refunded")
    assert swept() == NOTHING


# --- The audit ------------------------------------------------------------------------------------------------------


def problems(auction: Auction) -> set[tuple[str, str]]:
    return {(problem.code, problem.field) for problem in audit_auction(auction.pk).problems}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"hammer_price": Decimal(1)}, "hammer_price"), ({"offer": None}, "offer"), ({"currency": "EUR"}, "currency")],
)
def test_a_negotiated_order_that_is_not_its_offer_is_found(change: dict[str, Any], field: str) -> None:
    offer = negotiated()
    accept_offer(offer_id=offer.pk, actor=offer.seller)
    with planted():
        Order.objects.update(**change)
    assert problems(offer.auction) == {("order_differs", field)}


def test_a_negotiated_sale_without_an_order_and_an_order_without_a_sale_are_found() -> None:
    offer = negotiated()
    Auction.objects.update(status="sold")
    assert problems(offer.auction) == {("order_missing", "")}
    Auction.objects.update(status="negotiating")
    accept_offer(offer_id=offer.pk, actor=offer.seller)
    Auction.objects.update(status="unsold")
    assert problems(offer.auction) == {("order_without_sale", "")}


def test_a_second_sale_to_somebody_who_never_bid_is_found(auction: Auction, people: list[User]) -> None:
    lost(Order.objects.get())
    swept()
    accept_offer(offer_id=chance().pk, actor=people[1])
    stranger = BidderFactory()
    with planted():
        Order.objects.filter(buyer=people[1]).update(buyer=stranger)
    assert problems(auction) == {("order_differs", "buyer")}


def test_what_was_settled_once_is_not_settled_again() -> None:
    offer = negotiated()
    decline_offer(offer_id=offer.pk, actor=offer.seller)
    with pytest.raises(InvalidTransition):
        accept_offer(offer_id=offer.pk, actor=offer.seller)


def test_an_order_that_stays_unpaid_ends_in_a_second_chance(auction: Auction, people: list[User]) -> None:
    """By the sweeps alone."""
    order = Order.objects.get()
    chase_orders(now=order.payment_due_at)
    assert swept(order.payment_due_at) == NOTHING
    chase_orders(now=order.default_at)
    assert (reread(order).status, reread(auction.listing).status) == ("defaulted", "active")
    assert swept(order.default_at) == ONE
    assert chance().buyer == people[1]


@pytest.mark.parametrize("kind", Offer.Kind.values)
@pytest.mark.parametrize("where", ["active", "scheduled", "due", "live", "missed", "sold", "suspended"])
def test_the_sweep_and_the_services_mean_the_same_by_for_sale(kind: str, where: str) -> None:
    match where:
        case "missed":
            listing = negotiated().listing
        case "scheduled" | "due" | "live":
            listing = AuctionFactory(status="live" if where == "live" else "scheduled").listing
        case _:
            listing = ListingFactory(status=where)
    if where == "due":
        Auction.objects.update(starts_at=timezone.now())
    offer = OfferFactory(listing=listing, kind=kind, auction=Auction.objects.filter(listing=listing).first())
    now = timezone.now()
    found = Offer.objects.filter(offers._for_sale(now), pk=offer.pk).exists()
    with transaction.atomic():
        assert found == offers._is_for_sale(offers._lock_table(offer.pk, lambda: now))
    wanted = {"missed"} if kind == "if_bid" else {"active", "scheduled"}
    assert found == (where in wanted)
