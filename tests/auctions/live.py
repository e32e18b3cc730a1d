"""A client of live streams over a real socket, and events for them to tell of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
from django.db import transaction
from django.utils import timezone

from auctions.models import Auction, AuctionEvent, AuctionLogEntry
from auctions.services.states import Change, lock_auction
from auctions.stream.responses import hub


class Event(NamedTuple):
    seq: int
    kind: str
    data: dict[str, Any]


def tell(auction: Auction, *kinds: str, at: datetime | None = None) -> None:
    """Public events, each in a transaction of its own, without what rules would have to say about them."""
    for kind in kinds:
        with transaction.atomic():
            change = Change(lock_auction(auction.pk), at=at or timezone.now())
            if kind == "closed":
                change.auction.status, change.auction.closed_at = "no_bids", change.at
            if kind == "paused":
                change.auction.status, change.auction.paused_at = "paused", change.at
            if kind == "resumed":
                change.auction.status, change.auction.paused_at = "live", None
            if kind == "extended":
                change.auction.ends_at += timedelta(minutes=2)
            change.log(AuctionLogEntry.Kind.RESERVE)
            change.announce(AuctionEvent.Kind(kind))
            change.write()


def parsed(chunks: Iterator[str]) -> Iterator[Event | str]:
    """The events of a stream, and its comments as text."""
    lines: dict[str, str] = {}
    for line in chunks:
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            lines[name] = value
        else:
            if "data" in lines:
                yield Event(int(lines["id"]), lines["event"], json.loads(lines["data"]))
            lines = {}


def events_of(body: bytes) -> list[Event]:
    return [part for part in parsed(iter(body.decode().split("\n"))) if isinstance(part, Event)]


@contextmanager
def listening(url: str, auction_id: int, *, last_id: int | None = None, timeout: float = 30) -> Iterator[Iterator[Any]]:
    """The events of a stream as they come; it ends when the server ends it."""
    headers = {"Accept": "text/event-stream"} | ({} if last_id is None else {"Last-Event-ID": str(last_id)})
    with (
        httpx.Client(base_url=url, timeout=timeout) as client,
        client.stream("GET", f"/api/auctions/{auction_id}/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield parsed(answer.iter_lines())


@contextmanager
def hub_at_rest() -> Iterator[None]:
    """Afterwards nobody follows a stream of this process any more, and its reader has let go of the database."""
    try:
        yield
    finally:
        hub.close()
        hub.rest()
        hub._is_closing = False
