"""Placing a bid, and buying at once.

Lock order: the user, [for buying at once the listing,] the auction. The user's lock makes the bid limit hold for one
who bids in two auctions at the same moment. Under the auction's lock a bid reads that row and its bidder's own, however
many were placed before, and the clock is asked after the lock is held (R0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, transaction
from prometheus_client import Counter, Histogram

from accounts.models import User
from auctions import bidding
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Order
from auctions.models.listings import PUBLIC_DETAIL
from auctions.services.closing import finish_bought, lock_with_listing
from auctions.services.rows import lock_row
from auctions.services.states import Change, lock_auction, open_auction
from common.clock import lock_clock
from common.errors import Conflict, DomainError, Forbidden, NotFound
from common.money import ZERO
from common.prepared import fetch_prepared

Position = Literal["leading", "outbid"]
POSITIONS = ("leading", "outbid", "withdrawn")  # The last one only in lists: of a bid that was voided.

_BIDS = Counter(
    "auction_bids_total", "Bids and purchases by how they ended: a position, `bought` or a code.", ["result"]
)
_AMOUNTS = Histogram(
    "auction_bid_amount",
    "Maxima of accepted bids, in units of their currency.",
    buckets=(100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000),
)


class AuctionNotLive(Conflict):
    """Not begun, paused or over; `meta.status` says which."""

    code = "auction_not_live"
    detail = "This auction takes no bids now."


class AuctionEnded(Conflict):
    """Its end has come by the server's clock, which `meta.server_time` tells."""

    code = "auction_ended"
    detail = "This auction has ended."


class SellerCannotBid(Forbidden):
    """It is one's own sale."""

    code = "seller_cannot_bid"
    detail = "You cannot bid on what you sell."


class NotEligible(Forbidden):
    """Something is missing before one may bid; `meta.missing` lists what."""

    code = "not_eligible"
    detail = "Your account may not bid yet."


class MaxNotRaised(Conflict):
    """A maximum can be raised, not lowered or repeated (R9)."""

    code = "max_not_raised"
    detail = "Your maximum is as high already."


class BidTooLow(Conflict):
    """Below `meta.min_next`."""

    code = "bid_too_low"
    detail = "This bid is too low."


class BidLimitExceeded(Conflict):
    """With it the bidder would be bound to more than the limit allows. Says no amount."""

    code = "bid_limit_exceeded"
    detail = "This exceeds your bid limit, counting the auctions you lead and your unpaid orders."


class BuyNowUnavailable(Conflict):
    """There is no such price, or the bids have passed it (R13)."""

    code = "buy_now_unavailable"
    detail = "This auction cannot be bought at once, or not any more."


class BidAnswer(NamedTuple):
    """What a bidder learns of a bid. `event_seq` is that of the auction's last public event."""

    bid: UUID
    position: Position
    price: Decimal
    min_next: Decimal
    ends_at: datetime
    extended: bool
    event_seq: int
    server_time: datetime


@contextmanager
def _refusals_counted() -> Iterator[None]:
    try:
        yield
    except DomainError as refusal:
        _BIDS.labels(refusal.code).inc()
        raise


def _count_on_commit(result: str, amount: Decimal | None = None) -> None:
    def count() -> None:
        _BIDS.labels(result).inc()
        if amount is not None:
            _AMOUNTS.observe(float(amount))

    transaction.on_commit(count)


@_refusals_counted()
@transaction.atomic
def place_bid(
    *, user_id: int, auction_id: int, amount: Decimal, clock: Callable[[], datetime] = lock_clock
) -> BidAnswer:
    """A bid whose maximum is `amount`, in the auction's currency. The first one opens a scheduled auction whose start
    has come.

    Raises, in this order: NotFound (404), AuctionEnded, AuctionNotLive (409), SellerCannotBid, NotEligible (403),
    MaxNotRaised, BidTooLow, BidLimitExceeded (409). A refused bid changes nothing. The number of queries does not
    depend on how many bids there were.
    """
    user = lock_bidder(user_id)
    auction = lock_auction(auction_id)
    now = clock()
    standing = _standing(user, auction)
    _require_open(auction, user, standing, now=now)
    _require_bidder(auction, user)
    step = _judged(auction, user_id=user_id, amount=amount, own_max=standing.maximum, now=now)
    _require_limit(user, standing, amount)
    bidder = _bidder(auction, standing, user_id=user_id, maximum=amount, now=now)
    change = Change(auction, at=now)
    entry = _record(change, step, bidder, amount)
    change.write(bidder=bidder)
    position: Position = "leading" if auction.leader_id == user_id else "outbid"
    _count_on_commit(position, amount)
    return BidAnswer(
        bid=entry.pk,
        position=position,
        price=step.state.price or amount,
        min_next=auction.min_next,
        ends_at=auction.ends_at,
        extended=step.extended,
        event_seq=auction.event_seq,
        server_time=now,
    )


@_refusals_counted()
@transaction.atomic
def buy_now(*, user_id: int, auction_id: int, clock: Callable[[], datetime] = lock_clock) -> Order:
    """Buy at the auction's `buy_now_price`, which ends it (R13): the order is made in the same transaction.

    Raises, in this order: NotFound (404), AuctionEnded, AuctionNotLive (409), SellerCannotBid, NotEligible (403),
    BuyNowUnavailable, BidLimitExceeded (409).
    """
    user = lock_bidder(user_id)
    listing, auction = lock_with_listing(auction_id)
    now = clock()
    standing = _standing(user, auction)
    _require_open(auction, user, standing, now=now)
    _require_bidder(auction, user)
    try:
        state = bidding.buy_now(auction.state(), auction.terms(), bidder=user_id, now=now)
    except bidding.BuyNowUnavailable:
        raise BuyNowUnavailable from None
    paid = state.price or ZERO
    _require_limit(user, standing, paid)
    bidder = _bidder(auction, standing, user_id=user_id, maximum=paid, now=now)
    bidder.save()
    change = Change(auction, at=now)
    change.take(state, leader_number=bidder.number)
    change.log(AuctionLogEntry.Kind.BUY_NOW, bidder=bidder, amount=paid)
    order = finish_bought(change=change, listing=listing)
    _count_on_commit("bought")
    return order


def missing_to_bid(user: User) -> list[str]:
    """What this user still lacks before bidding; nothing when `user.can_bid`."""
    facts = {
        "active": user.is_active,
        "email_verified": user.email_verified_at,
        "identity_verified": user.identity_verified_at,
        "payment_profile": user.payment_reference,
    }
    return [name for name, fact in facts.items() if not fact]


class Standing(NamedTuple):
    """What a bidder's word depends on beside the two locked rows. `exposure` is what the user is bound to already: the
    own maxima in the other open auctions that the user leads, and unpaid orders at their hammer price."""

    listing_status: str
    bidder_id: int | None
    number: int | None
    maximum: Decimal | None
    exposure: Decimal


_STANDING = """
SELECT listing.status, bidder.id, bidder.number, bidder.maximum,
       CASE WHEN %s THEN
         coalesce((SELECT sum(led.leader_max) FROM auctions_auction led
                    WHERE led.leader_id = %s AND led.status IN ('live', 'paused') AND led.id <> %s), 0)
         + coalesce((SELECT sum(unpaid.hammer_price) FROM auctions_order unpaid
                      WHERE unpaid.buyer_id = %s AND unpaid.status IN ('awaiting_payment', 'overdue')), 0)
       ELSE 0 END
  FROM auctions_listing listing
  LEFT JOIN auctions_auctionbidder bidder ON bidder.auction_id = %s AND bidder.user_id = %s
 WHERE listing.id = %s
"""


def _standing(user: User, auction: Auction) -> Standing:
    """One statement, which holds as long as both rows are locked. Nobody pays for the sums who has no limit."""
    ids = (user.pk, auction.pk, user.pk, auction.pk, user.pk, auction.listing_id)
    ((status, bidder_id, number, maximum, bound),) = fetch_prepared(_STANDING, (user.bid_limit is not None, *ids))
    return Standing(status, bidder_id, number, _amount(maximum), _amount(bound) or ZERO)


def _amount(value: Any) -> Decimal | None:
    """SQLite answers numbers that are no decimals."""
    return value if value is None or isinstance(value, Decimal) else Decimal(str(value)).quantize(ZERO)


def lock_bidder(user_id: int) -> User:
    """The user's row, as `accounts.services.lock_user`. Raises NotFound."""
    user = lock_row(User, user_id)
    if user is None:
        raise NotFound
    return user


def _require_open(auction: Auction, user: User, standing: Standing, *, now: datetime) -> None:
    """Open it when its start has come. Raises NotFound, AuctionEnded, AuctionNotLive."""
    is_hidden = standing.listing_status not in PUBLIC_DETAIL
    if is_hidden and not Auction.objects.visible_to(user).filter(pk=auction.pk).exists():
        raise NotFound
    if auction.status == Auction.Status.SCHEDULED and auction.starts_at <= now:
        open_auction(auction, at=now)
    facts = {"status": auction.status, "ends_at": auction.ends_at, "server_time": now}
    try:
        bidding.check_open(auction.state(), auction.terms(), now)
    except bidding.AuctionEnded:
        raise AuctionEnded(meta=facts) from None
    except bidding.AuctionNotLive:
        raise AuctionNotLive(meta=facts | {"starts_at": auction.starts_at}) from None


def _require_bidder(auction: Auction, user: User) -> None:
    """Raises SellerCannotBid, NotEligible. A seller's business is the seller's own account."""
    if user.pk == auction.seller_id:
        raise SellerCannotBid
    missing = missing_to_bid(user)
    if missing:
        raise NotEligible(meta={"missing": missing})


def _judged(auction: Auction, *, user_id: int, amount: Decimal, own_max: Decimal | None, now: datetime) -> bidding.Step:
    """Raises MaxNotRaised, BidTooLow."""
    try:
        return bidding.place(auction.state(), auction.terms(), bidder=user_id, amount=amount, own_max=own_max, now=now)
    except bidding.MaxNotRaised:
        raise MaxNotRaised(attr="amount") from None
    except bidding.BidTooLow as refusal:
        raise BidTooLow(attr="amount", meta={"min_next": refusal.min_next, "server_time": now}) from None


def _require_limit(user: User, standing: Standing, amount: Decimal) -> None:
    """Raises BidLimitExceeded."""
    if user.bid_limit is not None and standing.exposure + amount > user.bid_limit:
        raise BidLimitExceeded(attr="amount")


def _bidder(auction: Auction, standing: Standing, *, user_id: int, maximum: Decimal, now: datetime) -> AuctionBidder:
    """The bidder's row with a new maximum, to be written; the first bid takes the next number, which the change writes
    with the auction."""
    if standing.number is None:
        auction.bidder_count += 1
        number = auction.bidder_count
        return AuctionBidder(auction=auction, user_id=user_id, number=number, maximum=maximum, first_bid_at=now)
    known = {"id": standing.bidder_id, "auction_id": auction.pk, "user_id": user_id, "number": standing.number}
    return AuctionBidder.from_db(DEFAULT_DB_ALIAS, [*known, "maximum"], [*known.values(), maximum])


def _record(change: Change, step: bidding.Step, bidder: AuctionBidder, amount: Decimal) -> AuctionLogEntry:
    """The row of the log and, when the bid changed the price or the leader, what everybody may know of it. A silent
    raise moves neither count nor event, so nobody else can tell that it happened (R8)."""
    auction = change.auction
    was_met = auction.reserve_status == "met"
    leads = step.state.leader == bidder.user_id
    change.take(step.state, leader_number=bidder.number if leads else auction.leader_number)
    if step.is_public:
        auction.bid_seq += 1
        auction.bid_count += 1
    entry = change.log(AuctionLogEntry.Kind.BID, bidder=bidder, amount=amount)
    if step.is_public:
        change.announce(AuctionEvent.Kind.BID, alias=str(bidder), bid_seq=auction.bid_seq)
    if step.extended:
        change.announce(AuctionEvent.Kind.EXTENDED)
    if not was_met and auction.reserve_status == "met":
        change.announce(AuctionEvent.Kind.RESERVE_MET)
    return entry
