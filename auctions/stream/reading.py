"""What the streams ask of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db import connection

from auctions.models import Auction, AuctionEvent
from auctions.models.auctions import ENDED
from auctions.stream.frames import Frame, event_frame, snapshot_frame
from common.errors import NotFound

MAX_BEHIND = 500  # Events; whoever missed more is better served by a snapshot.


@dataclass(frozen=True)
class Feed:
    """Where a stream begins: `opening` is sent at once, then everything after the event `after`."""

    auction_id: int
    opening: bytes
    after: int
    is_over: bool
    """The auction has ended."""
    is_told: bool
    """The watcher has seen the end already: there is nothing to say, and never will be."""


def open_feed(*, auction_id: int, last_id: int | None, now: datetime) -> Feed:
    """A stream from the event after `last_id`, or from a snapshot: without one, with one that is too old and with one
    that never was. Raises NotFound unless everybody may see the auction."""
    auction = Auction.objects.visible_to(AnonymousUser()).filter(pk=auction_id).first()
    if auction is None:
        raise NotFound
    is_over = auction.status in ENDED
    if last_id is None or not 0 <= auction.event_seq - last_id <= MAX_BEHIND:
        snapshot = snapshot_frame(auction, now=now)
        return Feed(auction_id, snapshot.data, snapshot.seq, is_over, is_told=False)
    frames = _frames_after(auction_id, last_id, now=now)
    return Feed(
        auction_id,
        b"".join(frame.data for frame in frames),
        frames[-1].seq if frames else last_id,
        is_over,
        is_told=is_over and not frames,
    )


def read_news(positions: Mapping[int, int], *, now: datetime) -> dict[int, list[Frame]]:
    """Of each auction the events after the given one, as far as there are any. One query, and one more for each auction
    that has news."""
    heads = Auction.objects.filter(pk__in=positions).values_list("pk", "event_seq")
    return {pk: _frames_after(pk, positions[pk], now=now) for pk, head in heads if head > positions[pk]}


def _frames_after(auction_id: int, seq: int, *, now: datetime) -> list[Frame]:
    """Seqs are given out under the auction's lock, so none below one that is read can still be on its way."""
    events = AuctionEvent.objects.filter(auction_id=auction_id, seq__gt=seq).order_by("seq")[:MAX_BEHIND]
    return [event_frame(event, now=now) for event in events]


def give_connection_back() -> None:
    """This thread needs no database for a long while."""
    if not connection.in_atomic_block:
        connection.close()
