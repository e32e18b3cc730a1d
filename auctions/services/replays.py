"""An auction's log as the rules of `bidding` replay it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from auctions import bidding
from auctions.models import Auction, AuctionLogEntry


def opening_of(auction: Auction, *, paused_for: timedelta = timedelta()) -> bidding.State:
    """Where the auction stood before its log began. What pauses have added to the hard end is taken off again."""
    return bidding.State(
        status="scheduled",
        ends_at=auction.original_ends_at,
        reserve=auction.original_reserve_price,
        hard_end=auction.hard_end and auction.hard_end - paused_for,
    )


def paused_for(entries: Iterable[bidding.Entry]) -> timedelta:
    """How long an auction was paused, by its log."""
    total, since = timedelta(), None
    for entry in entries:
        if entry.kind == "paused":
            since = entry.at
        elif entry.kind == "resumed" and since is not None:
            total, since = total + (entry.at - since), None
    return total


def entry_of(row: AuctionLogEntry) -> bidding.Entry:
    bid = row.voids_id if row.kind == "void" else row.pk
    return bidding.Entry(row.kind, row.at, bid, row.bidder_id, row.amount)  # type: ignore[arg-type]


def entries_of(auction: Auction) -> list[bidding.Entry]:
    """The whole log in its order, by one query. Under the auction's lock it is complete."""
    rows = AuctionLogEntry.objects.filter(auction=auction).order_by("seq")
    return [entry_of(row) for row in rows.only("kind", "at", "bidder_id", "amount", "voids_id")]
