"""The locks that all of auctions takes, the state machine of listings, and the one way in which an auction changes.

Lock order: user -> listing -> auction -> order (docs/locking.md). Whoever holds the auction's row may read and change
what belongs to it: its bidders, its log and its events.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model

from accounts.models import User
from auctions import bidding, caches, chain
from auctions.models import (
    Auction,
    AuctionBidder,
    AuctionEvent,
    AuctionLogEntry,
    Listing,
    ListingEvent,
)
from auctions.services import live, telling
from auctions.services.rows import lock_row, write_rows
from auctions.services.snapshots import default_tiers, fee_snapshot
from common.errors import NotFound
from common.transitions import check_transition

LISTING_MOVES: Mapping[str, tuple[str, ...]] = {
    Listing.Status.DRAFT: ("pending_review", "archived"),
    Listing.Status.PENDING_REVIEW: ("active", "changes_requested", "rejected", "draft"),
    Listing.Status.CHANGES_REQUESTED: ("pending_review", "archived"),
    Listing.Status.REJECTED: ("archived",),
    Listing.Status.ACTIVE: ("in_auction", "pending_sale", "archived", "suspended"),
    Listing.Status.IN_AUCTION: ("pending_sale", "active", "suspended"),
    Listing.Status.PENDING_SALE: ("sold", "active"),
    Listing.Status.SUSPENDED: ("active", "archived"),
    Listing.Status.ARCHIVED: ("draft",),
}
AUCTION_MOVES: Mapping[str, tuple[str, ...]] = {
    Auction.Status.SCHEDULED: ("live", "cancelled"),
    Auction.Status.LIVE: ("paused", "sold", "bought_now", "reserve_not_met", "no_bids", "cancelled"),
    Auction.Status.PAUSED: ("live", "cancelled"),
    Auction.Status.RESERVE_NOT_MET: ("negotiating",),
    Auction.Status.NEGOTIATING: ("sold", "unsold"),
}
# Whatever a change of an auction may touch; one UPDATE writes them all.
_CHANGING = (
    "status", "ends_at", "hard_end", "paused_at", "opened_at", "closed_at", "extensions", "reserve_price",
    "increments", "fee_schedule", "price", "leader_id", "leader_number", "leader_max", "runner_up_max", "bid_count",
    "bid_seq", "bidder_count", "event_seq", "log_seq", "log_hash", "updated_at",
)  # fmt: skip


def lock_listing(listing_id: int) -> Listing:
    """The listing's row, before its auction. Raises NotFound."""
    listing = Listing.objects.select_for_update(of=("self",), no_key=True).filter(pk=listing_id).first()
    if listing is None:
        raise NotFound
    return listing


def lock_auction(auction_id: int) -> Auction:
    """The auction's row; afterwards ask `common.clock.lock_clock` what time it is. Raises NotFound."""
    auction = lock_row(Auction, auction_id)
    if auction is None:
        raise NotFound
    return auction


def move_listing(
    listing: Listing, to: str, *, actor: User | None, now: datetime, reason: str = "", **changes: Any
) -> None:
    """Change a locked listing's status, with `changes` to other fields, and write its event. Raises
    InvalidTransition."""
    check_transition(current=listing.status, to=to, allowed=LISTING_MOVES)
    old = listing.status
    for name, value in {"status": to, **changes}.items():
        setattr(listing, name, value)
    listing.save(update_fields=["status", "updated_at", *changes])
    caches.facets.bump_on_commit()
    record_listing_event(listing, "status", actor=actor, now=now, old=old, new=to, reason=reason)


def record_listing_event(
    listing: Listing, kind: str, *, actor: User | None, now: datetime, old: str = "", new: str = "", reason: str = ""
) -> ListingEvent:
    """Append to the listing's history, in the caller's transaction. Reasons are cut at 500 characters."""
    return ListingEvent.objects.create(
        listing=listing, kind=kind, old=old, new=new, reason=reason[:500], actor=actor, at=now
    )


class Change:
    """One change of a locked auction: its new state, its row of the log and its public events, written together.

    `take` what the rules answered, say what happened by `log` and `announce` (in this order; events show the state as
    it is then), and `write`. After the commit the watchers of the stream are woken.
    """

    def __init__(self, auction: Auction, *, at: datetime, actor: User | None = None) -> None:
        self.auction, self.at, self.actor = auction, at, actor
        self.deadline = auction.ends_at
        self.previous_leader_id = auction.leader_id
        self.entries: list[AuctionLogEntry] = []
        self.events: list[AuctionEvent] = []

    def take(self, state: bidding.State, *, leader_number: int | None = None) -> None:
        """Hold the new state. `leader_number` is needed where the leader may be another one: the number of the
        bidder who leads now."""
        self.auction.take(state)
        if leader_number is not None or state.leader is None:
            self.auction.leader_number = leader_number

    def log(
        self,
        kind: str,
        *,
        bidder: AuctionBidder | None = None,
        amount: Decimal | None = None,
        voids: AuctionLogEntry | None = None,
        reason: str = "",
    ) -> AuctionLogEntry:
        """Append a row to the private log. `amount` is a maximum, a price to buy at once or the new reserve."""
        auction = self.auction
        auction.log_seq += 1
        salt = chain.new_salt()
        bidder_id = bidder.user_id if bidder else None
        entry = AuctionLogEntry(
            auction=auction,
            seq=auction.log_seq,
            kind=kind,
            at=self.at,
            bidder_id=bidder_id,
            alias=str(bidder or ""),
            amount=amount,
            voids=voids,
            price=auction.price,
            leader_alias=auction.leader_alias or "",
            ends_at=auction.ends_at,
            deadline=self.deadline,
            reason=reason,
            actor=self.actor,
            salt=salt,
            commitment=chain.commitment_of(salt=salt, bidder=bidder_id, amount=amount, reason=reason),
            previous_hash=auction.log_hash,
        )
        entry.hash = auction.log_hash = chain.hash_of(entry)
        self.entries.append(entry)
        return entry

    def announce(self, kind: str, *, alias: str | None = None, bid_seq: int | None = None) -> AuctionEvent:
        """Append a public event about the last row of the log. `alias` is who acted, by default who leads."""
        auction = self.auction
        auction.event_seq += 1
        event = AuctionEvent(
            auction=auction,
            seq=auction.event_seq,
            kind=kind,
            at=self.at,
            status=auction.status,
            ends_at=auction.ends_at,
            price=auction.price,
            min_next=auction.min_next,
            bid_count=auction.bid_count,
            reserve_status=auction.reserve_status,
            alias=auction.leader_alias or "" if alias is None else alias,
            leader_alias=auction.leader_alias or "",
            bid_seq=bid_seq,
            entry=self.entries[-1],
            leader_id=auction.leader_id,
            previous_leader_id=self.previous_leader_id,
        )
        self.events.append(event)
        return event

    def write(self, *, bidder: AuctionBidder | None = None) -> None:
        """Log, events and auction, with a bidder's new maximum, in one statement (on SQLite in one each); then the
        streams and the notifications."""
        new: list[Model] = [*self.entries, *self.events]
        changed: list[tuple[Model, tuple[str, ...]]] = [(self.auction, _CHANGING)]
        if bidder is not None and bidder._state.adding:
            new.append(bidder)
        elif bidder is not None:
            changed.append((bidder, ("maximum",)))
        write_rows(new=new, changed=changed)
        if self.events:
            live.wake_on_commit(self.auction.pk)
            telling.tell_on_commit()


def open_auction(auction: Auction, *, at: datetime) -> None:
    """A locked, scheduled auction whose start has come goes live, and takes over the steps and the fees that hold
    today. Raises InvalidTransition."""
    check_transition(current=auction.status, to=Auction.Status.LIVE, allowed=AUCTION_MOVES)
    change = Change(auction, at=at)
    auction.status, auction.opened_at = Auction.Status.LIVE, at
    auction.increments = auction.increments or default_tiers()
    auction.fee_schedule = fee_snapshot(now=at)
    change.log(AuctionLogEntry.Kind.OPENED)
    change.announce(AuctionEvent.Kind.OPENED)
    change.write()
