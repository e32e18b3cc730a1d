"""When to look at the table: at once on a word over Redis, and every so often in any case."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from auctions.services.live import CHANNEL

log = structlog.get_logger(__name__)

ALONE_S = 0.3  # Between two looks without Redis.
CHECK_S = 1.0  # With Redis, whose words may get lost: publishing is not part of the transaction.
RECONNECT_S = 2.0


class Bell:
    """Belongs to one thread. Redis that is away, or falls silent, costs time and nothing else."""

    def __init__(self) -> None:
        self._ear: redis.client.PubSub | None = None
        self._retry_at = 0.0

    def wait(self, is_watched: Callable[[int], bool]) -> None:
        """Return when there may be news of an auction that is watched."""
        try:
            ear = self._ear or self._connect()
            if ear is not None:
                self._hear(ear, is_watched)
                return
        except (redis.RedisError, OSError) as error:
            log.warning("stream_bell_lost", error=type(error).__name__)
            self.close()
            self._retry_at = time.monotonic() + RECONNECT_S
        time.sleep(ALONE_S)

    def close(self) -> None:
        if self._ear is not None:
            with suppress(redis.RedisError, OSError):
                self._ear.close()
            self._ear.connection_pool.disconnect()
            self._ear = None

    def _connect(self) -> redis.client.PubSub | None:
        if not settings.REDIS_URL or time.monotonic() < self._retry_at:
            return None
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.2, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        self._ear = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._ear.subscribe(CHANNEL)
        return self._ear

    @staticmethod
    def _hear(ear: redis.client.PubSub, is_watched: Callable[[int], bool]) -> None:
        deadline = time.monotonic() + CHECK_S
        is_rung = False
        while (left := deadline - time.monotonic()) > 0:
            # Once it has rung, only what is there already: many bids at once are one look.
            message = ear.get_message(timeout=0 if is_rung else left)
            if message is not None:
                is_rung = is_rung or is_watched(int(message["data"]))
            elif is_rung:
                return
