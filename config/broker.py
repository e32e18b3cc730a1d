"""Celery's transports, mended where they would end a worker now and then.

Redis, lost while a worker holds a message: kombu 5.7 takes a connection apart in two steps. Where the first fails
half-way, the channel is left without its connection, and the second step, like the confirmation of a message that comes
later, ends the worker by an AttributeError ("'NoneType' object has no attribute 'hostname'"; celery/kombu#582) where a
lost connection would be waited for.

Files: kombu gives a message its name first and its contents then. A worker that is quick between the two takes an empty
one, which ends it by a JSONDecodeError.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, redis
from kombu.utils.json import dumps
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


class FileChannel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override] # Its bases' stubs differ.
        """Raises ChannelError when the folder takes no more."""
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out, name)
        unfinished = whole.with_name(f".{name}.new")
        try:
            unfinished.write_text(dumps(payload))
            os.replace(unfinished, whole)  # noqa: PTH105 - the moment that a test looks at
        except OSError as error:
            raise ChannelError(f"Cannot add {name} to the queue.") from error

    def get_table(self, exchange: str) -> Any:
        """Who hears an exchange. Nobody yet, while its first listener is being written down."""
        try:
            return super().get_table(exchange)
        except ValueError:
            return []


class FileTransport(filesystem.Transport):
    Channel = FileChannel


def register() -> None:
    """For the URLs that Celery knows them by."""
    mended = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport, "filesystem": FileTransport}
    TRANSPORT_ALIASES.update({scheme: f"{__name__}:{transport.__name__}" for scheme, transport in mended.items()})
