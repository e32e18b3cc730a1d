"""Celery's Redis transports, mended: a worker survives the loss of Redis while it holds a message.

kombu 5.7 takes a connection apart in two steps. Where the first fails half-way, the channel is left without its
connection, and the second step, like the confirmation of a message that comes later, ends the worker by an
AttributeError ("'NoneType' object has no attribute 'hostname'"; celery/kombu#582) where a lost connection would be
waited for.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as ConnectionLost


class _Mended:
    connection: Any

    def _connparams(self, asynchronous: bool = False) -> Any:
        """Raises ConnectionLost, which all around it expect, when the channel has lost its connection."""
        if self.connection is None or self.connection.client is None:
            raise ConnectionLost("The channel has lost its connection.")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]


class Channel(_Mended, redis.Channel):
    pass


class Transport(redis.Transport):
    Channel = Channel


class SentinelChannel(_Mended, redis.SentinelChannel):
    pass


class SentinelTransport(redis.SentinelTransport):
    Channel = SentinelChannel


def register() -> None:
    """For the URLs that Celery knows them by, `redis`, `rediss` and `sentinel`."""
    TRANSPORT_ALIASES.update(
        dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"),
        sentinel=f"{__name__}:{SentinelTransport.__name__}",
    )
