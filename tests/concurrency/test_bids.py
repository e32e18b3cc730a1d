"""Many bidders at one moment: one leader, one price, one buyer, and numbers without gaps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.tokens import issue_tokens
from auctions import bidding
from auctions.models import Auction, AuctionEvent, Bid, Listing, Order
from auctions.services import bids, closing
from auctions.services.bids import BidAnswer, BidLimitExceeded, buy_now, place_bid
from auctions.services.replays import entries_of, opening_of
from common.errors import DomainError
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.concurrency.race import race
from tests.concurrency.second_server import second_server
from tests.concurrency.served import served
from tests.concurrency.test_bookings import post

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

AT_ONCE = 32
Call = Callable[[str], tuple[int, str]]


def headers_of(user: User, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_tokens(user=user, now=timezone.now()).access}", **more}


def bid_over_http(auction: Auction, headers: dict[str, str], amount: Any) -> Call:
    return lambda server: post(server, f"/api/auctions/{auction.pk}/bids", headers, {"amount": str(amount)})


def at_once(calls: list[Call]) -> Counter[Any]:
    """How often each answer came, the callers divided between two server processes."""
    with served() as here, second_server() as there:
        return Counter(race([partial(call, (here, there)[number % 2]) for number, call in enumerate(calls)]))


def meet_before_judging(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    """Whoever has read the auction waits for the others, so that all judge by the same row."""
    everybody, original = threading.Barrier(parties), bids._standing

    def look_and_meet(*args: Any) -> Any:
        seen = original(*args)
        everybody.wait(timeout=30)
        return seen

    monkeypatch.setattr(bids, "_standing", look_and_meet)


def unlock_auctions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The auction and its listing are read and not locked."""
    monkeypatch.setattr(bids, "lock_auction", lambda pk: Auction.objects.get(pk=pk))
    monkeypatch.setattr(closing, "lock_auction", lambda pk: Auction.objects.get(pk=pk))
    monkeypatch.setattr(closing, "lock_listing", lambda pk: Listing.objects.get(pk=pk))


def check_books(auction: Auction) -> Auction:
    """Numbers without gaps, and what is stored is what the log makes of the auction."""
    auction = Auction.objects.get(pk=auction.pk)
    log, events = auction.log.order_by("seq"), auction.events.order_by("seq")
    assert list(log.values_list("seq", flat=True)) == list(range(1, auction.log_seq + 1))
    assert list(events.values_list("seq", flat=True)) == list(range(1, auction.event_seq + 1))
    replay = bidding.Replay(opening_of(auction), auction.terms())
    assert [state.price for state in replay.run(entries_of(auction))] == list(log.values_list("price", flat=True))
    assert replay.state == auction.state()
    return auction


# --- One auction


@pytest.mark.fault("F24", "32 bidders in one auction", expected="the greatest maximum leads, the log replays")
def test_of_thirty_two_bidders_the_greatest_maximum_leads() -> None:
    auction, people = AuctionFactory(), BidderFactory.create_batch(AT_ONCE)
    # More than a step apart, so that the greatest is never below the least next bid.
    amounts = [1000 + 120 * (number * 11 % AT_ONCE) for number in range(AT_ONCE)]
    asked = [bid_over_http(auction, headers_of(user), amount) for user, amount in zip(people, amounts, strict=True)]
    answers = at_once(asked)
    assert set(answers) <= {(201, ""), (409, "bid_too_low")}, answers
    after = check_books(auction)
    assert Bid.objects.count() == answers[201, ""] == after.bid_count == after.bidder_count
    best = Bid.objects.order_by("-amount", "seq")[0]
    assert (after.leader_id, after.leader_max) == (best.bidder_id, best.amount)
    assert best.amount == max(amounts)


def test_without_the_lock_bids_trample_on_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all judge by the same row, and only the log's unique number stops all but one."""
    auction, people = AuctionFactory(), BidderFactory.create_batch(4)
    unlock_auctions(monkeypatch)
    meet_before_judging(monkeypatch, 4)
    amounts = {user.pk: Decimal(1000 + 500 * number) for number, user in enumerate(people)}
    results = race(
        [partial(place_bid, user_id=pk, auction_id=auction.pk, amount=amount) for pk, amount in amounts.items()]
    )
    assert Counter(type(result) for result in results) == {BidAnswer: 1, IntegrityError: 3}, results
    assert Bid.objects.count() == 1


# --- One bidder


def bid_in_two(limit: int) -> list[Any]:
    """The same user wants 2,000 in each of two auctions."""
    bidder, pair = BidderFactory(bid_limit=limit), AuctionFactory.create_batch(2)
    return race([partial(place_bid, user_id=bidder.pk, auction_id=one.pk, amount=Decimal(2000)) for one in pair])


def test_one_bidder_never_exceeds_the_limit_in_two_auctions_at_once() -> None:
    for _ in range(8):
        results = bid_in_two(limit=3000)
        assert Counter(type(result) for result in results) == {BidAnswer: 1, BidLimitExceeded: 1}, results


def test_without_the_users_lock_both_bids_pass_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: neither sees that the other auction is led."""
    monkeypatch.setattr(bids, "lock_bidder", lambda pk: User.objects.get(pk=pk))
    meet_before_judging(monkeypatch, 2)
    assert [type(result) for result in bid_in_two(limit=3000)] == [BidAnswer, BidAnswer]


# --- Buying at once


def buy_over_http(auction: Auction, headers: dict[str, str]) -> Call:
    return lambda server: post(server, f"/api/auctions/{auction.pk}/buy-now", headers)


@pytest.mark.fault("F24", "buyers and bidders", expected="one order")
def test_of_buyers_and_bidders_one_buys_and_there_is_one_order() -> None:
    auction = AuctionFactory(reserve_price=Decimal(7000), buy_now_price=Decimal(8000))
    people = BidderFactory.create_batch(18)
    buyers = [buy_over_http(auction, headers_of(user)) for user in people[:12]]
    bidders = [bid_over_http(auction, headers_of(user), 2000 + number) for number, user in enumerate(people[12:])]
    answers = at_once([*buyers, *bidders])
    assert set(answers) <= {(201, ""), (409, "auction_not_live"), (409, "bid_too_low")}, answers
    after, order = check_books(auction), Order.objects.get()
    assert (after.status, order.buyer_id, order.hammer_price) == ("bought_now", after.leader_id, Decimal(8000))
    assert answers[201, ""] == 1 + Bid.objects.count()
    assert AuctionEvent.objects.filter(kind="closed").count() == 1


def test_without_the_locks_only_constraints_stop_the_second_buyer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both have seen that it can be bought."""
    auction = AuctionFactory(buy_now_price=Decimal(8000))
    unlock_auctions(monkeypatch)
    meet_before_judging(monkeypatch, 2)
    people = BidderFactory.create_batch(2)
    results = race([partial(buy_now, user_id=user.pk, auction_id=auction.pk) for user in people])
    assert Counter(type(result) for result in results) == {Order: 1, IntegrityError: 1}, results


def test_a_bid_and_a_purchase_at_once_leave_one_of_two_ends() -> None:
    for _ in range(6):
        auction = AuctionFactory(buy_now_price=Decimal(8000))
        one, other = BidderFactory.create_batch(2)
        race(
            [
                partial(place_bid, user_id=one.pk, auction_id=auction.pk, amount=Decimal(1000)),
                partial(buy_now, user_id=other.pk, auction_id=auction.pk),
            ]
        )
        after = check_books(auction)
        ends = {"bought_now": (other.pk, 1), "live": (one.pk, 0)}
        assert (after.leader_id, after.orders.count()) == ends[after.status]


# --- Sent again


def test_one_key_sent_twenty_times_is_one_bid() -> None:
    auction, headers = AuctionFactory(), headers_of(BidderFactory(), **{"Idempotency-Key": "bid-1"})
    answers = at_once([bid_over_http(auction, headers, 1000)] * 20)
    assert set(answers) <= {(201, ""), (409, "idempotency_in_progress")}, answers
    assert Bid.objects.count() == 1
    check_books(auction)


def test_without_a_key_the_second_is_a_repetition() -> None:
    """The control: each request is judged by itself."""
    auction, headers = AuctionFactory(), headers_of(BidderFactory())
    assert at_once([bid_over_http(auction, headers, 1000)] * 20) == {(201, ""): 1, (409, "max_not_raised"): 19}


# --- The clock


def test_who_waits_for_the_lock_until_the_end_is_too_late() -> None:
    """R0: the clock is asked after the lock is held, and no earlier bid has moved this end."""
    auction, bidder = AuctionFactory(soft_close_window_s=0), BidderFactory()
    asked, held = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            row = closing.lock_auction(auction.pk)
            held.set()
            asked.wait(timeout=30)
            row.ends_at = row.original_ends_at = timezone.now()
            row.save(update_fields=["ends_at", "original_ends_at"])

    def bid() -> BidAnswer:
        held.wait(timeout=30)
        original = bids.lock_auction

        def announce(pk: int) -> Auction:
            asked.set()
            return original(pk)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bids, "lock_auction", announce)
            return place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(1000))

    _, answer = race([hold, bid])
    assert isinstance(answer, DomainError)
    assert answer.code == "auction_ended"
