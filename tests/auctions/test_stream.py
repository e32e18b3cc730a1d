"""The live stream: what a watcher is sent, and what is refused."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from auctions.models import Auction
from auctions.services.bids import place_bid
from auctions.stream import reading
from auctions.stream.conversation import KEEP_ALIVE_S, LINGER_S, Conversation
from auctions.stream.frames import KEEP_ALIVE, RETRY, Frame
from auctions.stream.hub import Hub
from auctions.stream.reading import MAX_BEHIND, Feed, open_feed, read_news
from auctions.stream.responses import slots
from common import clock
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.live import events_of, hub_at_rest, tell


def feed_of(auction: Auction, last_id: int | None = None) -> Feed:
    return open_feed(auction_id=auction.pk, last_id=last_id, now=clock.now())


def opening(auction: Auction, last_id: int | None = None) -> list[tuple[int, str]]:
    return [event[:2] for event in events_of(feed_of(auction, last_id).opening)]


def frames(*seqs: int, kind: str = "bid") -> list[Frame]:
    return [Frame(seq, kind, b"%d;" % seq) for seq in seqs]


class Bell:
    """The reader looks when the test rings."""

    def __init__(self) -> None:
        self.rung, self.looked = threading.Semaphore(0), threading.Semaphore(0)

    def wait(self, is_watched: Callable[[int], bool]) -> None:
        self.looked.release()
        self.rung.acquire(timeout=0.05)

    def close(self) -> None:
        pass


class Source:
    """Stands for the table of events."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.asked: list[dict[int, int]] = []
        self.is_away = False

    def __call__(self, positions: Any) -> dict[int, list[Frame]]:
        self.asked.append(dict(positions))
        if self.is_away:
            raise OperationalError
        return {pk: [frame for frame in self.frames if frame.seq > after] for pk, after in positions.items()}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def hub(source: Source) -> Iterator[Hub]:
    hub = Hub(read=source, make_bell=Bell)  # type: ignore[arg-type]
    yield hub
    hub.close()
    hub._topics.clear()
    hub.rest()


class Watcher:
    """One who listens by hand."""

    def __init__(self, hub: Hub, after: int = 0) -> None:
        self.told = threading.Event()
        self.watch = hub.watch(auction_id=1, after=after, notify=self.told.set)

    def next(self) -> list[int] | None:
        assert self.told.wait(10)
        self.told.clear()
        taken = self.watch.take()
        return None if taken is None else [frame.seq for frame in taken]


# --- What it begins with ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_stream_begins_with_a_snapshot_of_what_everybody_may_know() -> None:
    auction = AuctionFactory(reserve_price=4321)
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=1777)
    auction.refresh_from_db()
    [(seq, kind, data)] = events_of(feed_of(auction).opening)
    assert (seq, kind) == (auction.event_seq, "snapshot")
    assert set(data) == {
        "event_seq", "server_time", "status", "ends_at", "price", "min_next", "bid_count", "reserve_status", "at",
        "alias", "leader_alias", "bid_seq",
    }  # fmt: skip
    assert (data["price"], data["min_next"], data["reserve_status"]) == ("1777.00", "1877.00", "not_met")
    assert (data["leader_alias"], data["bid_count"]) == ("Bidder 1", 1)


@pytest.mark.django_db
def test_whoever_comes_back_gets_what_was_missed_and_no_snapshot() -> None:
    auction = AuctionFactory()
    tell(auction, "bid", "extended", "reserve_met")
    assert opening(auction, 2) == [(3, "extended"), (4, "reserve_met")]
    assert opening(auction, 4) == []
    assert opening(auction, 0)[0] == (1, "opened")


@pytest.mark.django_db
def test_an_id_that_never_was_and_one_that_is_too_old_get_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    auction = AuctionFactory()
    tell(auction, "bid", "bid", "bid")
    assert opening(auction, 5) == [(4, "snapshot")]
    monkeypatch.setattr(reading, "MAX_BEHIND", 2)
    assert opening(auction, 2) == [(3, "bid"), (4, "bid")]
    assert opening(auction, 1) == [(4, "snapshot")]


@pytest.mark.django_db
def test_no_frame_holds_a_maximum_or_the_reserve() -> None:
    auction = AuctionFactory(reserve_price=1_500)
    one, two = BidderFactory(), BidderFactory()
    for bidder, amount in ((one, 7_777), (two, 1_600), (one, 8_888), (two, 6_666)):
        place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=amount)
    news = read_news({auction.pk: 0}, now=clock.now())[auction.pk]
    told = events_of(b"".join(frame.data for frame in news) + feed_of(auction).opening)
    assert [event.kind for event in told] == ["opened", "bid", "reserve_met", "bid", "bid", "snapshot"]
    values = {str(value) for event in told for name, value in event.data.items() if not name.endswith(("at", "time"))}
    assert values <= {
        *map(str, range(10)), "live", "None", "Bidder 1", "Bidder 2", "not_met", "met",
        "1000.00", "1500.00", "1600.00", "1700.00", "1800.00", "6916.00", "7166.00",
    }  # fmt: skip


@pytest.mark.django_db
def test_news_cost_one_query_and_one_more_per_auction_that_has_some(django_assert_num_queries: Any) -> None:
    moved, quiet = AuctionFactory(), AuctionFactory()
    with django_assert_num_queries(2):
        news = read_news({moved.pk: 0, quiet.pk: quiet.event_seq}, now=clock.now())
    assert set(news) == {moved.pk}
    with django_assert_num_queries(1):
        assert read_news({quiet.pk: 1, moved.pk: 1}, now=clock.now()) == {}


# --- One reader for all ----------------------------------------------------------------------------------------------


def test_every_watcher_gets_every_event_once_and_in_order(hub: Hub, source: Source) -> None:
    one, two = Watcher(hub, after=0), Watcher(hub, after=2)
    source.frames = frames(1, 2, 3, 4)
    assert one.next() == [1, 2, 3, 4]
    assert two.next() == [3, 4]
    source.frames += frames(5)
    assert (one.next(), two.next()) == ([5], [5])


def test_one_who_lacks_what_the_others_have_had_is_told_it_and_they_are_not_again(hub: Hub, source: Source) -> None:
    source.frames = frames(1, 2, 3)
    early = Watcher(hub, after=2)
    assert early.next() == [3]
    late = Watcher(hub, after=0)
    assert late.next() == [1, 2, 3]
    source.frames += frames(4)
    assert (early.next() or early.next(), late.next()) == ([4], [4])


def test_what_does_not_follow_is_not_told(hub: Hub, source: Source) -> None:
    watcher = Watcher(hub, after=0)
    source.frames = frames(2, 3)
    assert not watcher.told.wait(0.2)
    source.frames = frames(1, 2, 3)
    assert watcher.next() == [1, 2, 3]


def test_one_who_is_too_slow_is_dropped(hub: Hub, source: Source) -> None:
    slow = Watcher(hub, after=0)
    source.frames = frames(*range(1, MAX_BEHIND + 2))
    assert slow.next() is None


def test_a_database_that_is_away_loses_nothing(hub: Hub, source: Source) -> None:
    source.is_away = True
    watcher = Watcher(hub, after=0)
    source.frames = frames(1)
    assert not watcher.told.wait(0.2)
    source.is_away = False
    assert watcher.next() == [1]


def test_the_reader_ends_with_its_last_watcher_and_begins_again(hub: Hub, source: Source) -> None:
    Watcher(hub).watch.leave()
    hub.rest()
    assert not hub._is_running
    source.frames = frames(1)
    assert Watcher(hub).next() == [1]


def test_a_process_that_ends_tells_its_watchers(hub: Hub) -> None:
    watcher = Watcher(hub)
    hub.close()
    assert watcher.next() is None


# --- One conversation ------------------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def conversation(hub: Hub, time: Clock, told: threading.Event, **feed: Any) -> Conversation:
    values = {"auction_id": 1, "opening": b"open;", "after": 0, "is_over": False, "is_told": False} | feed
    return Conversation(Feed(**values), hub, told.set, clock=time)


def test_silence_is_broken_every_fifteen_seconds(hub: Hub) -> None:
    time = Clock()
    talk = conversation(hub, time, threading.Event())
    assert talk.step() == (RETRY + b"open;", 0)
    assert talk.step() == (b"", KEEP_ALIVE_S)
    time.now = KEEP_ALIVE_S
    assert talk.step() == (KEEP_ALIVE, 0)
    assert talk.step() == (b"", KEEP_ALIVE_S)
    talk.close()


def test_a_stream_ends_a_while_after_the_end_was_told(hub: Hub, source: Source) -> None:
    time, told = Clock(), threading.Event()
    talk = conversation(hub, time, told)
    talk.step()
    source.frames = frames(1) + frames(2, kind="closed")
    assert told.wait(10)
    assert talk.step() == (b"1;2;", 0)
    time.now = LINGER_S
    assert talk.step() is None
    talk.close()


def test_of_an_auction_that_is_over_a_stream_ends_soon(hub: Hub) -> None:
    time = Clock()
    talk = conversation(hub, time, threading.Event(), is_over=True)
    talk.step()
    time.now = LINGER_S
    assert talk.step() is None
    talk.close()


# --- Over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def url(db: None) -> str:
    return f"/api/auctions/{AuctionFactory().pk}/stream"


def hang_up(answer: Any) -> None:
    """As the server does, but for the end of the request, at which Django would close the test's connection."""
    with patch.object(connection, "close_if_unusable_or_obsolete"):
        answer.close()


def first(answer: Any) -> bytes:
    chunk: bytes = next(iter(answer.streaming_content))
    return chunk


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "text/*;q=0.5"])
def test_the_answer_is_a_stream_that_nobody_keeps(api: APIClient, url: str, accept: str) -> None:
    with hub_at_rest():
        answer = api.get(url, HTTP_ACCEPT=accept)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
        assert (answer["Cache-Control"], answer["X-Accel-Buffering"]) == ("no-store", "no")
        assert first(answer).startswith(b"retry: 2000\n\nid: 1\nevent: snapshot\ndata: {")
        hang_up(answer)


def test_the_header_wins_over_the_parameter(api: APIClient, url: str) -> None:
    auction = Auction.objects.get()
    tell(auction, "bid", "bid")
    with hub_at_rest():
        by_header = api.get(f"{url}?last_event_id=1", HTTP_LAST_EVENT_ID="2")
        assert [event.seq for event in events_of(first(by_header))] == [3]
        hang_up(by_header)
        by_parameter = api.get(f"{url}?last_event_id=1", HTTP_LAST_EVENT_ID="")
        assert [event.seq for event in events_of(first(by_parameter))] == [2, 3]
        hang_up(by_parameter)


def test_whoever_has_seen_the_end_is_told_to_give_up(api: APIClient, url: str) -> None:
    tell(Auction.objects.get(), "closed")
    answer = api.get(url, HTTP_LAST_EVENT_ID="2", HTTP_ACCEPT="text/event-stream")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("status", "code", "query", "headers"),
    [
        (406, "not_acceptable", "", {"HTTP_ACCEPT": "application/json"}),
        (400, "invalid", "", {"HTTP_LAST_EVENT_ID": "x"}),
        (400, "invalid", "", {"HTTP_LAST_EVENT_ID": "12345678901"}),
        (400, "invalid", "?last_event_id=-1", {}),
        (400, "unknown_parameter", "?since=1", {}),
    ],
)
def test_what_cannot_be_meant_is_refused(
    api: APIClient, url: str, status: int, code: str, query: str, headers: dict[str, str]
) -> None:
    answer = api.get(url + query, **headers)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert answer.json()["errors"][0]["code"] == code


def test_what_is_not_there_and_what_is_hidden_answer_alike(api: APIClient, url: str) -> None:
    Auction.objects.get().listing.__class__.objects.update(status="suspended")
    hidden = api.get(url, HTTP_ACCEPT="text/event-stream")
    absent = api.get("/api/auctions/4711/stream", HTTP_ACCEPT="text/event-stream")
    assert (hidden.status_code, hidden["Content-Type"]) == (404, "application/json")
    assert hidden.content == absent.content


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "head"])
def test_it_can_only_be_read(api: APIClient, url: str, method: str) -> None:
    answer = getattr(api, method)(url)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, OPTIONS")


@pytest.mark.parametrize("limit", ["STREAMS_PER_PROCESS", "STREAMS_PER_ADDRESS"])
def test_there_is_a_bound_on_open_streams(api: APIClient, url: str, settings: Any, limit: str) -> None:
    setattr(settings, limit, 1)
    with hub_at_rest():
        open_one = api.get(url)
        refused = api.get(url)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (503, "too_many_streams")
        assert refused["Retry-After"] == "10"
        hang_up(open_one)
        again = api.get(url)
        assert again.status_code == 200, again.json()
        hang_up(again)


def test_an_answer_that_is_never_sent_gives_its_place_back(api: APIClient, url: str, settings: Any) -> None:
    settings.STREAMS_PER_PROCESS = 1
    answer = api.get(url)
    assert slots._taken.total() == 1
    del answer
    gc.collect()
    assert slots._taken.total() == 0


def test_openings_are_limited(api: APIClient, url: str, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"streams": "1/minute"}
    with hub_at_rest():
        hang_up(api.get(url))
        assert api.get(url).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_events_arrive_while_the_answer_goes_on(api: APIClient) -> None:
    auction = AuctionFactory()
    with hub_at_rest():
        answer = api.get(f"/api/auctions/{auction.pk}/stream")
        parts = iter(answer.streaming_content)
        assert events_of(next(parts))[0].kind == "snapshot"
        tell(auction, "bid", "extended")
        got: list[int] = []
        while len(got) < 2:
            got += [event.seq for event in events_of(next(parts))]
        assert got == [2, 3]
        hang_up(answer)
