"""One reader of the table for all streams of a process, however many watch: a thread of its own, which ends when nobody
watches. Streams wait without a connection to the database."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping

import structlog
from django.db import close_old_connections, connections

from auctions.stream.bell import Bell
from auctions.stream.frames import Frame
from auctions.stream.reading import MAX_BEHIND, read_news
from common import clock

log = structlog.get_logger(__name__)
Reader = Callable[[Mapping[int, int]], dict[int, list[Frame]]]


def _read(positions: Mapping[int, int]) -> dict[int, list[Frame]]:
    return read_news(positions, now=clock.now())


class Topic:
    """The latest events of an auction that is watched: all after `start`, up to `seq`."""

    def __init__(self, seq: int) -> None:
        self.start = self.seq = seq
        self.frames: deque[Frame] = deque()
        self.watches: set[Watch] = set()

    def add(self, frames: list[Frame]) -> bool:
        """Append what follows on the last one; whether anything did. What does not was read before a `rewind`."""
        before = self.seq
        for frame in frames:
            if frame.seq == self.seq + 1:
                self.frames.append(frame)
                self.seq = frame.seq
        while len(self.frames) > MAX_BEHIND:
            self.start = self.frames.popleft().seq
        return self.seq > before

    def rewind(self, seq: int) -> None:
        """Have everything after `seq` read again: a new watcher lacks what was told before it came."""
        self.start = self.seq = seq
        self.frames.clear()


class Watch:
    """One watcher's place in an auction. `take` never blocks."""

    def __init__(self, hub: Hub, auction_id: int, after: int, notify: Callable[[], object]) -> None:
        self.auction_id, self.after, self.notify = auction_id, after, notify
        self._hub = hub

    def take(self) -> list[Frame] | None:
        """The next events, in order, each once; None when there is to be no more: the process ends, or the watcher is
        so slow that what it lacks is forgotten here."""
        return self._hub._take(self)

    def leave(self) -> None:
        self._hub._leave(self)


class Hub:
    """Threads and event loops may use it alike."""

    def __init__(self, *, read: Reader = _read, make_bell: Callable[[], Bell] = Bell) -> None:
        self._read, self._make_bell = read, make_bell
        self._lock = threading.Lock()
        self._topics: dict[int, Topic] = {}
        self._thread = threading.Thread()
        self._is_running = False
        self._is_closing = False

    def watch(self, *, auction_id: int, after: int, notify: Callable[[], object]) -> Watch:
        """Follow an auction from the event after `after`. `notify` is called, from another thread and without much ado,
        when `take` has something new to say."""
        watch = Watch(self, auction_id, after, notify)
        with self._lock:
            topic = self._topics.setdefault(auction_id, Topic(after))
            if after < topic.start:
                topic.rewind(after)
            topic.watches.add(watch)
            if not self._is_running:
                self._is_running = True
                self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
                self._thread.start()
        return watch

    def close(self) -> None:
        """The process is to end: every watcher is told, now and from now on."""
        self._is_closing = True
        for watch in [watch for topic in list(self._topics.values()) for watch in list(topic.watches)]:
            watch.notify()

    def rest(self) -> None:
        """Wait for the reader to end, after the last watcher has left."""
        if self._thread.ident is not None:
            self._thread.join()

    def _take(self, watch: Watch) -> list[Frame] | None:
        with self._lock:
            topic = self._topics[watch.auction_id]
            if self._is_closing or watch.after < topic.start:
                return None
            fresh: list[Frame] = []
            for frame in reversed(topic.frames):
                if frame.seq <= watch.after:
                    break
                fresh.append(frame)
        if fresh:
            watch.after = fresh[0].seq
        return fresh[::-1]

    def _leave(self, watch: Watch) -> None:
        with self._lock:
            topic = self._topics[watch.auction_id]
            topic.watches.discard(watch)
            if not topic.watches:
                del self._topics[watch.auction_id]

    def _run(self) -> None:
        bell = self._make_bell()
        is_failing = False
        while positions := self._positions():
            try:
                close_old_connections()
                news = self._read(positions)
                is_failing = False
            except Exception as error:  # Mostly the database, which is away: the watchers wait for it.
                news = {}
                if not is_failing:
                    log.warning("stream_read_failed", error=type(error).__name__)
                is_failing = True
            finally:
                close_old_connections()
            self._tell(news)
            bell.wait(self._topics.__contains__)
        bell.close()
        connections.close_all()

    def _positions(self) -> dict[int, int]:
        """Where the reader is with each auction; empty when it may go."""
        with self._lock:
            if not self._topics:
                self._is_running = False
            return {auction_id: topic.seq for auction_id, topic in self._topics.items()}

    def _tell(self, news: dict[int, list[Frame]]) -> None:
        with self._lock:
            moved = [topic for pk, frames in news.items() if (topic := self._topics.get(pk)) and topic.add(frames)]
            watches = [watch for topic in moved for watch in topic.watches]
        for watch in watches:
            watch.notify()
