"""Whether a server beside the database is worth calling: a hanging one may cost each process one short time-out, not
one for every request."""

from __future__ import annotations

import threading
import time

import structlog

OPEN_S = 5.0  # For so long nobody calls a server that has failed; then one caller tries for all.
log = structlog.get_logger(__name__)


class Circuit:
    """Shared by all threads of the process. The first failure opens it and writes one log line, the first success
    closes it and writes another.

    `openings` counts how often it opened; whoever compares it knows that something may have been lost.
    """

    def __init__(self, name: str, *, event: str) -> None:
        """`event` begins the names of its log lines: `<event>_unavailable` and `<event>_available`."""
        self.name = name
        self.event = event
        self.openings = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._open_until > 0

    def admits(self) -> bool:
        """True when closed, and for one caller per `OPEN_S` while open: that one tries for all."""
        if not self.is_open:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                return False
            self._open_until = now + OPEN_S
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            was_open = self.is_open
            self._open_until = time.monotonic() + OPEN_S
            if was_open:
                return
            self.openings += 1
        log.warning(f"{self.event}_unavailable", backend=self.name, error=type(error).__name__, bypass_s=OPEN_S)

    def worked(self) -> None:
        if not self.is_open:
            return
        with self._lock:
            self._open_until = 0.0
        log.info(f"{self.event}_available", backend=self.name)
