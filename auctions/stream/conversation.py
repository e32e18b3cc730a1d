"""What one watcher is sent, and when; the waiting itself is done by whoever asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from auctions.stream.frames import KEEP_ALIVE, LAST_KINDS, RETRY
from auctions.stream.hub import Hub
from auctions.stream.reading import Feed

log = structlog.get_logger(__name__)

KEEP_ALIVE_S = 15.0
LINGER_S = 30.0  # After the end was told, for a correction that follows at once.
_OPEN = Gauge("auction_streams_open", "Open live streams.", multiprocess_mode="livesum")


class Step(NamedTuple):
    """Bytes to send now, or else how long to wait for a notice (seconds)."""

    chunk: bytes
    wait_s: float


class Conversation:
    """One stream from its opening to its end. `close` it in any case."""

    def __init__(
        self, feed: Feed, hub: Hub, notify: Callable[[], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._feed, self._clock = feed, clock
        self._opening = RETRY + feed.opening
        self._started_at = self._sent_at = clock()
        self._over_at = self._started_at + LINGER_S if feed.is_over else float("inf")
        self._sent = 0
        self._watch = hub.watch(auction_id=feed.auction_id, after=feed.after, notify=notify)
        _OPEN.inc()

    def step(self) -> Step | None:
        """What is to be done next; None at the end."""
        if self._opening:
            chunk, self._opening = self._opening, b""
            return self._send(chunk)
        frames = self._watch.take()
        if frames is None:
            return None
        if frames:
            self._sent += len(frames)
            if LAST_KINDS.intersection(frame.kind for frame in frames):
                self._over_at = self._clock() + LINGER_S
            return self._send(b"".join(frame.data for frame in frames))
        now = self._clock()
        if now >= self._over_at:
            return None
        if now >= self._sent_at + KEEP_ALIVE_S:
            return self._send(KEEP_ALIVE)
        return Step(b"", min(self._sent_at + KEEP_ALIVE_S, self._over_at) - now)

    def close(self) -> None:
        self._watch.leave()
        _OPEN.dec()
        log.info(
            "stream_ended",
            auction=self._feed.auction_id,
            after=self._watch.after,
            events=self._sent,
            duration_s=round(self._clock() - self._started_at, 1),
        )

    def _send(self, chunk: bytes) -> Step:
        self._sent_at = self._clock()
        return Step(chunk, 0)
