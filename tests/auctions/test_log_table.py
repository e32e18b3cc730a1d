"""The private log: a row for everything, numbered without a gap, chained, and enough to tell the auction again."""

from __future__ import annotations

import contextlib
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone

from auctions import bidding, chain
from auctions.models import Auction, AuctionEvent, AuctionLogEntry, Bid
from auctions.services.bids import place_bid
from auctions.services.corrections import void_bid
from auctions.services.replays import entries_of, opening_of
from auctions.services.rows import lock_row
from common.errors import DomainError
from tests.auctions.factories import AuctionFactory, BidderFactory

pytestmark = pytest.mark.django_db


def bid_at_random(auction: Auction, number: int, seed: int) -> None:
    """Some are refused; a few fall again."""
    source, people = random.Random(seed), BidderFactory.create_batch(4)
    for _ in range(number):
        with contextlib.suppress(DomainError):
            amount = Decimal(source.randrange(90_000, 900_000)) / 100
            place_bid(user_id=source.choice(people).pk, auction_id=auction.pk, amount=amount)
        if source.random() < 0.1:
            standing = Bid.objects.filter(auction=auction, voided_by=None).order_by("?").first()
            if standing is not None:
                void_bid(bid_id=standing.pk, actor=auction.seller, reason="A test.")


@pytest.mark.parametrize("seed", range(4))
def test_the_replayed_log_gives_the_stored_state(seed: int) -> None:
    auction = AuctionFactory(reserve_price=Decimal(3000), ends_at=timezone.now() + timedelta(seconds=90))
    bid_at_random(auction, 40, seed)
    auction = Auction.objects.get(pk=auction.pk)
    replay = bidding.Replay(opening_of(auction), auction.terms())
    rows = list(auction.log.order_by("seq"))
    told = [(state.price, state.ends_at) for state in replay.run(entries_of(auction))]
    assert replay.state == auction.state()
    assert told == [(row.price, row.ends_at) for row in rows]
    maxima = {bidder.user_id: bidder.maximum for bidder in auction.bidders.all()}
    assert max((most for most in maxima.values() if most), default=None) == auction.leader_max
    assert auction.leader_id is None or maxima[auction.leader_id] == auction.leader_max


def test_numbers_have_no_gap_and_the_hashes_are_chained() -> None:
    auction = AuctionFactory()
    bid_at_random(auction, 30, 7)
    auction.refresh_from_db()
    rows, events = list(auction.log.order_by("seq")), list(auction.events.order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, auction.log_seq + 1))
    assert [event.seq for event in events] == list(range(1, auction.event_seq + 1))
    assert [event.bid_seq for event in events if event.kind == "bid"] == list(range(1, auction.bid_seq + 1))
    assert [row.previous_hash for row in rows] == [chain.GENESIS, *(row.hash for row in rows[:-1])]
    assert all(row.hash == chain.hash_of(row) for row in rows)
    assert auction.log_hash == rows[-1].hash


def test_a_silent_raise_has_a_row_and_no_event() -> None:
    auction, bidder = AuctionFactory(), BidderFactory()
    for amount in (1000, 2000, 3000):
        place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount))
    assert list(auction.log.values_list("kind", "amount", "price"))[1:] == [
        ("bid", Decimal(amount), Decimal(1000)) for amount in (1000, 2000, 3000)
    ]
    assert AuctionEvent.objects.filter(kind="bid").count() == 1


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change", ["UPDATE auctions_auctionlogentry SET amount = 1", "DELETE FROM auctions_auctionlogentry"]
)
def test_the_database_changes_no_row_of_the_log(change: str) -> None:
    place_bid(user_id=BidderFactory().pk, auction_id=AuctionFactory().pk, amount=Decimal(1000))
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.parametrize(
    "broken",
    [{"seq": 2}, {"bidder": None}, {"amount": 0}, {"deadline": timezone.now() - timedelta(days=1)}],
    ids=["a number twice", "nobody", "nothing", "after the end"],
)
def test_the_database_refuses_a_bid_that_cannot_be(broken: dict[str, Any]) -> None:
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(1000))
    facts = {"kind": "bid", "at": timezone.now(), "amount": 1, "ends_at": auction.ends_at, "deadline": auction.ends_at}
    row = {"auction": auction, "seq": 3, "bidder": auction.seller, "hash": "x", **facts, **broken}
    with pytest.raises(IntegrityError), transaction.atomic():
        AuctionLogEntry.objects.create(**row)


def test_a_locked_row_is_what_the_orm_reads() -> None:
    auction = AuctionFactory(reserve_price=Decimal(3000), buy_now_price=Decimal(9000))
    place_bid(user_id=BidderFactory(bid_limit=Decimal(5000)).pk, auction_id=auction.pk, amount=Decimal(1500))
    for model in (Auction, type(auction.seller)):
        for row in model.objects.all():
            locked = lock_row(model, row.pk)
            names = [field.attname for field in model._meta.concrete_fields]
            assert [getattr(locked, name) for name in names] == [getattr(row, name) for name in names]
    assert lock_row(Auction, 2**62) is None
