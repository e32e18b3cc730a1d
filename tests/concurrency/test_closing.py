"""The end of an auction against everything that may come at the same moment: other closers, bids, cancellations,
pauses, a lower reserve. The clocks stand still around the end: both outcomes are possible, only the locks decide."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from auctions.models import Auction, AuctionEvent, AuctionLogEntry, Listing, Order
from auctions.services import auctions, bids, closing, states
from auctions.services.auctions import AuctionExists, HasBids, cancel_auction, lower_reserve, pause_auction
from auctions.services.bids import AuctionEnded, AuctionNotLive, BidAnswer, place_bid
from auctions.services.closing import close_auction, close_due, open_due
from common.errors import InvalidTransition
from common.sweeps import SweepResult
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.concurrency.race import race
from tests.concurrency.test_parking_sweeps import wait_until_somebody_waits
from tests.factories import UserFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AT_ONCE = 8
ROUNDS = 5


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def bidder_of(auction: Auction, amount: int, clock: Callable[[], datetime]) -> Callable[[], Any]:
    """A bid of somebody new, ready to be placed."""
    return partial(place_bid, user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount), clock=clock)


def led(**fields: Any) -> Auction:
    """With one bidder, of up to 2,000."""
    auction = AuctionFactory(**fields)
    bidder_of(auction, 2000, timezone.now)()
    return auction


def moderator() -> User:
    return UserFactory(is_superuser=True)


def assert_consistent(auction: Auction) -> None:
    """Log and events are gap-less, the last row tells the status, and an order exists exactly when it is sold."""
    for rows, counter in ((auction.log, auction.log_seq), (auction.events, auction.event_seq)):
        assert list(rows.order_by("seq").values_list("seq", flat=True)) == list(range(1, counter + 1))
    sold = auction.status in ("sold", "bought_now")
    orders = list(Order.objects.filter(auction=auction).values_list("buyer_id", "hammer_price"))
    assert orders == ([(auction.leader_id, auction.price)] if sold else [])
    listing = Listing.objects.get(pk=auction.listing_id)
    expected = "pending_sale" if sold else "active" if auction.status in ("no_bids", "cancelled") else "in_auction"
    assert listing.status == expected


def reread(auction: Auction) -> Auction:
    return Auction.objects.get(pk=auction.pk)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are read and not locked, and both threads have read before either writes."""
    both, test = threading.Barrier(2), threading.current_thread()

    def only_read(auction_id: int) -> Auction:
        auction = Auction.objects.get(pk=auction_id)
        if threading.current_thread() is not test:
            both.wait(timeout=30)
        return auction

    monkeypatch.setattr(closing, "lock_listing", lambda pk: Listing.objects.get(pk=pk))
    for module in (closing, auctions, bids):
        monkeypatch.setattr(module, "lock_auction", only_read)


@pytest.fixture
def unguarded(unlocked: None) -> Any:
    """And without the constraints that keep the counters and the orders unique."""
    indexes = {
        AuctionLogEntry: ("log_seq_once",),
        AuctionEvent: ("event_seq_once",),
        Order: ("order_live_listing", "order_live_auction"),
    }
    removed = [
        (model, constraint)
        for model, names in indexes.items()
        for constraint in model._meta.constraints
        if constraint.name in names
    ]
    with connection.schema_editor() as editor:
        for model, constraint in removed:
            editor.remove_constraint(model, constraint)
    yield
    forget_everything()
    with connection.schema_editor() as editor:
        for model, constraint in removed:
            editor.add_constraint(model, constraint)


def forget_everything() -> None:
    """The log refuses to be deleted; emptying the tables as the tests' own clean-up does is another thing."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE auctions_auction, auctions_listing, auctions_order CASCADE")


# --- Closers


def test_eight_closers_make_one_order() -> None:
    for _ in range(ROUNDS):
        auction = led()
        results = race([partial(close_auction, auction_id=auction.pk, clock=at(auction.ends_at))] * AT_ONCE)
        assert {getattr(result, "status", result) for result in results} == {"sold"}, results
        assert_consistent(reread(auction))
        assert auction.events.filter(kind="closed").count() == auction.log.filter(kind="closed").count() == 1


def test_eight_sweeps_close_and_open_each_once() -> None:
    over, due = [led() for _ in range(4)], [AuctionFactory(status="scheduled") for _ in range(4)]
    now = max(auction.ends_at for auction in (*over, *due))
    late = partial(close_due, now=now, clock=at(now))
    results = race([late, partial(open_due, now=now)] * (AT_ONCE // 2))
    assert all(isinstance(result, SweepResult) and not result.failed for result in results), results
    late()
    found = Counter(Auction.objects.values_list("status", flat=True))
    assert found == {"sold": 4, "no_bids": 4}
    for kind, number in (("opened", 8), ("closed", 8)):
        assert AuctionEvent.objects.filter(kind=kind).count() == number


def test_without_the_lock_two_closers_sell_it_twice(unguarded: None) -> None:
    """The control."""
    auction = led()
    results = race([partial(close_auction, auction_id=auction.pk, clock=at(auction.ends_at))] * 2)
    assert [getattr(result, "status", result) for result in results] == ["sold", "sold"]
    assert Order.objects.filter(auction=auction).count() == 2


def test_without_the_lock_the_constraints_refuse_the_second(unlocked: None) -> None:
    auction = led()
    results = race([partial(close_auction, auction_id=auction.pk, clock=at(auction.ends_at))] * 2)
    assert Counter(type(result) for result in results) == {Auction: 1, IntegrityError: 1}, results
    assert Order.objects.filter(auction=auction).count() == 1


# --- Against bids


@pytest.mark.fault("F24", "the closer and bidders", expected="no accepted bid is forgotten")
def test_close_by_bids_none_is_accepted_and_forgotten() -> None:
    """Each asks its own clock: the closer's has reached the end, the bidders' have not or have."""
    for _ in range(ROUNDS):
        auction = led(soft_close_window_s=0)
        end = auction.ends_at
        clocks = [at(end - timedelta(microseconds=1)), at(end)] * 3
        bidding = [bidder_of(auction, 3000 + 500 * place, clock) for place, clock in enumerate(clocks)]
        results = race([*bidding, *[partial(close_auction, auction_id=auction.pk, clock=at(end))] * 2])
        accepted = [result for result in results if isinstance(result, BidAnswer)]
        refusals = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(r, AuctionEnded | AuctionNotLive | bids.BidTooLow) for r in refusals), results
        auction = reread(auction)
        assert auction.status == "sold"
        assert_consistent(auction)
        log = list(auction.log.order_by("seq").values_list("kind", flat=True))
        assert log.index("closed") == len(log) - 1
        assert log.count("bid") == 1 + len(accepted)
        assert auction.leader_max == max(auction.bidders.values_list("maximum", flat=True))


def test_a_bid_that_moved_the_end_is_seen_by_the_closer_that_waited() -> None:
    auction = led()
    bid_is_in = threading.Event()
    late = at(auction.ends_at - timedelta(seconds=1))

    def bid_and_wait() -> None:
        with transaction.atomic():
            bidder_of(auction, 3000, late)()
            bid_is_in.set()
            wait_until_somebody_waits()

    def close() -> Auction:
        assert bid_is_in.wait(timeout=30)
        return close_auction(auction_id=auction.pk, clock=at(auction.ends_at))

    results = race([bid_and_wait, close])
    assert (results[0], getattr(results[1], "status", results[1])) == (None, "live")
    assert reread(auction).ends_at > auction.ends_at


def test_without_the_lock_an_accepted_bid_is_lost_by_the_closer(unguarded: None) -> None:
    """The control: one is told to lead, and another has the order."""
    auction = reread(led(soft_close_window_s=0))
    bid = bidder_of(auction, 5000, at(auction.ends_at - timedelta(seconds=1)))
    results = race([bid, partial(close_auction, auction_id=auction.pk, clock=at(auction.ends_at))])
    assert [type(result) for result in results] == [BidAnswer, Auction], results
    order = Order.objects.get(auction=auction)
    assert (results[0].position, order.hammer_price) == ("leading", 1000)
    assert order.buyer_id == auction.leader_id
    assert auction.log.filter(seq=auction.log_seq + 1).count() == 2


# --- Cancelling, pausing and the reserve


def test_cancel_by_bid_a_seller_never_cancels_what_has_a_bid() -> None:
    outcomes = Counter[str]()
    for _ in range(ROUNDS):
        auction = AuctionFactory()
        cancel = partial(cancel_auction, auction_id=auction.pk, actor=auction.seller)
        results = race([bidder_of(auction, 2000, timezone.now), cancel])
        bid, cancelled = results
        assert isinstance(bid, BidAnswer) != isinstance(cancelled, Auction), results
        assert isinstance(bid, BidAnswer | AuctionNotLive), bid
        assert isinstance(cancelled, Auction | HasBids), cancelled
        auction = reread(auction)
        outcomes[auction.status] += 1
        assert_consistent(auction)
    assert outcomes.total() == ROUNDS


def test_without_the_lock_a_seller_cancels_under_a_bidder(unguarded: None) -> None:
    """The control."""
    auction = AuctionFactory()
    cancel = partial(cancel_auction, auction_id=auction.pk, actor=auction.seller)
    results = race([bidder_of(auction, 2000, timezone.now), cancel])
    assert [type(result) for result in results] == [BidAnswer, Auction], results


def test_cancel_by_close_one_of_them_ends_it() -> None:
    for _ in range(ROUNDS):
        auction = led()
        before, end = at(auction.ends_at - timedelta(seconds=1)), at(auction.ends_at)
        cancel = partial(cancel_auction, auction_id=auction.pk, actor=moderator(), reason="Stolen.", clock=before)
        results = race([cancel, *[partial(close_auction, auction_id=auction.pk, clock=end)] * 3])
        auction = reread(auction)
        cancelled = isinstance(results[0], Auction)
        assert auction.status == ("cancelled" if cancelled else "sold"), results
        assert cancelled or isinstance(results[0], InvalidTransition)
        assert_consistent(auction)


def test_pause_by_bid_no_bid_comes_after_the_pause() -> None:
    for _ in range(ROUNDS):
        auction = led()
        pause = partial(pause_auction, auction_id=auction.pk, actor=moderator(), reason="Photos.")
        bidding = [bidder_of(auction, 3000 + 500 * place, timezone.now) for place in range(4)]
        results = race([pause, *bidding])
        assert isinstance(results[0], Auction), results
        assert all(isinstance(r, BidAnswer | AuctionNotLive | bids.BidTooLow) for r in results[1:]), results
        auction = reread(auction)
        assert (auction.status, auction.log.last().kind, auction.events.last().kind) == ("paused",) * 3
        assert_consistent(auction)


def test_without_the_lock_a_pause_is_undone_by_a_bid_or_the_bid_by_the_pause(unguarded: None) -> None:
    """The control: both are accepted on the same state, so that the log has one number twice."""
    auction = led()
    pause = partial(pause_auction, auction_id=auction.pk, actor=moderator(), reason="Photos.")
    results = race([pause, bidder_of(auction, 5000, timezone.now)])
    assert [type(result) for result in results] == [Auction, BidAnswer], results
    assert auction.log.filter(seq=3).count() == 2


def test_reserve_by_bid_whoever_comes_second_meets_it() -> None:
    for _ in range(ROUNDS):
        auction = AuctionFactory(reserve_price=Decimal(5000), under_reserve="minimum")
        lower = partial(lower_reserve, auction_id=auction.pk, actor=auction.seller, reserve_price=Decimal(3000))
        results = race([lower, bidder_of(auction, 4000, timezone.now)])
        assert [type(result) for result in results] == [Auction, BidAnswer], results
        auction = reread(auction)
        assert (auction.price, auction.reserve_status) == (3000, "met")
        assert auction.events.filter(kind="reserve_met").count() == 1
        assert_consistent(auction)


def test_without_the_lock_the_lower_reserve_or_the_bid_is_lost(unguarded: None) -> None:
    """The control."""
    auction = AuctionFactory(reserve_price=Decimal(5000), under_reserve="minimum")
    lower = partial(lower_reserve, auction_id=auction.pk, actor=auction.seller, reserve_price=Decimal(3000))
    results = race([lower, bidder_of(auction, 4000, timezone.now)])
    assert [type(result) for result in results] == [Auction, BidAnswer], results
    auction = reread(auction)
    assert (auction.price, auction.reserve_status) != (3000, "met")


# --- Making


def schedule(listing: Listing) -> Callable[[], Auction]:
    now = timezone.now()
    data = {"starts_at": now, "ends_at": now + timedelta(hours=1)}
    return partial(auctions.create_auction, listing_id=listing.pk, actor=listing.seller, data=data, now=now)


def test_eight_who_schedule_make_one_auction() -> None:
    listing = ListingFactory()
    results = race([schedule(listing)] * AT_ONCE)
    assert Counter(type(result) for result in results) == {Auction: 1, AuctionExists: AT_ONCE - 1}, results
    listing.refresh_from_db()
    assert (listing.status, listing.auction_id) == ("in_auction", Auction.objects.get().pk)


def test_without_the_lock_the_constraint_refuses_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have seen an active listing."""
    everybody = threading.Barrier(AT_ONCE)

    def only_read(pk: int) -> Listing:
        listing = Listing.objects.get(pk=pk)
        everybody.wait(timeout=30)
        return listing

    monkeypatch.setattr(auctions, "lock_listing", only_read)
    (constraint,) = [item for item in Auction._meta.constraints if item.name == "auction_open_listing"]
    results = race([schedule(ListingFactory())] * AT_ONCE)
    assert Counter(type(result) for result in results) == {Auction: 1, AuctionExists: AT_ONCE - 1}, results
    with connection.schema_editor() as editor:
        editor.remove_constraint(Auction, constraint)
    try:
        race([schedule(ListingFactory())] * AT_ONCE)
        assert Auction.objects.count() == 1 + AT_ONCE
    finally:
        forget_everything()
        with connection.schema_editor() as editor:
            editor.add_constraint(Auction, constraint)


def test_a_sweep_waits_for_the_listing_before_it_takes_the_auction() -> None:
    """The order of locks: whoever holds the listing (to suspend it) can take its auction while a closer waits."""
    auction = led()
    held = threading.Event()
    now = auction.ends_at

    def hold_the_listing() -> str:
        with transaction.atomic():
            states.lock_listing(auction.listing_id)
            held.set()
            wait_until_somebody_waits()
            return states.lock_auction(auction.pk).status

    def sweep() -> SweepResult:
        assert held.wait(timeout=30)
        return close_due(now=now, clock=at(now))

    assert race([hold_the_listing, sweep]) == ["live", SweepResult(1, 0)]
