"""Requests whose end two servers would see at different places are refused, and the connection is closed."""

from __future__ import annotations

import json
import socket

import pytest

from tests.e2e.processes import Platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("security_server")]
SMUGGLED = b"GET /api/users HTTP/1.1\r\nHost: localhost\r\n\r\n"
LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
AMBIGUOUS = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "a negative length": b"Content-Length: -1\r\n\r\n{}" + SMUGGLED,
    "a signed length": b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a folded header": b"Content-Length: 2\r\nX-Folded: a\r\n b\r\n\r\n{}" + SMUGGLED,
    "a blank before the colon": b"Content-Length : 2\r\n\r\n{}" + SMUGGLED,
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a size that is none": b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a bare line feed in a header": b"Content-Length: 2\r\nX-A: b\nTransfer-Encoding: chunked\r\n\r\n{}" + SMUGGLED,
}


def all_of(server: Platform, request: bytes) -> bytes:
    """Everything that the server sends before it closes, or falls silent."""
    host, port = server.url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while block := connection.recv(65536):
            received += block
    return received


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_an_ambiguous_request_is_400_and_the_last_of_its_connection(server: Platform, kind: str) -> None:
    received = all_of(server, LOGIN + AMBIGUOUS[kind])
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert received.split()[1] in (b"400", b"501"), received


def test_the_next_request_of_a_connection_is_answered_where_nothing_is_ambiguous(server: Platform) -> None:
    received = all_of(server, LOGIN + b"Content-Length: 2\r\n\r\n{}" + SMUGGLED)
    assert [part.split()[0] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"400", b"401"]


def test_the_server_does_not_tell_its_version(server: Platform) -> None:
    for request in (SMUGGLED, LOGIN + AMBIGUOUS["both lengths"]):
        head = all_of(server, request).split(b"\r\n\r\n")[0].lower()
        assert b"server: gunicorn/" not in head
        assert b"python" not in head


def test_what_gunicorn_refuses_itself_cannot_forge_a_line(server: Platform) -> None:
    all_of(server, b'GET /\x1b[2J"}\x85{"event":"forged"} HTTP/1.1\r\nHost: localhost\r\nX-A: \x1b[31m\r\n b\r\n\r\n')
    for line in (server.folder / "web.log").read_text().splitlines():
        assert line.isascii()
        assert json.loads(line)["event"] != "forged"
