"""gunicorn with our worker, over sockets: connections that stay, share a thread, and end in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.slow
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Leaves the request's body unread."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One process with one thread, by the project's gunicorn.conf.py."""
    port = free_port()
    options = ["--workers", "1", "--threads", "1", "--bind", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", f"{__name__}:application", *options]
    process = subprocess.Popen(command, env=os.environ | {"FORECOURT_IGNORE_DOTENV": "1"}, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    pytest.fail("gunicorn did not start")


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def answer(connection: socket.socket) -> bytes:
    """One whole answer; empty when the server has closed."""
    data = b""
    while not data.endswith(b"done"):
        block = connection.recv(4096)
        if not block:
            return b""
        data += block
    return data


def test_a_connection_serves_many_requests(server):
    with connect(server[1]) as connection:
        for message in (REQUEST, POST) * 25:
            connection.sendall(message)
            assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_busy_connection_leaves_the_only_thread_to_others(server):
    stop, port = threading.Event(), server[1]

    def hammer() -> None:
        with connect(port) as connection:
            while not stop.is_set():
                connection.sendall(REQUEST)
                answer(connection)

    busy = threading.Thread(target=hammer)
    busy.start()
    try:
        with connect(port) as connection:
            for _ in range(20):
                connection.sendall(REQUEST)
                assert answer(connection).startswith(b"HTTP/1.1 200")
    finally:
        stop.set()
        busy.join()


def test_an_idle_connection_holds_no_thread(server):
    with connect(server[1]) as idle, connect(server[1]) as other:
        for connection in (idle, other):
            connection.sendall(REQUEST)
            assert answer(connection)


def test_a_stopping_server_answers_what_it_has_read(server):
    process, port = server
    with connect(port) as connection:
        connection.sendall(REQUEST)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while answer(connection):
                connection.sendall(REQUEST)
    assert process.wait(timeout=20) == 0
