"""The load: keep-alive connections that each send one request after the other, in a process of their own.

`python -m tests.benchmarks.load '{"host": ..., "port": ..., "path": ..., "token": ..., "connections": 4,
"seconds": 2}'` prints `{"requests", "seconds", "failures", "p50_ms", "p95_ms"}`. Only the status line and
Content-Length are read: the client must stay far cheaper than the servers it shares the processors with.
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import sys
import threading
import time
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RECEIVE = 65536


def request_bytes(*, host: str, port: int, path: str, token: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: Bearer {token}",
        "Accept: application/json",
        "User-Agent: forecourt-bench",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send one request and read the whole answer; raises ConnectionError when the server hangs up."""
    connection.sendall(request)
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _receive(connection)
    found = LENGTH.search(answer, 0, end)
    if found is None:
        raise ConnectionError("the answer has no Content-Length")
    missing = end + 4 + int(found[1]) - len(answer)
    while missing > 0:
        block = _receive(connection)
        answer += block
        missing -= len(block)
    return answer


def _receive(connection: socket.socket) -> bytes:
    block = connection.recv(RECEIVE)
    if not block:
        raise ConnectionError("the server closed the connection")
    return block


def _drive(spec: dict[str, Any], request: bytes, stop_at: float, times: list[float], failures: list[str]) -> None:
    with socket.create_connection((spec["host"], spec["port"]), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (before := time.perf_counter()) < stop_at:
            answer = exchange(connection, request)
            times.append(time.perf_counter() - before)
            if answer[9:12] != b"200":
                failures.append(answer[:15].decode(errors="replace"))


def run(spec: dict[str, Any]) -> dict[str, float]:
    """Drive the server for the given time; a connection that breaks ends the measurement with an error."""
    request = request_bytes(host=spec["host"], port=spec["port"], path=spec["path"], token=spec["token"])
    times: list[list[float]] = [[] for _ in range(spec["connections"])]
    failures: list[str] = []
    started = time.perf_counter()
    stop_at = started + spec["seconds"]
    threads = [
        threading.Thread(target=_drive, args=(spec, request, stop_at, own, failures), daemon=True) for own in times
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    latencies = sorted(value for own in times for value in own)
    if any(not own for own in times):
        raise SystemExit("a connection got no answer")
    return {
        "requests": len(latencies),
        "seconds": seconds,
        "failures": len(failures),
        "p50_ms": 1000 * statistics.median(latencies),
        "p95_ms": 1000 * latencies[int(0.95 * (len(latencies) - 1))],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.argv[1]))))
