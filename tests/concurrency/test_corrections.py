"""Corrections that meet bids and each other. Real threads, real locks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from auctions.models import Auction, AuctionLogEntry
from auctions.services import corrections, states
from auctions.services.audit import audit_auction
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from auctions.services.corrections import BidVoided, retract_bid, void_bid
from common.errors import Conflict
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid
from tests.concurrency.race import race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
WHY = "One zero too many."


@pytest.fixture
def auction() -> Auction:
    return AuctionFactory(ends_at=timezone.now() + timedelta(days=1))


def voiding(bid_id: UUID, actor: User) -> Callable[[], Any]:
    return lambda: void_bid(bid_id=bid_id, actor=actor, reason=WHY)


def bidding(auction: Auction, bidder: User, amount: int) -> Callable[[], Any]:
    return lambda: place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount))


def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The naive way: reads the auction as it stands and hopes."""

    def read(auction_id: int) -> Auction:
        return Auction.objects.get(pk=auction_id)

    for module in (corrections, states):
        monkeypatch.setattr(module, "lock_auction", read)


def test_a_bid_falls_once_however_many_take_it_back(auction: Auction) -> None:
    ann = BidderFactory()
    first = bid(auction, ann, "1500")
    retraction = [lambda: retract_bid(bid_id=first, bidder=ann, reason=WHY)] * 4
    results = race([*retraction, *[voiding(first, auction.seller)] * 4])
    assert sum(isinstance(result, BidVoided) for result in results) == 7
    assert AuctionLogEntry.objects.filter(kind="void").count() == 1
    assert audit_auction(auction.pk).problems == []


def test_without_the_lock_only_the_constraint_is_left(auction: Auction, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the second one is refused by the database, as an error instead of an answer."""
    first = bid(auction, BidderFactory(), "1500")
    unlocked(monkeypatch)
    monkeypatch.setattr(corrections, "_require_standing", lambda bid: None)
    results = race([voiding(first, auction.seller)] * 4)
    assert sum(isinstance(result, IntegrityError) for result in results) == 3
    assert AuctionLogEntry.objects.filter(kind="void").count() == 1


def test_voids_and_bids_at_the_same_moment_leave_what_the_log_says(auction: Auction) -> None:
    people = BidderFactory.create_batch(6)
    placed = [bid(auction, person, str(2000 + 1000 * place)) for place, person in enumerate(people[:4])]
    results = race(
        [
            *(voiding(one, auction.seller) for one in placed[1:]),
            *(bidding(auction, person, 9000 + 500 * place) for place, person in enumerate(people)),
        ]
    )
    assert [result for result in results if isinstance(result, Exception) and not isinstance(result, Conflict)] == []
    assert AuctionLogEntry.objects.filter(kind="void").count() == 3
    assert audit_auction(auction.pk).problems == []


def test_without_the_lock_a_void_forgets_the_bid_beside_it(auction: Auction, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a bid that comes between reading and writing."""
    ann, bob = BidderFactory.create_batch(2)
    first = bid(auction, ann, "1500")
    unlocked(monkeypatch)
    entries_of = corrections.entries_of

    def overtaken(auction: Auction) -> Any:
        read = entries_of(auction)
        race([bidding(auction, bob, 3000)])
        return read

    monkeypatch.setattr(corrections, "entries_of", overtaken)
    with pytest.raises(IntegrityError, match="seq_once"):  # Two rows with one number: the last line of defence.
        void_bid(bid_id=first, actor=auction.seller, reason=WHY)
    assert Auction.objects.get(pk=auction.pk).leader == bob


def test_a_void_comes_before_the_close_or_not_at_all(auction: Auction) -> None:
    bid(auction, BidderFactory(), "1500")
    second = bid(auction, BidderFactory(), "3000")
    end = timezone.now() + timedelta(seconds=1)
    Auction.objects.filter(pk=auction.pk).update(ends_at=end, original_ends_at=end)
    after = end + timedelta(seconds=1)
    results = race(
        [
            lambda: void_bid(bid_id=second, actor=auction.seller, reason=WHY, clock=lambda: end - timedelta(seconds=1)),
            lambda: close_auction(auction_id=auction.pk, clock=lambda: after),
        ]
    )
    voided = not isinstance(results[0], Exception)
    closed = Auction.objects.get(pk=auction.pk)
    assert (closed.status, closed.price) == ("sold", Decimal(1000 if voided else 1600))
    assert closed.orders.get().hammer_price == closed.price
