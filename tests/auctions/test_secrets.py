"""The reserve and the maxima are secrets: no answer to others holds them, and none changes when only they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from auctions.models import Auction, AuctionEvent, AuctionLogEntry
from auctions.serializers.auctions import AuctionSerializer
from auctions.services import telling
from auctions.services.auctions import lower_reserve
from auctions.services.closing import close_auction
from auctions.stream.frames import event_frame, snapshot_frame
from tests.answers import pages
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.auctions.trust import bid, closed
from tests.security.document import Operation, operations

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
RESERVE, LOWERED = "7777.13", "7000.11"
MAXIMUM, RAISED = "5555.17", "6666.19"
BETWEEN = ("6000", "7500")  # Of the two maxima, and of the two reserves.
SECRETS = (RESERVE, LOWERED, MAXIMUM, RAISED)
MOMENTS = ("server_time", "generated_at", "issued_at")
ABOUT = ("/api/auctions", "/api/vehicles", "/api/bids", "/api/watchlist", "/api/saved-searches", "/api/notifications")
ALSO = ("GET /api/auth/me/export", "GET /api/orders", "GET /api/clock")
FREE_HEADERS = {"Date", "X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}


class Market(NamedTuple):
    """One auction whose reserve is not met, and the people around it."""

    auction: Auction
    leader: User
    rival: User

    def ids(self) -> dict[str, Any]:
        """What the paths name: the auction and its listing."""
        return {"auction_pk": self.auction.pk, "vehicle_pk": self.auction.listing_id, "token": "none"}


@pytest.fixture
def market() -> Market:
    listing = ListingFactory(reserve_price=Decimal(RESERVE))
    auction = AuctionFactory(listing=listing, reserve_price=Decimal(RESERVE), under_reserve="minimum")
    leader, rival = BidderFactory.create_batch(2)
    bid(auction, leader, MAXIMUM)
    bid(auction, rival, "2000")
    telling.tell_events(now=timezone.now())
    return Market(auction, leader, rival)


def readings() -> list[Operation]:
    """From the schema: whatever shows auctions, listings or bids, also what comes to be added."""
    found = [one for one in operations().values() if one.method == "get" and one.path.startswith(ABOUT)]
    found = [one for one in found if not one.path.endswith("/stream")]  # Its frames are read by a test of their own.
    return found + [operations()[name] for name in ALSO if name in operations()]


def queries(operation: Operation) -> Iterator[dict[str, str]]:
    """Without parameters, and with each one at telling values."""
    yield {}
    for parameter in operation.spec.get("parameters", ()):
        schema = parameter["schema"]
        if parameter["in"] != "query" or parameter["name"] in ("page", "skip", "cursor", "limit", "after"):
            continue
        values = schema.get("enum") or schema.get("items", {}).get("enum")
        if schema.get("type") == "boolean":
            values = ["true", "false"]
        for value in values or (BETWEEN if "price" in parameter["name"] else BETWEEN[:1]):
            yield {parameter["name"]: str(value)}


def path_of(operation: Operation, market: Market) -> str:
    own = market.auction.listing_id if operation.path.startswith("/api/vehicles") else market.auction.pk
    return operation.path.format_map(_Facts(market.ids() | {"id": own}))


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> int:
        return 1


def text_of(answer: Any) -> str:
    """The body; of a PDF what is to be read in it."""
    if answer["Content-Type"] == "application/pdf":
        return "".join(pages(answer.content))
    if not answer.streaming:
        return str(answer.content.decode())
    with closing(answer):
        return b"".join(answer.streaming_content).decode()


def walk(client: APIClient, market: Market) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What each reading answers: its name, the body, the headers."""
    for operation in readings():
        for query in queries(operation):
            answer = client.get(path_of(operation, market), query)
            assert answer.status_code < 500, (operation.name, query)
            headers = {name: value for name, value in answer.headers.items() if name not in FREE_HEADERS}
            yield f"{operation.name} {query}", text_of(answer), headers


def lasting(text: str) -> str:
    """Without the moment of the answer."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items() if name not in MOMENTS}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    if text.startswith(("{", "[")):
        return json.dumps(without(json.loads(text)))
    return text


def views(clients: dict[str, APIClient], market: Market) -> dict[tuple[str, str], tuple[str, Any]]:
    """All that these people see: the body, and the headers but for the length that a moment may change."""
    return {
        (who, name): (lasting(text), headers | {"Content-Length": ""})
        for who, client in clients.items()
        for name, text, headers in walk(client, market)
    }


def people(market: Market, as_user: SignIn) -> dict[str, APIClient]:
    """Those who may know neither secret."""
    return {"anonymous": APIClient(), "stranger": as_user(BidderFactory()), "rival": as_user(market.rival)}


def leaks(clients: dict[str, APIClient], market: Market) -> list[tuple[str, str, str]]:
    return [
        (who, name, secret)
        for who, client in clients.items()
        for name, text, headers in walk(client, market)
        for secret in SECRETS
        if secret in text + json.dumps(headers)
    ]


def test_the_walk_knows_the_readings() -> None:
    names = {operation.name for operation in readings()}
    assert {"GET /api/auctions", "GET /api/auctions/{id}", "GET /api/auctions/{id}/audit"} <= names
    assert {"GET /api/auctions/{auction_pk}/bids", "GET /api/vehicles", "GET /api/vehicles/{id}"} <= names
    assert {"GET /api/bids/mine", "GET /api/watchlist", "GET /api/notifications"} <= names


@pytest.mark.parametrize("state", ["live", "closed"])
def test_no_reading_tells_others_a_secret(market: Market, as_user: SignIn, state: str) -> None:
    bid(market.auction, market.leader, RAISED)
    if state == "closed":
        assert closed(market.auction).status == "reserve_not_met"
    telling.tell_events(now=timezone.now())
    assert leaks(people(market, as_user), market) == []


def test_a_winner_and_a_loser_learn_no_more_than_the_price(as_user: SignIn) -> None:
    auction = AuctionFactory()
    winner, loser = BidderFactory.create_batch(2)
    bid(auction, winner, MAXIMUM)
    bid(auction, loser, "2000")
    assert closed(auction).status == "sold"
    telling.tell_events(now=timezone.now())
    clients = {"loser": as_user(loser), "seller": as_user(auction.seller)}
    assert leaks(clients, Market(auction, winner, loser)) == []


def test_a_silent_raise_changes_no_answer_to_others(market: Market, as_user: SignIn) -> None:
    clients = {"rival": as_user(market.rival), "seller": as_user(market.auction.seller)}
    before = views(clients, market)
    bid(market.auction, market.leader, RAISED)
    telling.tell_events(now=timezone.now())
    assert views(clients, market) == before


def test_a_lower_reserve_that_is_still_unmet_changes_no_answer_to_others(market: Market, as_user: SignIn) -> None:
    clients = {"anonymous": APIClient(), "leader": as_user(market.leader)}
    before = views(clients, market)
    lower_reserve(auction_id=market.auction.pk, actor=market.auction.seller, reserve_price=Decimal(LOWERED))
    telling.tell_events(now=timezone.now())
    assert views(clients, market) == before


@pytest.mark.parametrize("secret", ["leader_max", "reserve_price"])
def test_the_walk_would_find_a_leak(
    market: Market, as_user: SignIn, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(AuctionSerializer, "get_buy_now", lambda self, auction: getattr(auction, secret))
    found = leaks({"anonymous": APIClient()}, market)
    assert ("anonymous", "GET /api/auctions/{id} {}") in {(who, name) for who, name, _ in found}


def test_the_comparison_would_find_a_counter_of_the_private_log(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a number that holds no amount, and counts silent raises."""
    monkeypatch.setattr(AuctionSerializer, "get_buy_now", lambda self, auction: Decimal(auction.log_seq))
    clients = {"anonymous": APIClient()}
    before = views(clients, market)
    bid(market.auction, market.leader, RAISED)
    assert views(clients, market) != before


def frames(auction: Auction) -> list[str]:
    """All that a stream could send about the auction."""
    moment = auction.created_at
    events = AuctionEvent.objects.filter(auction=auction).order_by("seq")
    sent = [snapshot_frame(Auction.objects.get(pk=auction.pk), now=moment)]
    return [str(frame.data) for frame in sent + [event_frame(event, now=moment) for event in events]]


def test_no_frame_of_the_stream_tells_a_secret_or_changes_by_one(market: Market) -> None:
    before = frames(market.auction)
    bid(market.auction, market.leader, RAISED)
    lower_reserve(auction_id=market.auction.pk, actor=market.auction.seller, reserve_price=Decimal(LOWERED))
    assert frames(market.auction) == before
    assert [secret for secret in SECRETS if secret in "".join(before)] == []


def test_refusals_tell_no_secret(market: Market, as_user: SignIn) -> None:
    client, auction = as_user(market.rival), f"/api/auctions/{market.auction.pk}"
    User.objects.filter(pk=market.rival.pk).update(bid_limit=Decimal(3000))
    own = AuctionLogEntry.objects.get(bidder=market.leader)
    bodies = [
        ("bids", {"amount": amount}) for amount in ("2000", "2001", "2050.00", "3000.01", "9999999.99", "x", "7777.131")
    ]
    answers = [client.post(f"{auction}/{verb}", body) for verb, body in bodies]
    answers += [client.post(f"{auction}/{verb}", {}) for verb in ("buy-now", "reserve", "cancel", "pause", "resume")]
    answers += [client.post(f"/api/bids/{own.pk}/{verb}", {"reason": "No."}) for verb in ("retract", "void")]
    assert {answer.status_code for answer in answers} <= {400, 403, 404, 409, 422}
    for answer in answers:
        body = answer.content.decode()
        assert not [secret for secret in (RESERVE, MAXIMUM) if secret in body]


def test_events_notifications_and_mails_tell_no_secret(market: Market) -> None:
    bid(market.auction, market.leader, RAISED)
    end = Auction.objects.get(pk=market.auction.pk).ends_at
    close_auction(auction_id=market.auction.pk, clock=lambda: end)
    telling.tell_events(now=timezone.now())
    rows = [*AuctionEvent.objects.values(), *Notification.objects.exclude(user=market.leader).values()]
    assert Notification.objects.count() > 0
    texts = [str(row) for row in rows] + [f"{one.subject} {one.body}" for one in mail.outbox]
    assert [text for text in texts if any(amount in text for amount in (RESERVE, MAXIMUM, RAISED))] == []


def test_logs_name_no_secret(market: Market, caplog: pytest.LogCaptureFixture, as_user: SignIn) -> None:
    client = as_user(market.leader)
    answer = client.post(f"/api/auctions/{market.auction.pk}/bids", {"amount": RAISED})
    assert answer.status_code == 201
    assert RAISED not in caplog.text
    assert RAISED not in answer.content.decode()
