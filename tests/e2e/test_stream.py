"""Live streams over real connections, from both kinds of server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from auctions.models import Auction
from tests.auctions.factories import AuctionFactory
from tests.auctions.live import Event, listening, tell
from tests.concurrency.second_server import url_of_the_test_database
from tests.e2e.processes import Platform, running_platform

# In no group: groups come first, and what these empty (the rows of data migrations) others need.
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
GRACEFUL_TIMEOUT_S = 30  # Of gunicorn.conf.py.
SERVERS = {
    "wsgi": ["gunicorn", "config.wsgi", "--workers", "1", "--threads", "2"],
    "asgi": ["gunicorn", "--worker-class", "asgi", "--workers", "1", "config.asgi"],
}


@contextmanager
def streaming(kind: str, folder: Path, **environment: str) -> Iterator[Platform]:
    """A server of one kind on the database of the test, which is migrated."""
    environment["DATABASE_URL"] = url_of_the_test_database()
    with running_platform(folder, {"web": SERVERS[kind]}, prepared=True, **environment) as platform:
        yield platform


@pytest.fixture(scope="module", params=list(SERVERS))
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_setup: None
) -> Iterator[Platform]:
    with streaming(request.param, tmp_path_factory.mktemp("web")) as platform:
        yield platform


class Listener:
    """Hears a stream in a thread until the server ends it."""

    def __init__(self, platform: Platform, auction: Auction) -> None:
        self.heard: list[Event] = []
        self._arguments = (platform.url, auction.pk)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        platform.until("the stream begins", lambda: self.heard, within=60)

    def _listen(self) -> None:
        with listening(*self._arguments) as parts:
            for part in parts:
                if isinstance(part, Event):
                    self.heard.append(part)

    def end(self) -> list[int]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return [event.seq for event in self.heard]


@pytest.mark.parametrize("kind", SERVERS)
def test_all_hear_everything_in_order_until_the_server_ends(kind: str, tmp_path: Path) -> None:
    auction = AuctionFactory()
    with streaming(kind, tmp_path) as platform:
        with ThreadPoolExecutor(20) as together:  # Many more than the API has threads, and all at once.
            listeners = list(together.map(lambda _: Listener(platform, auction), range(20)))
        tell(auction, "bid", "extended", "reserve_met")
        for listener in listeners:
            platform.until("all is heard", lambda listener=listener: len(listener.heard) == 4, within=60)
        assert httpx.get(f"{platform.url}/health").status_code == 200
        started = time.monotonic()
        assert platform.end("web") == 0
        assert time.monotonic() - started < GRACEFUL_TIMEOUT_S  # By themselves, not cut off by the server.
    assert [listener.end() for listener in listeners] == [[1, 2, 3, 4]] * 20
    assert [event.kind for event in listeners[0].heard] == ["snapshot", "bid", "extended", "reserve_met"]


def test_who_comes_back_goes_on_where_it_was_cut_off(platform: Platform) -> None:
    auction = AuctionFactory()
    tell(auction, "bid", "bid", "bid")
    with listening(platform.url, auction.pk, last_id=2) as parts:
        assert [next(parts).seq for _ in range(2)] == [3, 4]
        tell(auction, "bid")
        assert next(parts).seq == 5


def test_refusals_are_the_same_json(platform: Platform) -> None:
    auction = AuctionFactory()
    url = f"{platform.url}/api/auctions/{auction.pk}/stream"
    asks = [
        httpx.get(f"{platform.url}/api/auctions/4711/stream", headers={"Accept": "text/event-stream"}),
        httpx.get(url, headers={"Accept": "application/json"}),
        httpx.get(url, headers={"Last-Event-ID": "x"}),
        httpx.post(url),
    ]
    assert [answer.status_code for answer in asks] == [404, 406, 400, 405]
    assert {answer.headers["Content-Type"] for answer in asks} == {"application/json"}


@pytest.mark.parametrize("kind", SERVERS)
def test_places_are_given_back(kind: str, tmp_path: Path) -> None:
    auction = AuctionFactory()
    with streaming(kind, tmp_path, STREAMS_PER_PROCESS="1") as platform:
        with listening(platform.url, auction.pk) as parts:
            next(parts)
            refused = httpx.get(f"{platform.url}/api/auctions/{auction.pk}/stream")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        tell(auction, "bid")  # The server notices that nobody listens when it has something to say.
        tell(auction, "bid")
        platform.until("the place is free", lambda: _opens(platform, auction), within=60)


def _opens(platform: Platform, auction: Auction) -> bool:
    url = f"{platform.url}/api/auctions/{auction.pk}/stream"
    with httpx.stream("GET", url) as answer:
        if answer.status_code != 200:
            tell(auction, "bid")
        return answer.status_code == 200


@pytest.mark.postgres
@pytest.mark.parametrize("kind", SERVERS)
def test_streams_that_wait_hold_no_connection(kind: str, tmp_path: Path) -> None:
    auction = AuctionFactory()
    role = {"wsgi": "web", "asgi": "stream"}[kind]
    with streaming(kind, tmp_path) as platform:
        listeners = [Listener(platform, auction) for _ in range(12)]
        with psycopg.connect(url_of_the_test_database(), autocommit=True) as database:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
            row = database.execute(count, [f"forecourt-{role}"]).fetchone()
        assert row is not None
        assert row[0] <= 4  # Those of the API's threads, and the reader's.
        platform.end("web")
        for listener in listeners:
            listener.end()
