"""Telling people what happened in their auctions. A change writes its public events; this sweep reads each of them once
and writes the notifications, so that nobody who bids waits for it. The texts are built from the event as it was
committed, whatever has happened since.

They name prices, which everybody sees, and never a maximum or the reserve. Lock order: the event, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import Notification
from accounts.notifications import Message, notify_many
from accounts.registry import MailContent, NotificationKind, notification_kinds
from auctions.models import AuctionBidder, AuctionEvent
from common.doorbell import ring_now_and_then
from common.money import money_text
from common.sweeps import SweepResult, sweep

BID_PLACED = "bid_placed"
OUTBID = "outbid"
BID_VOIDED = "bid_voided"
RESERVE_MET = "reserve_met"
AUCTION_WON = "auction_won"
AUCTION_LOST = "auction_lost"
AUCTION_CLOSED = "auction_closed"
AUCTION_PAUSED = "auction_paused"
AUCTION_CANCELLED = "auction_cancelled"

LABELS = {
    BID_PLACED: "Your bids, and bids on what you sell",
    OUTBID: "Somebody has outbid you",
    BID_VOIDED: "Bids of yours that were voided, and auctions that you lead again",
    RESERVE_MET: "The reserve of your auction is met",
    AUCTION_WON: "Auctions that you have won",
    AUCTION_LOST: "Auctions that others have won",
    AUCTION_CLOSED: "The end of your auctions",
    AUCTION_PAUSED: "Auctions that are paused, and go on",
    AUCTION_CANCELLED: "Auctions that were cancelled",
}
IN_APP_ONLY = (BID_PLACED, AUCTION_PAUSED)
SOLD = ("sold", "bought_now")
Kind = AuctionEvent.Kind


def register_kinds() -> None:
    """Called once the apps are ready."""
    for kind, label in LABELS.items():
        entry = NotificationKind(label=label, email=kind not in IN_APP_ONLY, build_mail=auction_mail)
        notification_kinds.register(kind, entry)


def auction_mail(notification: Notification) -> MailContent:
    """The notification's own words, and the way to the auction."""
    return MailContent(
        notification.title,
        notification.body,
        link=f"{settings.BACKEND_URL}/api/auctions/{notification.data['auction']}",
        link_label="See the auction",
    )


def tell_on_commit() -> None:
    """Have the sweep run soon. However hot an auction is, this process sends at most one message a second for it."""
    ring_now_and_then("auctions.tasks.tell_events")


def tell_events(*, now: datetime) -> SweepResult:
    """Tell of every event that was not told yet, the oldest change first. One that fails is told by a later run and
    does not stop the others; two runs at once pass each other's events over."""
    return sweep(_untold(), _tell, now=now)


def _untold() -> QuerySet[AuctionEvent]:
    return AuctionEvent.objects.filter(told_at=None).select_related("auction__listing", "entry__voids")


def _tell(event: AuctionEvent, *, now: datetime) -> None:
    """An event whose row is locked. The queries do not depend on how many are told, but for one more of each kind for
    every 500 of them."""
    messages_about = _MESSAGES.get(event.kind)
    if messages_about is not None:
        notify_many(messages_about(event), now=now)
    AuctionEvent.objects.filter(pk=event.pk).update(told_at=now)


# --- Who is told what -------------------------------------------------------------------------------------------------


def _of_bid(event: AuctionEvent) -> Iterator[Message]:
    bidder_id, price = event.entry.bidder_id, _money(event.price, event)
    yield _to_seller(
        event, BID_PLACED, "A new bid", f"{event.alias} has bid. The price is {price} after {_bids(event.bid_count)}."
    )
    if bidder_id is not None and bidder_id == event.leader_id:
        yield _message(event, bidder_id, BID_PLACED, "You lead", f"You lead at {price}. {_ends(event)}")
    elif bidder_id is not None:
        body = f"Another bidder's maximum is as high as yours or higher. {_next_bid(event)}"
        yield _message(event, bidder_id, BID_PLACED, "Your bid does not lead", body)
    if event.previous_leader_id not in (None, event.leader_id):
        yield _message(event, event.previous_leader_id, OUTBID, "You were outbid", _next_bid(event))


def _of_voided_bid(event: AuctionEvent) -> Iterator[Message]:
    """Its bidder, and whoever is bound again by it."""
    voided = event.entry.voids
    if voided is not None and voided.bidder_id is not None:
        by_bidder = event.entry.actor_id == voided.bidder_id
        title = "You took a bid back" if by_bidder else "A bid of yours was voided"
        reason = f"Reason: {event.entry.reason}\n\n" if event.entry.reason else ""
        yield _message(event, voided.bidder_id, BID_VOIDED, title, f"{reason}{_standing(event)}")
    if event.leader_id not in (None, event.previous_leader_id):
        body = f"A bid was taken back or voided, and your own leads again. {_standing(event)}"
        yield _message(event, event.leader_id, BID_VOIDED, "You lead again", body)


def _of_reserve_met(event: AuctionEvent) -> Iterator[Message]:
    body = f"The price is {_money(event.price, event)}: whoever leads at the end buys."
    yield _to_seller(event, RESERVE_MET, "The reserve is met", body)


def _of_end(event: AuctionEvent) -> Iterator[Message]:
    sold, price = event.status in SOLD, _money(event.price, event)
    if event.leader_id is not None and sold:
        body = f"You have won at {price}. To this come the buyer's fees; your order tells the total and how to pay."
        yield _message(event, event.leader_id, AUCTION_WON, "You have won", body)
    elif event.leader_id is not None:
        body = f"Yours was the highest bid, {price}, but the reserve was not met."
        yield _message(event, event.leader_id, AUCTION_CLOSED, "The reserve was not met", body)
    lost = f"It was sold to another bidder for {price}." if sold else "It ended without a sale."
    yield from _to_bidders(event, AUCTION_LOST, "You have not won", lost, beside=event.leader_id)
    yield _to_seller(event, AUCTION_CLOSED, *_outcome(event))


def _outcome(event: AuctionEvent) -> tuple[str, str]:
    """For the seller."""
    price = _money(event.price, event)
    if event.status in SOLD:
        return "Sold", f"{event.leader_alias} has bought it for {price}. The order awaits the payment."
    if event.leader_id is None:
        return "Ended without bids", "Nobody has bid."
    return "The reserve was not met", f"The highest bid was {price}."


def _of_pause(event: AuctionEvent) -> Iterator[Message]:
    yield from _to_all(event, AUCTION_PAUSED, "Paused", "No bids are taken until it goes on; the time is added then.")


def _of_resumption(event: AuctionEvent) -> Iterator[Message]:
    yield from _to_all(event, AUCTION_PAUSED, "Bidding goes on", _ends(event))


def _of_cancellation(event: AuctionEvent) -> Iterator[Message]:
    """The seller is told the reason, the bidders that their bids bind them no more."""
    body = "It was cancelled. Your bids bind you no more."
    yield from _to_bidders(event, AUCTION_CANCELLED, "Cancelled", body)
    if event.entry.actor_id != event.auction.seller_id:
        reason = f" Reason: {event.entry.reason}" if event.entry.reason else ""
        yield _to_seller(event, AUCTION_CANCELLED, "Cancelled", f"Your auction was cancelled.{reason}")


# The start, and an extension by a bid that is told anyhow, are for the live stream alone.
_MESSAGES: Mapping[str, Callable[[AuctionEvent], Iterator[Message]]] = {
    Kind.BID: _of_bid,
    Kind.BID_VOIDED: _of_voided_bid,
    Kind.RESERVE_MET: _of_reserve_met,
    Kind.CLOSED: _of_end,
    Kind.PAUSED: _of_pause,
    Kind.RESUMED: _of_resumption,
    Kind.CANCELLED: _of_cancellation,
}


# --- How it is said ---------------------------------------------------------------------------------------------------


def _message(event: AuctionEvent, user_id: int, kind: str, title: str, body: str) -> Message:
    auction = event.auction
    return Message(
        user_id,
        kind,
        title=f"{title}: {auction.listing}",
        body=body,
        data={"auction": auction.pk, "listing": auction.listing_id, "event_seq": event.seq},
        dedupe_key=f"event:{event.pk}",
    )


def _to_seller(event: AuctionEvent, kind: str, title: str, body: str) -> Message:
    return _message(event, event.auction.seller_id, kind, title, body)


def _to_bidders(
    event: AuctionEvent, kind: str, title: str, body: str, *, beside: int | None = None
) -> Iterator[Message]:
    """All who had bid by then, also those whose bids were voided."""
    bidders = AuctionBidder.objects.filter(auction_id=event.auction_id, first_bid_at__lte=event.at)
    for user_id in bidders.order_by("user_id").values_list("user_id", flat=True):
        if user_id != beside:
            yield _message(event, user_id, kind, title, body)


def _to_all(event: AuctionEvent, kind: str, title: str, body: str) -> Iterator[Message]:
    yield from _to_bidders(event, kind, title, body)
    yield _to_seller(event, kind, title, body)


def _standing(event: AuctionEvent) -> str:
    if event.price is None:
        return "There is no bid now."
    return f"The price is {_money(event.price, event)}. {_ends(event)}"


def _next_bid(event: AuctionEvent) -> str:
    price, least = _money(event.price, event), _money(event.min_next, event)
    return f"The price is {price}; the next bid has to be {least} or more. {_ends(event)}"


def _ends(event: AuctionEvent) -> str:
    return f"The auction ends on {moment_text(event.ends_at)}."


def _bids(count: int) -> str:
    return "1 bid" if count == 1 else f"{count} bids"


def _money(amount: Decimal | None, event: AuctionEvent) -> str:
    return "" if amount is None else money_text(amount, event.auction.currency)


def moment_text(moment: datetime) -> str:
    """`28 Nov 2026 at 18:30 UTC`: one text for many readers, whose zones differ."""
    there = moment.astimezone(UTC)
    return f"{there.day} {there:%b %Y at %H:%M} UTC"
