"""Events as bytes. Everything in them is public, and the same for everybody."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from auctions.models import Auction, AuctionEvent
from common.renderers import dump_json

RETRY = b"retry: 2000\n\n"  # Milliseconds until a browser connects again.
KEEP_ALIVE = b": keep-alive\n\n"
LAST_KINDS = frozenset({AuctionEvent.Kind.CLOSED, AuctionEvent.Kind.CANCELLED})
SNAPSHOT = "snapshot"


class Frame(NamedTuple):
    """One event as it travels."""

    seq: int
    kind: str
    data: bytes


def event_frame(event: AuctionEvent, *, now: datetime) -> Frame:
    """An event; `now` is the server's time at which it is told."""
    body = _body(event, event_seq=event.seq, now=now) | {
        "at": event.at,
        "alias": event.alias or None,
        "leader_alias": event.leader_alias or None,
        "bid_seq": event.bid_seq,
    }
    return _frame(event.seq, event.kind, body)


def snapshot_frame(auction: Auction, *, now: datetime) -> Frame:
    """How the auction stands: what a watcher starts with."""
    body = _body(auction, event_seq=auction.event_seq, now=now) | {
        "at": None,
        "alias": auction.leader_alias,
        "leader_alias": auction.leader_alias,
        "bid_seq": None,
    }
    return _frame(auction.event_seq, SNAPSHOT, body)


def _body(source: Auction | AuctionEvent, *, event_seq: int, now: datetime) -> dict[str, Any]:
    return {
        "event_seq": event_seq,
        "server_time": now,
        "status": source.status,
        "ends_at": source.ends_at,
        "price": _money(source.price),
        "min_next": _money(source.min_next),
        "bid_count": source.bid_count,
        "reserve_status": source.reserve_status,
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def _frame(seq: int, kind: str, body: dict[str, Any]) -> Frame:
    return Frame(seq, kind, b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), dump_json(body)))
