"""Offers: made by a buyer before the bidding, decided on by the other party, countered up to three times, and ended by
the clock. `chances` makes those that follow from an auction.

Lock order: the buyer (where somebody binds the buyer), the listing, its auction. An offer changes only under its
listing's lock, so its own row needs none, and of all offers for one listing a single one is ever accepted. The clock
is asked under the locks: once an offer has expired, or its listing's auction has begun, nobody can accept it, however
late the sweeps are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from accounts.models import User
from auctions.models import Auction, Listing, Offer, Order
from auctions.models.auctions import OPEN
from auctions.models.listings import PUBLIC_DETAIL
from auctions.models.offers import MOST_ROUNDS
from auctions.models.orders import UNPAID_ORDER
from auctions.services.auctions import cancel_open_auction
from auctions.services.bids import BidLimitExceeded, NotEligible, lock_bidder, missing_to_bid
from auctions.services.sales import make_order
from auctions.services.settling import OFFER_MOVES, begin, move
from auctions.services.snapshots import fee_snapshot
from auctions.services.states import AUCTION_MOVES, lock_auction, lock_listing, move_listing
from common.clock import lock_clock
from common.errors import Conflict, Forbidden, NotFound, Unprocessable
from common.money import ZERO
from common.sweeps import SweepResult, sweep_ids
from common.transitions import check_transition

Kind, Party, Status = Offer.Kind, Offer.Party, Offer.Status
Clock = Callable[[], datetime]


class ListingNotPublic(Unprocessable):
    """The body names a listing that does not exist or is not public."""

    code = "does_not_exist"
    detail = "There is no such listing."


class SellerCannotOffer(Forbidden):
    """It is one's own sale."""

    code = "seller_cannot_offer"
    detail = "You cannot make an offer for what you sell."


class NotYourTurn(Forbidden):
    """The recipient accepts, declines and counters; the proposer withdraws."""

    code = "not_your_turn"
    detail = "This is the other party's to do."


class NotForSale(Conflict):
    """Sold, off the marketplace, or in an auction that has begun; `meta.listing` is the listing's status."""

    code = "not_for_sale"
    detail = "This vehicle is not for sale by offer now."


class OfferExists(Conflict):
    """Buyer and seller have one pending offer at a time for a listing; `meta.offer` names it."""

    code = "offer_exists"
    detail = "There is a pending offer between you and the seller already."


class OfferExpired(Conflict):
    """Its time is over by the server's clock."""

    code = "offer_expired"
    detail = "This offer has expired."


class TooManyRounds(Conflict):
    """The last counter-offer is accepted or declined."""

    code = "too_many_rounds"
    detail = f"After {MOST_ROUNDS} counter-offers this one can only be accepted or declined."


class OfferBinding(Conflict):
    """A bid cannot be taken back after the auction's end."""

    code = "offer_binding"
    detail = "The highest bid binds its bidder until the seller has decided."


class BuyerNotEligible(Conflict):
    """What the buyer's account lacks is the buyer's own business."""

    code = "buyer_not_eligible"
    detail = "The buyer cannot buy at the moment."


class Table(NamedTuple):
    """Where two negotiate: the rows that are locked, what time it is, and the listing's auction: the one that the
    offer's bid was placed in, else one that is open; None without."""

    offer: Offer
    listing: Listing
    auction: Auction | None
    now: datetime


# --- Making


@transaction.atomic
def create_offer(
    *, listing_id: int, buyer_id: int, amount: Decimal, message: str = "", clock: Clock = lock_clock
) -> Offer:
    """A buyer's offer, in the listing's currency, for what is on the marketplace and whose bidding has not begun.

    Raises ListingNotPublic (422), SellerCannotOffer, NotEligible (403), NotForSale, OfferExists, BidLimitExceeded
    (409).
    """
    buyer = lock_bidder(buyer_id)
    listing = _lock_public_listing(listing_id)
    if listing.seller_id == buyer.pk:
        raise SellerCannotOffer
    offer = Offer(
        kind=Kind.PRE_AUCTION,
        listing=listing,
        buyer=buyer,
        seller_id=listing.seller_id,
        made_by=Party.BUYER,
        amount=amount,
        currency=listing.currency,
        message=message,
    )
    _require_able(buyer, offer, buyer)
    auction = _open_auction_of(listing)
    now = clock()
    _require_for_sale(Table(offer, listing, auction, now))
    pending = pending_of(listing).filter(buyer=buyer).values_list("pk", flat=True).first()
    if pending is not None:
        raise OfferExists(meta={"offer": pending})
    return put_forward(offer, actor=buyer, now=now)


def put_forward(offer: Offer, *, actor: User | None, now: datetime) -> Offer:
    """Save a new offer of a locked listing, which the other party may decide on from now on."""
    offer.created_at = now
    offer.expires_at = now + timedelta(seconds=settings.OFFER_TTL_S)
    offer.save(force_insert=True)
    begin(offer, actor=actor, now=now, details=_facts(offer))
    return offer


def _lock_public_listing(listing_id: int) -> Listing:
    """Raises ListingNotPublic."""
    try:
        listing = lock_listing(listing_id)
    except NotFound:
        raise ListingNotPublic(attr="listing") from None
    if listing.status not in PUBLIC_DETAIL:
        raise ListingNotPublic(attr="listing")
    return listing


# --- Deciding


@transaction.atomic
def accept_offer(*, offer_id: int, actor: User, clock: Clock = lock_clock) -> Offer:
    """The recipient takes it: the vehicle is sold at its amount, an auction that has not begun is cancelled, and all
    other offers for the listing fall.

    Raises NotFound, NotYourTurn, NotEligible (403), InvalidTransition, OfferExpired, NotForSale, BuyerNotEligible,
    BidLimitExceeded (409).
    """
    buyer = _lock_buyer_of(offer_id)
    table = _lock_table(offer_id, clock)
    offer, listing, auction, now = table
    _require_turn(table, offer.recipient_id, actor, to=Status.ACCEPTED)
    _require_for_sale(table)
    _require_able(buyer, offer, actor)
    _decide(offer, Status.ACCEPTED, actor=actor, now=now)
    supersede_pending(listing, actor=actor, now=now)
    if offer.kind == Kind.IF_BID:
        move_negotiation(auction, Auction.Status.SOLD)
    else:
        cancel_open_auction(listing=listing, actor=actor, reason=f"Sold by offer {offer.pk}.", clock=lambda: now)
    make_order(
        listing=listing,
        auction=offer.auction,
        offer=offer,
        buyer_id=buyer.pk,
        price=offer.amount,
        fee_schedule=_fees_of(offer, now=now),
        actor=actor,
        now=now,
    )
    return offer


@transaction.atomic
def decline_offer(*, offer_id: int, actor: User, clock: Clock = lock_clock) -> Offer:
    """The recipient does not want it. Raises NotFound, NotYourTurn (403), InvalidTransition, OfferExpired (409)."""
    table = _lock_table(offer_id, clock)
    _require_turn(table, table.offer.recipient_id, actor, to=Status.DECLINED)
    _end(table, Status.DECLINED, actor=actor)
    return table.offer


@transaction.atomic
def withdraw_offer(*, offer_id: int, actor: User, clock: Clock = lock_clock) -> Offer:
    """The proposer takes it back. Raises NotFound, NotYourTurn (403), InvalidTransition, OfferExpired, OfferBinding
    (409)."""
    table = _lock_table(offer_id, clock)
    offer = table.offer
    _require_turn(table, offer.proposer_id, actor, to=Status.WITHDRAWN)
    if offer.kind == Kind.IF_BID and offer.made_by == Party.BUYER:
        raise OfferBinding
    _end(table, Status.WITHDRAWN, actor=actor)
    return offer


@transaction.atomic
def counter_offer(*, offer_id: int, actor: User, amount: Decimal, clock: Clock = lock_clock) -> Offer:
    """The recipient proposes another amount instead. Returns the new offer.

    Raises NotFound, NotYourTurn, NotEligible (403), InvalidTransition, OfferExpired, TooManyRounds, NotForSale,
    BidLimitExceeded (409).
    """
    buyer = _lock_buyer_of(offer_id)
    table = _lock_table(offer_id, clock)
    offer, _, _, now = table
    _require_turn(table, offer.recipient_id, actor, to=Status.COUNTERED)
    if offer.round == MOST_ROUNDS:
        raise TooManyRounds
    _require_for_sale(table)
    counter = Offer(
        kind=offer.kind,
        listing_id=offer.listing_id,
        auction_id=offer.auction_id,
        buyer_id=offer.buyer_id,
        seller_id=offer.seller_id,
        made_by=Party.SELLER if offer.made_by == Party.BUYER else Party.BUYER,
        amount=amount,
        currency=offer.currency,
        parent=offer,
        round=offer.round + 1,
    )
    if actor.pk == buyer.pk:
        _require_able(buyer, counter, actor)
    _decide(offer, Status.COUNTERED, actor=actor, now=now)
    return put_forward(counter, actor=actor, now=now)


# --- By the clock


def expire_offers(*, now: datetime) -> SweepResult:
    """End the offers that nobody decided on in time, and those whose listing is not for sale any more."""
    due = Offer.objects.filter(status=Status.PENDING).filter(Q(expires_at__lte=now) | ~_for_sale(now))
    return sweep_ids(due, partial(_end_if_due, now=now))


@transaction.atomic
def _end_if_due(offer_id: int, *, now: datetime) -> bool:
    table = _lock_table(offer_id, lambda: now)
    if table.offer.status != Status.PENDING:
        return False
    if table.offer.expires_at <= now:
        _end(table, Status.EXPIRED, actor=None)
        return True
    if not _is_for_sale(table):
        _end(table, Status.SUPERSEDED, actor=None)
        return True
    return False


# --- For `chances`


def pending_of(listing: Listing) -> QuerySet[Offer]:
    return Offer.objects.filter(listing=listing, status=Status.PENDING)


def supersede_pending(listing: Listing, *, actor: User | None, now: datetime) -> None:
    """All offers that are pending for a locked listing fall: it is sold, or its auction's bid comes first."""
    for offer in pending_of(listing).order_by("pk"):
        _decide(offer, Status.SUPERSEDED, actor=actor, now=now)


def move_negotiation(auction: Auction | None, to: str) -> None:
    """What follows for a locked auction whose reserve was missed. What the parties settle between them is not the
    log's, so there is no row and no public event of it. Raises InvalidTransition."""
    if auction is None:
        raise RuntimeError("A bid without an auction.")
    check_transition(current=auction.status, to=to, allowed=AUCTION_MOVES)
    auction.status = to
    auction.save(update_fields=["status", "updated_at"])


def end_negotiation(auction: Auction | None, listing: Listing, *, actor: User | None, now: datetime) -> None:
    """A locked auction sold nothing after all; its locked listing is on the market again, unless it was taken off."""
    move_negotiation(auction, Auction.Status.UNSOLD)
    if listing.status == Listing.Status.IN_AUCTION:
        move_listing(listing, Listing.Status.ACTIVE, actor=actor, now=now, reason="The reserve was not met.")


# --- Locks


def _lock_buyer_of(offer_id: int) -> User:
    """Raises NotFound."""
    buyer_id = Offer.objects.filter(pk=offer_id).values_list("buyer_id", flat=True).first()
    if buyer_id is None:
        raise NotFound
    return lock_bidder(buyer_id)


def _lock_table(offer_id: int, clock: Clock) -> Table:
    """Raises NotFound."""
    listing_id = Offer.objects.filter(pk=offer_id).values_list("listing_id", flat=True).first()
    if listing_id is None:
        raise NotFound
    listing = lock_listing(listing_id)
    offer = Offer.objects.select_related("auction").get(pk=offer_id)
    if offer.kind == Kind.IF_BID and offer.auction_id is not None:
        auction: Auction | None = lock_auction(offer.auction_id)
    else:
        auction = _open_auction_of(listing)
    return Table(offer, listing, auction, clock())


def _open_auction_of(listing: Listing) -> Auction | None:
    """Locked. Under the listing's lock none can be added."""
    auction_id = Auction.objects.filter(listing=listing, status__in=OPEN).values_list("pk", flat=True).first()
    return None if auction_id is None else lock_auction(auction_id)


# --- Rules


def _require_turn(table: Table, whose: int, actor: User, *, to: str) -> None:
    """Raises NotYourTurn, InvalidTransition, OfferExpired."""
    if whose != actor.pk:
        raise NotYourTurn
    check_transition(current=table.offer.status, to=to, allowed=OFFER_MOVES)
    if table.offer.expires_at <= table.now:
        raise OfferExpired(meta={"expires_at": table.offer.expires_at, "server_time": table.now})


def _require_for_sale(table: Table) -> None:
    """Raises NotForSale."""
    if not _is_for_sale(table):
        raise NotForSale(meta={"listing": table.listing.status})


def _is_for_sale(table: Table) -> bool:
    """As `_for_sale` says it in SQL. An auction whose start has come is as good as begun."""
    offer, listing, auction, now = table
    if listing.status == Listing.Status.ACTIVE:
        return offer.kind != Kind.IF_BID
    if listing.status != Listing.Status.IN_AUCTION or auction is None:
        return False
    if offer.kind == Kind.IF_BID:
        return auction.status == Auction.Status.NEGOTIATING
    return auction.status == Auction.Status.SCHEDULED and auction.starts_at > now


def _for_sale(now: datetime) -> Q:
    to_begin = Auction.objects.filter(listing=OuterRef("listing"), status="scheduled", starts_at__gt=now)
    bid = Q(kind=Kind.IF_BID, listing__status="in_auction", auction__status="negotiating")
    free = Q(listing__status="active") | Q(Exists(to_begin), listing__status="in_auction")
    return bid | ~Q(kind=Kind.IF_BID) & free


def _require_able(buyer: User, offer: Offer, actor: User) -> None:
    """A locked buyer may be bound to the offer's amount. What stands against it is told in full only to the buyer.
    Raises NotEligible, BuyerNotEligible, BidLimitExceeded."""
    missing = missing_to_bid(buyer)
    if missing and actor.pk == buyer.pk:
        raise NotEligible(meta={"missing": missing})
    if missing:
        raise BuyerNotEligible
    if buyer.bid_limit is not None and exposure_of(buyer) + offer.amount > buyer.bid_limit:
        raise BidLimitExceeded if actor.pk == buyer.pk else BidLimitExceeded("The buyer's bid limit does not allow it.")


def exposure_of(user: User) -> Decimal:
    """What a locked user is bound to: the own maxima in the open auctions that the user leads, and unpaid orders at
    their hammer price."""
    led = Auction.objects.filter(leader=user, status__in=["live", "paused"]).aggregate(sum=Sum("leader_max"))["sum"]
    unpaid = Order.objects.filter(buyer=user, status__in=UNPAID_ORDER).aggregate(sum=Sum("hammer_price"))["sum"]
    return (led or ZERO) + (unpaid or ZERO)


# --- Moves


def _end(table: Table, to: str, *, actor: User | None) -> None:
    """An offer ends without a sale, and with a bid's last offer its auction does."""
    _decide(table.offer, to, actor=actor, now=table.now)
    if table.offer.kind == Kind.IF_BID:
        end_negotiation(table.auction, table.listing, actor=actor, now=table.now)


def _decide(offer: Offer, to: str, *, actor: User | None, now: datetime) -> None:
    move(offer, to, actor=actor, now=now, details=_facts(offer), decided_at=now)


def _facts(offer: Offer) -> dict[str, Any]:
    facts = {"kind": offer.kind, "made_by": offer.made_by, "amount": str(offer.amount), "currency": offer.currency}
    return facts | {"expires_at": offer.expires_at.isoformat()}


def _fees_of(offer: Offer, *, now: datetime) -> dict[str, Any]:
    """Those of the auction that the offer comes from, else those in force."""
    if offer.auction is not None and offer.auction.fee_schedule is not None:
        return dict(offer.auction.fee_schedule)
    return fee_snapshot(now=now)
