"""Taking back a bid: by its bidder (retract) or by staff (void), by R14.

A void is a new row of the log; the row of the bid stays as it is. What the auction becomes is the log replayed without
the bids that fell. Locks: the auction. The bid is read before, because its row never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from django.db import transaction

from accounts.models import User
from auctions import bidding
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Bid
from auctions.services.bids import AuctionEnded, AuctionNotLive
from auctions.services.replays import entries_of, opening_of
from auctions.services.states import Change, lock_auction
from common.clock import lock_clock
from common.errors import Conflict, NotFound

RETRACTABLE_FOR = timedelta(hours=1)
NOT_IN_THE_LAST = timedelta(hours=12)


class BidVoided(Conflict):
    """A bid falls once."""

    code = "bid_voided"
    detail = "This bid was taken back before."


class RetractionTooLate(Conflict):
    """`meta` says until when: `placed_at` plus an hour, and 12 hours before `ends_at`."""

    code = "retraction_too_late"
    detail = "A bid can be retracted within an hour, and not in the auction's last 12 hours."


class Correction(NamedTuple):
    """What has become of the auction. `position` is that of the bid's bidder, null when nothing of theirs stands."""

    bid: UUID
    auction: int
    position: Literal["leading", "outbid"] | None
    price: Decimal | None
    min_next: Decimal
    bid_count: int
    reserve_status: str
    ends_at: datetime
    event_seq: int
    server_time: datetime


@transaction.atomic
def retract_bid(*, bid_id: UUID, bidder: User, reason: str, clock: Callable[[], datetime] = lock_clock) -> Correction:
    """A bidder takes back an own bid: placed within the last hour, and with more than 12 hours left.

    Raises NotFound (also for the bids of others), AuctionEnded, AuctionNotLive, BidVoided, RetractionTooLate.
    """
    bid = Bid.objects.filter(pk=bid_id, bidder_id=bidder.pk).first()
    if bid is None:
        raise NotFound
    auction = lock_auction(bid.auction_id)
    now = clock()
    _require_running(auction, now=now)
    _require_standing(bid)
    if now - bid.at > RETRACTABLE_FOR or auction.ends_at - now <= NOT_IN_THE_LAST:
        raise RetractionTooLate(meta={"placed_at": bid.at, "ends_at": auction.ends_at, "server_time": now})
    return _take_back(Change(auction, at=now, actor=bidder), bid, reason)


@transaction.atomic
def void_bid(*, bid_id: UUID, actor: User, reason: str, clock: Callable[[], datetime] = lock_clock) -> Correction:
    """Staff take back a bid, at any time before the end, also while the auction is paused.

    Raises NotFound, AuctionEnded, AuctionNotLive, BidVoided.
    """
    bid = Bid.objects.filter(pk=bid_id).first()
    if bid is None:
        raise NotFound
    auction = lock_auction(bid.auction_id)
    now = clock()
    if auction.status != Auction.Status.PAUSED:
        _require_running(auction, now=now)
    _require_standing(bid)
    return _take_back(Change(auction, at=now, actor=actor), bid, reason)


def _require_running(auction: Auction, *, now: datetime) -> None:
    """Raises AuctionEnded, AuctionNotLive."""
    facts = {"status": auction.status, "ends_at": auction.ends_at, "server_time": now}
    try:
        bidding.check_open(auction.state(), auction.terms(), now)
    except bidding.AuctionEnded:
        raise AuctionEnded(meta=facts) from None
    except bidding.AuctionNotLive:
        raise AuctionNotLive(meta=facts) from None


def _require_standing(bid: AuctionLogEntry) -> None:
    """Raises BidVoided. To be asked under the auction's lock."""
    if AuctionLogEntry.objects.filter(voids_id=bid.pk).exists():
        raise BidVoided


def _take_back(change: Change, bid: AuctionLogEntry, reason: str) -> Correction:
    """Replay the rest, log the void and tell of it if anybody could see a difference."""
    auction = change.auction
    replay = bidding.Replay(opening_of(auction), auction.terms())
    replay.done = entries_of(auction)
    replay.voided = {entry.bid for entry in replay.done if entry.kind == "void"} | {bid.pk}
    replay.state = before = auction.state()
    after = replay.without_voided()
    bidder = _with_maximum(auction, bid, replay)
    change.take(after, leader_number=_number_of(auction, after.leader))
    shown = AuctionEvent.objects.filter(auction=auction, entry_id=bid.pk, kind=AuctionEvent.Kind.BID).first()
    if shown is not None:
        shown.is_voided = True
        shown.save(update_fields=["is_voided"])
        auction.bid_count -= 1
    change.log(AuctionLogEntry.Kind.VOID, bidder=bidder, voids=bid, reason=reason)
    if shown is not None:
        change.announce(AuctionEvent.Kind.BID_VOIDED, alias=str(bidder), bid_seq=shown.bid_seq)
    elif (after.price, after.leader) != (before.price, before.leader):
        change.announce(AuctionEvent.Kind.BID_VOIDED)  # Of a silent raise: whose it was nobody knew.
    change.write(bidder=bidder)
    return _answer(change, bidder, bid)


def _with_maximum(auction: Auction, bid: AuctionLogEntry, replay: bidding.Replay) -> AuctionBidder:
    """The bid's bidder with the highest maximum that stands, or none."""
    bidder = AuctionBidder.objects.get(auction=auction, user=bid.bidder)
    own = [
        entry.amount
        for entry in replay.done
        if entry.kind == "bid" and entry.bidder == bid.bidder_id and entry.bid not in replay.voided and entry.amount
    ]
    bidder.maximum = max(own, default=None)
    return bidder


def _number_of(auction: Auction, leader: bidding.Bidder | None) -> int | None:
    if leader is None or leader == auction.leader_id:
        return auction.leader_number if leader else None
    return AuctionBidder.objects.values_list("number", flat=True).get(auction=auction, user_id=leader)


def _answer(change: Change, bidder: AuctionBidder, bid: AuctionLogEntry) -> Correction:
    auction = change.auction
    position: Literal["leading", "outbid"] | None = None
    if bidder.maximum is not None:
        position = "leading" if auction.leader_id == bidder.user_id else "outbid"
    return Correction(
        bid=bid.pk,
        auction=auction.pk,
        position=position,
        price=auction.price,
        min_next=auction.min_next,
        bid_count=auction.bid_count,
        reserve_status=auction.reserve_status,
        ends_at=auction.ends_at,
        event_seq=auction.event_seq,
        server_time=change.at,
    )
