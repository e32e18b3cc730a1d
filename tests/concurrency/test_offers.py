"""Those who decide on the same offer, or on two for the same listing, at the same moment; and deciding while an auction
opens, a bid is placed or the sweeps run. The clocks stand still where both outcomes are possible: only locks decide."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from auctions.models import Auction, Listing, Offer, Order
from auctions.services import chances, offers
from auctions.services.auctions import create_auction
from auctions.services.bids import BidAnswer, BidLimitExceeded, lock_bidder, place_bid
from auctions.services.chances import make_offers
from auctions.services.closing import close_auction, open_due
from auctions.services.offers import (
    NotForSale,
    OfferExists,
    accept_offer,
    counter_offer,
    create_offer,
    decline_offer,
    expire_offers,
    withdraw_offer,
)
from auctions.services.sales import release_listing
from auctions.services.settling import lock_order, move
from auctions.services.states import lock_listing
from common.errors import InvalidTransition
from common.sweeps import SweepResult
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory, OfferFactory
from tests.auctions.trust import bid, closed
from tests.concurrency.race import race
from tests.concurrency.test_parking_sweeps import wait_until_somebody_waits

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ROUNDS = 5
AT_ONCE = 6
ONE_SALE = ("order_live_listing", "order_live_auction")


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def accepting(offer: Offer, **clock: Any) -> Callable[[], Offer]:
    whose = offer.seller if offer.made_by == "buyer" else offer.buyer
    return partial(accept_offer, offer_id=offer.pk, actor=whose, **clock)


def countering(offer: Offer) -> Callable[[], Offer]:
    return partial(counter_offer, offer_id=offer.pk, actor=offer.seller, amount=Decimal(5000))


def statuses() -> Counter[str]:
    return Counter(Offer.objects.values_list("status", flat=True))


def types(results: list[Any]) -> Counter[type]:
    return Counter(type(result) for result in results)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are read and not locked, and two threads have read before either writes. Other offers stay as they are:
    two who supersede each other's would wait for one another."""
    both = threading.Barrier(2)

    def only_read(offer_id: int, clock: Callable[[], datetime]) -> offers.Table:
        offer = Offer.objects.select_related("listing", "auction").get(pk=offer_id)
        both.wait(timeout=30)
        return offers.Table(offer, offer.listing, offer.auction, clock())

    monkeypatch.setattr(offers, "_lock_table", only_read)
    monkeypatch.setattr(offers, "lock_bidder", lambda pk: User.objects.get(pk=pk))
    monkeypatch.setattr(offers, "supersede_pending", lambda *_rows, **_known: None)


@pytest.fixture
def unguarded(unlocked: None) -> Any:
    """And without the constraints that allow one sale of a listing."""
    removed = [constraint for constraint in Order._meta.constraints if constraint.name in ONE_SALE]
    with connection.schema_editor() as editor:
        for constraint in removed:
            editor.remove_constraint(Order, constraint)
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE auctions_auction, auctions_listing, auctions_order CASCADE")
    with connection.schema_editor() as editor:
        for constraint in removed:
            editor.add_constraint(Order, constraint)


# --- Accept by accept


def two_offers() -> tuple[Offer, Offer]:
    listing = ListingFactory()
    return OfferFactory(listing=listing), OfferFactory(listing=listing)


def test_of_many_offers_for_one_listing_one_is_accepted() -> None:
    for number in range(1, ROUNDS + 1):
        listing = ListingFactory()
        results = race([accepting(offer) for offer in OfferFactory.create_batch(AT_ONCE, listing=listing)])
        assert types(results) == {Offer: 1, InvalidTransition: AT_ONCE - 1}, results
        assert Order.objects.filter(listing=listing).count() == 1
        assert statuses() == {"accepted": number, "superseded": number * (AT_ONCE - 1)}


def test_without_the_lock_one_listing_is_sold_twice(unguarded: None) -> None:
    """The control."""
    results = race([accepting(offer) for offer in two_offers()])
    assert types(results) == {Offer: 2}, results
    assert Order.objects.count() == 2


def test_without_the_lock_the_constraint_still_refuses_the_second_sale(unlocked: None) -> None:
    results = race([accepting(offer) for offer in two_offers()])
    assert sum(isinstance(result, Offer) for result in results) == 1, results
    assert Order.objects.count() == 1


def test_accepting_one_offer_many_times_at_once_makes_one_order() -> None:
    offer = OfferFactory()
    results = race([accepting(offer)] * AT_ONCE)
    assert types(results) == {Offer: 1, InvalidTransition: AT_ONCE - 1}, results
    assert Order.objects.count() == 1


# --- Accept by the auction


def test_an_offer_is_accepted_or_the_auction_opens() -> None:
    outcomes = Counter[str]()
    for _ in range(ROUNDS):
        auction = AuctionFactory(status="scheduled")
        offer = OfferFactory(listing=auction.listing)
        before, start = at(auction.starts_at - timedelta(seconds=1)), auction.starts_at
        accepted, _ = results = race([accepting(offer, clock=before), partial(open_due, now=start)])
        status = Auction.objects.get(pk=auction.pk).status
        outcomes[status] += 1
        if isinstance(accepted, Offer):
            assert (status, Order.objects.filter(listing=auction.listing).count()) == ("cancelled", 1), results
        else:
            assert isinstance(accepted, NotForSale), results
            assert (status, Order.objects.filter(listing=auction.listing).count()) == ("live", 0)
    assert outcomes.total() == ROUNDS


def test_an_offer_is_accepted_or_the_first_bid_is() -> None:
    for _ in range(ROUNDS):
        auction = AuctionFactory(status="scheduled")
        offer = OfferFactory(listing=auction.listing)
        before, start = at(auction.starts_at - timedelta(seconds=1)), at(auction.starts_at)
        first_bid = partial(
            place_bid, user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(2000), clock=start
        )
        results = race([accepting(offer, clock=before), first_bid])
        assert isinstance(results[0], Offer) != isinstance(results[1], BidAnswer), results


def test_an_offer_and_the_close_sell_once() -> None:
    """The auction has run its whole time in between."""
    for _ in range(ROUNDS):
        auction = AuctionFactory(status="scheduled")
        offer = OfferFactory(listing=auction.listing)
        bid(auction, BidderFactory(), "2000", at=auction.starts_at)
        before, end = at(auction.starts_at - timedelta(seconds=1)), at(auction.ends_at)
        close = partial(close_auction, auction_id=auction.pk, clock=end)
        accepted, ended = results = race([accepting(offer, clock=before), close])
        assert isinstance(accepted, NotForSale), results
        assert (ended.status, Order.objects.get(listing=auction.listing).auction_id) == ("sold", auction.pk)


def test_without_the_lock_of_the_auction_it_is_sold_and_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: who accepts has seen an auction that has not begun, and it begins."""
    auction = AuctionFactory(status="scheduled")
    offer = OfferFactory(listing=auction.listing)
    seen, opened = threading.Event(), threading.Event()

    def only_read(pk: int) -> Auction:
        row = Auction.objects.get(pk=pk)
        seen.set()
        assert opened.wait(timeout=30)
        return row

    def open_after() -> SweepResult:
        assert seen.wait(timeout=30)
        result = open_due(now=auction.starts_at)
        opened.set()
        return result

    monkeypatch.setattr(offers, "lock_auction", only_read)
    monkeypatch.setattr(offers, "cancel_open_auction", lambda **_known: None)  # It would look under its own lock.
    before = at(auction.starts_at - timedelta(seconds=1))
    results = race([accepting(offer, clock=before), open_after])
    assert [type(result) for result in results] == [Offer, SweepResult], results
    assert (Auction.objects.get(pk=auction.pk).status, Order.objects.count()) == ("live", 1)


def test_an_auction_is_scheduled_before_the_sale_or_not_at_all() -> None:
    for _ in range(ROUNDS):
        offer = OfferFactory()
        now = timezone.now()
        data = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=9)}
        schedule = partial(create_auction, listing_id=offer.listing_id, actor=offer.seller, data=data, now=now)
        accepted, scheduled = results = race([accepting(offer), schedule])
        assert isinstance(accepted, Offer), results
        assert isinstance(scheduled, Auction | InvalidTransition), results
        assert set(Auction.objects.filter(listing=offer.listing).values_list("status", flat=True)) <= {"cancelled"}


# --- Counter, withdraw and expire by accept


def test_counter_by_accept_one_of_them_decides() -> None:
    for _ in range(ROUNDS):
        offer = OfferFactory()
        accepted, countered = results = race([accepting(offer), countering(offer)])
        assert isinstance(accepted, Offer) != isinstance(countered, Offer), results
        assert types(results)[InvalidTransition] == 1, results
        assert Order.objects.filter(offer=offer).exists() == isinstance(accepted, Offer)
        assert Offer.objects.filter(parent=offer).exists() == isinstance(countered, Offer)


def test_without_the_lock_an_offer_is_countered_and_accepted(unguarded: None) -> None:
    """The control."""
    offer = OfferFactory()
    results = race([accepting(offer), countering(offer)])
    assert types(results) == {Offer: 2}, results
    assert (Order.objects.filter(offer=offer).count(), Offer.objects.filter(parent=offer).count()) == (1, 1)


def test_withdraw_by_accept_one_of_them_decides() -> None:
    for _ in range(ROUNDS):
        offer = OfferFactory()
        withdraw = partial(withdraw_offer, offer_id=offer.pk, actor=offer.buyer)
        results = race([accepting(offer), withdraw])
        assert types(results) == {Offer: 1, InvalidTransition: 1}, results


def negotiated() -> Offer:
    """The bid of an auction that missed its reserve, as an offer."""
    auction = AuctionFactory(reserve_price=Decimal(9000))
    bid(auction, BidderFactory(), "3000")
    closed(auction)
    make_offers(now=timezone.now())
    return Offer.objects.get(auction=auction)


def test_expire_by_accept_an_expired_offer_is_not_sold_and_a_sold_one_does_not_expire() -> None:
    for _ in range(ROUNDS):
        offer = negotiated()
        in_time, late = at(offer.expires_at - timedelta(seconds=1)), offer.expires_at
        accepted, expired = results = race([accepting(offer, clock=in_time), partial(expire_offers, now=late)])
        sold = isinstance(accepted, Offer)
        assert sold or isinstance(accepted, InvalidTransition), results
        assert expired == SweepResult(int(not sold), 0), results
        assert Auction.objects.get(pk=offer.auction_id).status == ("sold" if sold else "unsold")
        assert Listing.objects.get(pk=offer.listing_id).status == ("pending_sale" if sold else "active")
        assert Order.objects.filter(offer=offer).count() == int(sold)


def test_without_the_lock_a_sold_offer_expires(unguarded: None) -> None:
    """The control: sold, and yet its listing is on the market or its auction unsold."""
    offer = OfferFactory()
    in_time, late = at(offer.expires_at - timedelta(seconds=1)), offer.expires_at
    results = race([accepting(offer, clock=in_time), partial(expire_offers, now=late)])
    assert (type(results[0]), results[1]) == (Offer, SweepResult(1, 0)), results


def test_workers_at_once_expire_each_offer_once() -> None:
    batch = OfferFactory.create_batch(4)
    now = max(offer.expires_at for offer in batch)
    results = race([partial(expire_offers, now=now)] * AT_ONCE)
    assert sum(result.done for result in results) == 4, results
    assert {result.failed for result in results} == {0}


# --- Making


def test_one_buyer_makes_one_offer_for_a_listing() -> None:
    listing, buyer = ListingFactory(), BidderFactory()
    make = partial(create_offer, listing_id=listing.pk, buyer_id=buyer.pk, amount=Decimal(900))
    results = race([make] * AT_ONCE)
    assert types(results) == {Offer: 1, OfferExists: AT_ONCE - 1}, results


def test_workers_at_once_make_one_offer_of_a_missed_reserve() -> None:
    auction = AuctionFactory(reserve_price=Decimal(9000))
    bid(auction, BidderFactory(), "3000")
    closed(auction)
    results = race([partial(make_offers, now=timezone.now())] * AT_ONCE)
    assert sum(result.done for result in results) == 1, results
    assert Offer.objects.count() == 1


def lost_sale() -> Order:
    """Of an auction with two who were outbid."""
    auction = AuctionFactory()
    for amount in ("2000", "3000", "5000"):
        bid(auction, BidderFactory(), amount)
    closed(auction)
    with transaction.atomic():
        listing, order = lock_listing(auction.listing_id), lock_order(Order.objects.get(auction=auction).pk)
        move(order, "cancelled", actor=None, now=timezone.now())
        release_listing(order, listing, actor=None, now=timezone.now())
    return order


def test_workers_at_once_ask_one_bidder() -> None:
    lost_sale()
    results = race([partial(make_offers, now=timezone.now())] * AT_ONCE)
    assert sum(result.done for result in results) == 1, results
    assert Offer.objects.filter(kind="second_chance").count() == 1


def test_without_the_lock_a_second_one_is_asked_but_for_the_constraint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    both = threading.Barrier(2)

    def only_read(pk: int) -> Any:
        row = Order.objects.get(pk=pk)
        both.wait(timeout=30)
        return row

    order = lost_sale()
    monkeypatch.setattr(chances, "lock_listing", lambda pk: Listing.objects.get(pk=pk))
    monkeypatch.setattr(chances, "lock_order", only_read)
    monkeypatch.setattr(chances, "pending_of", lambda _listing: Offer.objects.none())
    results = race([partial(make_offers, now=timezone.now())] * 2)
    assert sorted((result.done, result.failed) for result in results) == [(0, 1), (1, 0)], results
    assert Offer.objects.filter(auction=order.auction).count() == 1


# --- The limit


def limited() -> User:
    return BidderFactory(bid_limit=Decimal(2500))


def test_two_sellers_bind_one_buyer_no_further_than_the_limit() -> None:
    for _ in range(ROUNDS):
        buyer = limited()
        results = race([accepting(OfferFactory(buyer=buyer, amount=Decimal(1500))) for _ in range(4)])
        assert types(results) == {Offer: 1, BidLimitExceeded: 3}, results


def test_an_offer_and_a_bid_bind_one_buyer_no_further_than_the_limit() -> None:
    for _ in range(ROUNDS):
        buyer, auction = limited(), AuctionFactory()
        own_bid = partial(place_bid, user_id=buyer.pk, auction_id=auction.pk, amount=Decimal(1500))
        results = race([accepting(OfferFactory(buyer=buyer, amount=Decimal(1500))), own_bid])
        assert types(results)[BidLimitExceeded] == 1, results


def test_without_the_buyers_lock_the_limit_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    both = threading.Barrier(2)
    reckoned = offers.exposure_of

    def together(user: User) -> Decimal:
        exposure = reckoned(user)
        both.wait(timeout=30)
        return exposure

    buyer = limited()
    monkeypatch.setattr(offers, "lock_bidder", lambda pk: User.objects.get(pk=pk))
    monkeypatch.setattr(offers, "exposure_of", together)
    results = race([accepting(OfferFactory(buyer=buyer, amount=Decimal(1500))) for _ in range(2)])
    assert types(results) == {Offer: 2}, results
    assert reckoned(buyer) == Decimal(3000)


# --- The order of locks


def test_the_buyer_is_locked_before_the_listing() -> None:
    """Whoever holds the buyer (as a bid does) can take the listing while a seller waits to accept."""
    offer = OfferFactory()
    held = threading.Event()

    def hold_the_buyer() -> str:
        with transaction.atomic():
            lock_bidder(offer.buyer_id)
            held.set()
            wait_until_somebody_waits()
            return lock_listing(offer.listing_id).status

    def accept() -> str:
        assert held.wait(timeout=30)
        return accepting(offer)().status

    assert race([hold_the_buyer, accept]) == ["active", "accepted"]


def test_declining_takes_the_listing_before_its_auction() -> None:
    offer = negotiated()
    held = threading.Event()

    def hold_the_listing() -> str:
        with transaction.atomic():
            lock_listing(offer.listing_id)
            held.set()
            wait_until_somebody_waits()
            return offers.lock_auction(offer.auction_id).status

    def decline() -> str:
        assert held.wait(timeout=30)
        return decline_offer(offer_id=offer.pk, actor=offer.seller).status

    assert race([hold_the_listing, decline]) == ["negotiating", "declined"]
