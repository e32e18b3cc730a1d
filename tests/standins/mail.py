"""A mail server for tests: takes every message, and can be away, or say nothing at the moment of the hand-over."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.ports import free_port


class MailServer:
    """`messages` are those that it has taken. The port stays the same over `stop` and `start`."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.on_message: Callable[[str], object] = lambda message: None  # Called before it is acknowledged.
        self.port = free_port()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def count(self, text: str) -> int:
        """Messages with this text in them."""
        return sum(text in message for message in self.messages)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: MailServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", owner.port), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    """The few words of RFC 5321 that smtplib says."""

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._take_message()
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _take_message(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        owner = self.server.owner  # type: ignore[attr-defined]
        message = b"".join(lines).decode()
        owner.on_message(message)
        owner.messages.append(message)
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
