"""How the processes that hold open streams learn of new events: a word over Redis after the commit. It says which
auction, nothing else; what happened is in the table, so a word that gets lost costs a moment and no event."""

from __future__ import annotations

from functools import cache, partial

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.circuit import Circuit

CHANNEL = "forecourt:auctions"
_pubsub = Circuit("pubsub", event="wake")


def wake_on_commit(auction_id: int) -> None:
    """Tell the streams of an auction, once the surrounding transaction is committed. Never raises."""
    if settings.REDIS_URL:
        transaction.on_commit(partial(_wake, auction_id))


def _wake(auction_id: int) -> None:
    if not _pubsub.admits():
        return
    try:
        _client().publish(CHANNEL, auction_id)
    except redis.RedisError as error:
        _pubsub.failed(error)
    else:
        _pubsub.worked()


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.2, socket_timeout=0.3, retry=Retry(NoBackoff(), 0)
    )
