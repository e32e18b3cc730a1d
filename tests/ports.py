"""Ports for the servers that tests start, stop and start again."""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []


def free_port() -> int:
    """A loopback port that nobody else is given until this process ends: it stays bound without listening, beside which
    a server that sets SO_REUSEADDR, as all of them do, may listen. Meanwhile connections to it are refused."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept.append(kept)
    return int(kept.getsockname()[1])
