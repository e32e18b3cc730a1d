"""The stream process is replaced, and killed, and loses its Redis, while bids come: whoever watches misses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from auctions.models import Auction
from tests.auctions.factories import AuctionFactory
from tests.auctions.live import Event, listening, tell
from tests.common.redis_server import RedisServer, running_redis
from tests.concurrency.second_server import url_of_the_test_database
from tests.e2e.processes import Platform, running_platform

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
]
ASGI = ["gunicorn", "--worker-class", "asgi", "--workers", "1", "config.asgi"]


class Follower:
    """Comes back as a browser does, with the id of the last event, as often as it is cut off."""

    def __init__(self, platform: Platform, auction: Auction) -> None:
        self.seqs: list[int] = []
        self.kinds: list[str] = []
        self._platform, self._auction = platform, auction
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        self.wait_for(auction.event_seq)

    def _follow(self) -> None:
        while not self._stop.is_set():
            with suppress(httpx.TransportError):
                self._listen(self.seqs[-1] if self.seqs else None)
            self._stop.wait(0.1)

    def _listen(self, last_id: int | None) -> None:
        with listening(self._platform.url, self._auction.pk, last_id=last_id) as parts:
            for part in parts:
                if isinstance(part, Event):
                    self.seqs.append(part.seq)
                    self.kinds.append(part.kind)
                if self._stop.is_set():
                    return

    def wait_for(self, seq: int) -> None:
        self._platform.until(f"event {seq}", lambda: self.seqs and self.seqs[-1] >= seq, within=60)

    def end(self) -> None:
        self._stop.set()
        tell(self._auction, "bid")  # So that it wakes.
        self._thread.join(30)


@contextmanager
def followed(folder: Path, redis: RedisServer) -> Iterator[tuple[Platform, Auction, list[Follower]]]:
    auction = AuctionFactory()
    servers = {"DATABASE_URL": url_of_the_test_database(), "REDIS_URL": redis.url, "REDIS_CACHE_URL": redis.url}
    with running_platform(folder, {"web": ASGI}, **servers) as platform:
        followers = [Follower(platform, auction) for _ in range(5)]
        yield platform, auction, followers
        auction.refresh_from_db()
        for follower in followers:
            follower.wait_for(auction.event_seq)
        seqs = [list(follower.seqs) for follower in followers]
        kinds = [list(follower.kinds) for follower in followers]
        for follower in followers:
            follower.end()
    assert seqs == [list(range(1, auction.event_seq + 1))] * 5
    assert all(set(later) == {"bid"} for _, *later in kinds)


@pytest.mark.fault(
    "F18",
    "the process of live streams ended or killed, with five who watch",
    expected="everybody gets every event once",
)
@pytest.mark.parametrize("how", ["end", "kill"])
def test_a_server_that_is_replaced_loses_no_event_and_repeats_none(
    tmp_path: Path, how: str, witness: Callable[..., None]
) -> None:
    with running_redis() as redis, followed(tmp_path, redis) as (platform, auction, _):
        tell(auction, *["bid"] * 10)
        getattr(platform, how)("web")
        tell(auction, *["bid"] * 10)
        platform.start("web", ASGI)
        tell(auction, *["bid"] * 10)
    witness(watchers=5, events=30, lost=0, twice=0)


@pytest.mark.fault(
    "F4", "stopped by SIGSTOP, and before that killed, under live streams", expected="everybody gets every event once"
)
def test_without_redis_and_with_a_frozen_one_it_goes_on(tmp_path: Path, witness: Callable[..., None]) -> None:
    with running_redis() as redis, followed(tmp_path, redis) as (_, auction, followers):
        tell(auction, *["bid"] * 3)
        redis.stop()
        tell(auction, *["bid"] * 3)
        followers[0].wait_for(7)
        redis.start()
        tell(auction, *["bid"] * 3)
        followers[0].wait_for(10)
        redis.freeze()
        tell(auction, *["bid"] * 3)
        followers[0].wait_for(13)
        redis.thaw()
    witness(watchers=5, events=12, lost=0, twice=0)
