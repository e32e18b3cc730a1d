"""How the processes that hold open streams learn of new events: a word over Redis after the commit. It says which
auction, nothing else; what happened is in the table, so a word that gets lost costs a moment and no event."""

from __future__ import annotations

import time
from functools import cache, partial

import redis
import structlog
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

CHANNEL = "forecourt:auctions"
QUIET_S = 5.0  # After a failed word nobody waits for Redis again until this has passed.


class _Circuit:
    """When this process may try Redis again (monotonic seconds)."""

    opens_at = 0.0


def wake_on_commit(auction_id: int) -> None:
    """Tell the streams of an auction, once the surrounding transaction is committed. Never raises."""
    if settings.REDIS_URL:
        transaction.on_commit(partial(_wake, auction_id))


def _wake(auction_id: int) -> None:
    if time.monotonic() < _Circuit.opens_at:
        return
    try:
        _client().publish(CHANNEL, auction_id)
    except redis.RedisError as error:
        _Circuit.opens_at = time.monotonic() + QUIET_S
        log.warning("wake_failed", error=type(error).__name__)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.2, socket_timeout=0.3, retry=Retry(NoBackoff(), 0)
    )
