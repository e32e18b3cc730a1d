"""Making auctions, and what their sellers and moderators do with them. `closing` ends them by the clock.

Lock order: the listing, then the auction; a pause needs the auction alone. The clock is asked under the auction's lock:
once its end has come nobody can pause or cancel it or lower its reserve, however late the closer is (R11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from auctions import bidding
from auctions.increments import MOST_AMOUNT
from auctions.models import Auction, AuctionEvent, AuctionLogEntry, Listing
from auctions.models.auctions import OPEN
from auctions.models.listings import VIEW_LISTING
from auctions.services.bids import AuctionEnded
from auctions.services.closing import lock_with_listing
from auctions.services.increments import check_tiers
from auctions.services.states import (
    AUCTION_MOVES,
    LISTING_MOVES,
    Change,
    lock_auction,
    lock_listing,
    move_listing,
    record_listing_event,
)
from common.clock import lock_clock
from common.errors import Conflict, NotFound, Unprocessable
from common.transitions import check_transition

Status = Auction.Status
Clock = Callable[[], datetime]

MODERATE = "auctions.moderate_auction"
MOST_DURATION = timedelta(days=30)
PAST_TOLERANCE = timedelta(minutes=5)  # Clocks differ, and a form takes its time.
# A pause ends by `resume`; what makes a scheduled auction live is its start.
RESUME_MOVES = {**AUCTION_MOVES, Status.SCHEDULED: ("cancelled",)}


class UnknownListing(Unprocessable):
    """The body names a listing that does not exist or is not one's own to auction."""

    code = "does_not_exist"
    detail = "There is no such listing of yours."


class AuctionExists(Conflict):
    """One listing has at most one auction that is not over; `meta.auction` names it."""

    code = "auction_exists"
    detail = "This listing is in an auction already."


class AuctionTermsRefused(Unprocessable):
    """Terms that make no sense; the code says which rule they break."""


class HasBids(Conflict):
    """A seller may take an auction back only while nobody has bid."""

    code = "has_bids"
    detail = "There are bids. Only a moderator can cancel this auction."


class CancelReasonRequired(Unprocessable):
    """Moderators say why."""

    code = "reason_required"
    detail = "A moderator needs a reason to cancel an auction."


class ReserveOnlyDown(Conflict):
    """R15: the reserve may be lowered or removed, never raised, set or repeated."""

    code = "reserve_only_down"
    detail = "The reserve can only be lowered or removed."


# --- Making


@transaction.atomic
def create_auction(*, listing_id: int, actor: User, data: Mapping[str, Any], now: datetime) -> Auction:
    """Schedule the auction of an active listing, at the listing's prices. `data` holds `starts_at` and `ends_at`, and
    may hold the other terms; without `buy_now` the listing's own price to buy at once holds.

    Raises UnknownListing, AuctionTermsRefused, BadIncrementTiers (422), AuctionExists, InvalidTransition (409).
    """
    terms = dict(data)
    _check_window(terms, now=now)
    if terms.get("increments") is not None:
        terms["increments"] = check_tiers(terms["increments"], attr="increments")
    listing = _lock_own_listing(listing_id, actor)
    if listing.status == Listing.Status.IN_AUCTION:
        raise AuctionExists(attr="listing", meta={"auction": listing.auction_id})
    check_transition(current=listing.status, to=Listing.Status.IN_AUCTION, allowed=LISTING_MOVES)
    buy_now = terms.pop("buy_now", listing.buy_now_price)
    start = _checked_start(listing, buy_now)
    auction = Auction(
        listing=listing,
        seller_id=listing.seller_id,
        created_by=actor,
        currency=listing.currency,
        starting_price=start,
        reserve_price=listing.reserve_price,
        original_reserve_price=listing.reserve_price,
        buy_now_price=buy_now,
        original_ends_at=terms["ends_at"],
        created_at=now,
        **terms,
    )
    _insert(auction)
    move_listing(listing, Listing.Status.IN_AUCTION, actor=actor, now=now, auction=auction)
    return auction


def _check_window(terms: Mapping[str, Any], *, now: datetime) -> None:
    """Raises AuctionTermsRefused."""
    starts_at, ends_at, hard_end = terms["starts_at"], terms["ends_at"], terms.get("hard_end")
    shortest = timedelta(seconds=settings.AUCTION_MIN_DURATION_S)
    if starts_at < now - PAST_TOLERANCE:
        raise AuctionTermsRefused("This moment is past.", code="start_in_past", attr="starts_at")
    if ends_at <= max(starts_at, now):
        raise AuctionTermsRefused("The end must come after the start.", code="end_before_start", attr="ends_at")
    if ends_at - starts_at < shortest:
        text = f"An auction takes at least {settings.AUCTION_MIN_DURATION_S} seconds."
        raise AuctionTermsRefused(text, code="too_short", attr="ends_at")
    if ends_at - starts_at > MOST_DURATION:
        text = f"An auction takes at most {MOST_DURATION.days} days."
        raise AuctionTermsRefused(text, code="too_long", attr="ends_at")
    if hard_end is not None and hard_end < ends_at:
        text = "The hard end must not come before the end."
        raise AuctionTermsRefused(text, code="hard_end_before_end", attr="hard_end")


def _lock_own_listing(listing_id: int, actor: User) -> Listing:
    """A moderator who may not see reserves could find one by what is refused here, so it takes both permissions.
    Raises UnknownListing."""
    try:
        listing = lock_listing(listing_id)
    except NotFound:
        raise UnknownListing(attr="listing") from None
    if listing.seller_id != actor.pk and not actor.has_perms([MODERATE, VIEW_LISTING]):
        raise UnknownListing(attr="listing")
    return listing


def _checked_start(listing: Listing, buy_now: Decimal | None) -> Decimal:
    """The starting price, when the others fit it. Raises AuctionTermsRefused."""
    start, reserve = listing.starting_price, listing.reserve_price
    if start is None or (reserve is not None and reserve < start):
        text = "The reserve must not be below the starting price."
        raise AuctionTermsRefused(text, code="reserve_below_start", attr="listing")
    if max(start, reserve or start, buy_now or start) > MOST_AMOUNT:  # A listing from before there was a bound.
        text = f"A price is at most {MOST_AMOUNT:,}."
        raise AuctionTermsRefused(text, code="price_too_high", attr="listing")
    if buy_now is not None and buy_now < start:
        text = "The price to buy at once must not be below the starting price."
        raise AuctionTermsRefused(text, code="buy_now_below_start", attr="buy_now")
    if buy_now is not None and reserve is not None and buy_now <= reserve:
        text = "The price to buy at once must be above the reserve."
        raise AuctionTermsRefused(text, code="buy_now_not_above_reserve", attr="buy_now")
    return start


def _insert(auction: Auction) -> None:
    """The listing's lock makes a second one impossible; the constraint holds also without it. Raises AuctionExists."""
    try:
        with transaction.atomic():
            auction.save(force_insert=True)
    except IntegrityError as error:
        if "auction_open_listing" in str(error) or "auctions_auction.listing_id" in str(error):
            raise AuctionExists(attr="listing") from None
        raise


# --- Cancelling


@transaction.atomic
def cancel_auction(*, auction_id: int, actor: User, reason: str = "", clock: Clock = lock_clock) -> Auction:
    """Take an open auction back: its seller while nobody has bid, a moderator at any time with a reason. The listing is
    active again. Raises NotFound, InvalidTransition, AuctionEnded, HasBids (409), CancelReasonRequired (422)."""
    listing, auction = lock_with_listing(auction_id)
    now = clock()
    check_transition(current=auction.status, to=Status.CANCELLED, allowed=AUCTION_MOVES)
    _require_not_due(auction, now=now)
    if auction.leader_id is not None or auction.seller_id != actor.pk:
        if not actor.has_perm(MODERATE):
            raise HasBids
        if not reason:
            raise CancelReasonRequired(attr="reason")
    _cancel(auction, actor=actor, now=now, reason=reason)
    move_listing(listing, Listing.Status.ACTIVE, actor=actor, now=now, reason=reason)
    return auction


@transaction.atomic
def cancel_open_auction(
    *, listing: Listing, actor: User | None, reason: str, clock: Clock = lock_clock
) -> Auction | None:
    """Cancel what is open of a locked listing, which its caller moves afterwards; None when nothing is. One whose end
    has come is as good as closed and stays. Raises AuctionEnded (409)."""
    auction_id = Auction.objects.filter(listing=listing, status__in=OPEN).values_list("pk", flat=True).first()
    if auction_id is None:
        return None
    auction = lock_auction(auction_id)
    now = clock()
    if auction.status not in OPEN:
        return None
    _require_not_due(auction, now=now)
    _cancel(auction, actor=actor, now=now, reason=reason)
    return auction


def _cancel(auction: Auction, *, actor: User | None, now: datetime, reason: str) -> None:
    change = Change(auction, at=now, actor=actor)
    change.take(replace(auction.state(), status="cancelled"), leader_number=auction.leader_number)
    auction.closed_at = now
    change.log(AuctionLogEntry.Kind.CANCELLED, reason=reason)
    change.announce(AuctionEvent.Kind.CANCELLED)
    change.write()


# --- Pausing


@transaction.atomic
def pause_auction(*, auction_id: int, actor: User, reason: str, clock: Clock = lock_clock) -> Auction:
    """Stop a live auction until `resume_auction`. Raises NotFound, InvalidTransition, AuctionEnded."""
    auction = lock_auction(auction_id)
    now = clock()
    check_transition(current=auction.status, to=Status.PAUSED, allowed=AUCTION_MOVES)
    _require_not_due(auction, now=now)
    change = Change(auction, at=now, actor=actor)
    change.take(bidding.pause(auction.state(), now=now), leader_number=auction.leader_number)
    change.log(AuctionLogEntry.Kind.PAUSED, reason=reason)
    change.announce(AuctionEvent.Kind.PAUSED)
    change.write()
    return auction


@transaction.atomic
def resume_auction(*, auction_id: int, actor: User, clock: Clock = lock_clock) -> Auction:
    """Go on with a paused auction; its end and its hard end move by the pause. Raises NotFound, InvalidTransition."""
    auction = lock_auction(auction_id)
    now = clock()
    check_transition(current=auction.status, to=Status.LIVE, allowed=RESUME_MOVES)
    change = Change(auction, at=now, actor=actor)
    change.take(bidding.resume(auction.state(), now=now), leader_number=auction.leader_number)
    change.log(AuctionLogEntry.Kind.RESUMED)
    change.announce(AuctionEvent.Kind.RESUMED)
    change.write()
    return auction


# --- The reserve


@transaction.atomic
def lower_reserve(*, auction_id: int, actor: User, reserve_price: Decimal | None, clock: Clock = lock_clock) -> Auction:
    """Lower the reserve of an auction that is not over, or remove it with None (R15); its listing says the same from
    then on. The price may rise to it (R6). Everybody is told when it no longer stands between the leader and the
    vehicle. Raises NotFound, AuctionEnded, ReserveOnlyDown (409), AuctionTermsRefused (422)."""
    listing, auction = lock_with_listing(auction_id)
    now = clock()
    if auction.status not in OPEN:
        raise AuctionEnded(meta={"status": auction.status, "ends_at": auction.ends_at, "server_time": now})
    _require_not_due(auction, now=now)
    if reserve_price is not None and reserve_price < auction.starting_price:
        text = "The reserve must not be below the starting price; null removes it."
        raise AuctionTermsRefused(text, code="reserve_below_start", attr="reserve_price")
    try:
        state = bidding.lower_reserve(auction.state(), reserve_price)
    except bidding.ReserveOnlyDown:
        raise ReserveOnlyDown(attr="reserve_price") from None
    was_met = auction.reserve_status == "met"
    change = Change(auction, at=now, actor=actor)
    change.take(state, leader_number=auction.leader_number)
    change.log(AuctionLogEntry.Kind.RESERVE, amount=reserve_price)
    if auction.leader_id is not None and not was_met and auction.reserve_status != "not_met":
        change.announce(AuctionEvent.Kind.RESERVE_MET)
    change.write()
    listing.reserve_price = reserve_price
    listing.save(update_fields=["reserve_price", "updated_at"])
    record_listing_event(listing, "edited", actor=actor, now=now, reason="Changed: reserve_price.")
    return auction


def _require_not_due(auction: Auction, *, now: datetime) -> None:
    """Raises AuctionEnded: what the end decides may not be changed while the closer is late."""
    if bidding.is_due(auction.state(), now):
        raise AuctionEnded(meta={"status": auction.status, "ends_at": auction.ends_at, "server_time": now})
