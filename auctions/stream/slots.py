"""How many streams there may be at once: in this process, and of one address in it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

from django.conf import settings

from common.errors import ServiceUnavailable
from common.throttling import network_of


class TooManyStreams(ServiceUnavailable):
    """503: no more streams can be opened here for the moment."""

    code, detail = "too_many_streams", "Too many live streams are open. Try again, or read the auction instead."


class Slots:
    """Counts the open streams."""

    RETRY_AFTER_S = 10

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> Callable[[], None]:
        """One more stream of this address; call the answer, once, when it ends. Raises TooManyStreams."""
        network = network_of(address)
        with self._lock:
            if (
                self._taken.total() >= settings.STREAMS_PER_PROCESS
                or self._taken[network] >= settings.STREAMS_PER_ADDRESS
            ):
                raise TooManyStreams(retry_after=self.RETRY_AFTER_S)
            self._taken[network] += 1
        return partial(self._release, network)

    def _release(self, network: str) -> None:
        with self._lock:
            self._taken[network] -= 1
            self._taken += Counter()  # Forgets addresses without a stream.
