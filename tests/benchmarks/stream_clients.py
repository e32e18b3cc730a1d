"""Many clients on live streams while bids arrive, through a restart of the server: each must see every event once and
in order. `python -m tests.benchmarks.stream_clients --clients 200 --minutes 15`.

The stream process and the clients are processes of their own, on a fresh database beside TEST_DATABASE_URL and the
Redis of TEST_REDIS_URL; `--wsgi` measures the embedded default instead (SQLite, no Redis, threads). Bids are placed by
the service. The time that is measured runs from the moment at which the bid's transaction had returned to the moment at
which a client held the event; both are read from one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.e2e.processes import Platform, real_servers, running_platform

ASGI = ["gunicorn", "--worker-class", "asgi", "--workers", "1", "config.asgi"]
WSGI = ["gunicorn", "config.wsgi", "--workers", "1"]
SETTLE_S = 20.0


@dataclass
class Client:
    """One watcher, who reconnects with the id of the last event, as a browser does."""

    auction: int
    last: int = -1
    first: int = -1
    seen: dict[int, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    connections: int = 0

    async def listen(self, host: str, port: int, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._connect(host, port, stop)
            await asyncio.sleep(random.uniform(0.1, 0.6))

    async def _connect(self, host: str, port: int, stop: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            resume = f"Last-Event-ID: {self.last}\r\n" if self.last >= 0 else ""
            request = (
                f"GET /api/auctions/{self.auction}/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            )
            writer.write(f"{request}{resume}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            if b" 200 " not in head.partition(b"\r\n")[0]:
                if b" 503 " not in head.partition(b"\r\n")[0]:
                    self.faults.append(head.partition(b"\r\n")[0].decode())
                return
            self.connections += 1
            await self._read(reader, stop)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, stop: asyncio.Event) -> None:
        """Chunks and their sizes are lines of their own, which begin with no name of a field."""
        seq, kind = -1, ""
        while not stop.is_set():
            line = await asyncio.wait_for(reader.readline(), 25)  # A comment comes every 15 s.
            if not line or line == b"0\r\n":
                return
            if line.startswith(b"id: "):
                seq = int(line[4:])
            elif line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                self._take(seq, kind, time.time())

    def _take(self, seq: int, kind: str, now: float) -> None:
        if kind == "snapshot":
            if self.first >= 0:
                self.faults.append(f"a second snapshot at {seq} after {self.last}")
            self.first = self.last = seq
            return
        if seq != self.last + 1:
            self.faults.append(f"{seq} after {self.last}")
        self.last = seq
        self.seen[seq] = now


def run_clients(pipe: Connection, url: str, auctions: list[int], clients: int) -> None:
    """A process: tells when all are connected, and at the end what each has seen."""

    async def main() -> None:
        stop, parts = asyncio.Event(), urlsplit(url)
        watchers = [Client(auctions[number % len(auctions)]) for number in range(clients)]
        tasks = [asyncio.create_task(one.listen(str(parts.hostname), parts.port or 80, stop)) for one in watchers]
        while any(one.first < 0 for one in watchers):
            await asyncio.sleep(0.1)
        pipe.send("ready")
        goals: dict[int, int] = await asyncio.to_thread(pipe.recv)
        deadline = time.monotonic() + SETTLE_S
        while any(one.last < goals[one.auction] for one in watchers) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pipe.send(watchers)

    asyncio.run(main())


def make_auctions(number: int) -> tuple[list[int], list[int]]:
    """Auctions that last for long enough, and two bidders; their ids."""
    from datetime import timedelta

    from django.utils import timezone

    from tests.auctions.factories import AuctionFactory, BidderFactory

    ends_at = timezone.now() + timedelta(days=1)
    auctions = [AuctionFactory(ends_at=ends_at, starting_price=1, currency="USD").pk for _ in range(number)]
    return auctions, [BidderFactory().pk for _ in range(2)]


def bid_on(auction: int, bidder: int) -> tuple[int, float]:
    """The next bid of somebody who does not lead; the seq of its event, and when it was committed."""
    from auctions.models import Auction
    from auctions.services.bids import place_bid

    answer = place_bid(user_id=bidder, auction_id=auction, amount=Auction.objects.get(pk=auction).min_next)
    return answer.event_seq, time.time()


class Restart:
    """Replaces the server while bids go on. `during` is when clients could not be served."""

    RECONNECT_S = 3.0

    def __init__(self, platform: Platform, command: list[str]) -> None:
        self._platform, self._command = platform, command
        self._thread = threading.Thread(target=self._run)
        self.began_at = self.ended_at = 0.0

    def begin(self) -> None:
        if not self.began_at:
            self.began_at = time.time()
            self._thread.start()

    def _run(self) -> None:
        self._platform.end("web")
        print(f"the server ended within {time.time() - self.began_at:.1f} s", flush=True)
        self._platform.start("web", self._command)
        self._platform.until("it is back", lambda: httpx.get(f"{self._platform.url}/health").is_success, within=60)
        self.ended_at = time.time() + self.RECONNECT_S
        print(f"and was back {time.time() - self.began_at:.1f} s after it was asked to end", flush=True)

    def wait(self) -> None:
        self._thread.join()

    def spans(self, moment: float) -> bool:
        return self.began_at <= moment <= self.ended_at


def bid_for(
    minutes: float, per_second: float, auctions: list[int], bidders: list[int], restart: Restart
) -> dict[tuple[int, int], float]:
    """Bids in turn, and in the middle a restart of the server. (auction, seq) -> when it was committed."""
    committed: dict[tuple[int, int], float] = {}
    started = time.monotonic()
    for number in range(int(minutes * 60 * per_second)):
        pause = started + number / per_second - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        if time.monotonic() - started > minutes * 30:
            restart.begin()
        auction, turn = auctions[number % len(auctions)], number // len(auctions)
        seq, moment = bid_on(auction, bidders[turn % 2])
        committed[auction, seq] = moment
    restart.wait()
    return committed


def report(
    watchers: list[Client], committed: dict[tuple[int, int], float], goals: dict[int, int], restart: Restart
) -> list[str]:
    """Prints the figures; returns what is wrong."""
    wrong = []
    for number, one in enumerate(watchers):
        wrong += [f"client {number}: {fault}" for fault in one.faults]
        expected = set(range(one.first + 1, goals[one.auction] + 1))
        if set(one.seen) != expected:
            wrong.append(f"client {number}: lacks {sorted(expected - set(one.seen))[:5]}")
    told = [
        (committed[one.auction, seq], seen)
        for one in watchers
        for seq, seen in one.seen.items()
        if (one.auction, seq) in committed
    ]
    usual = sorted(seen - moment for moment, seen in told if not restart.spans(moment))
    late = [seen - moment for moment, seen in told if restart.spans(moment)]
    p50, p95, p99 = (usual[min(len(usual) - 1, int(len(usual) * share))] * 1000 for share in (0.5, 0.95, 0.99))
    total, connections = sum(len(one.seen) for one in watchers), sum(one.connections for one in watchers)
    print(f"{len(watchers)} clients, {len(committed)} bids, {total} events delivered, {connections} connections")
    print(f"commit to client: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, most {usual[-1] * 1000:.0f} ms")
    print(f"{len(late)} events committed around the restart: after {max(late, default=0):.1f} s at most")
    return wrong


@contextmanager
def started(is_wsgi: bool) -> Iterator[tuple[Platform, list[str]]]:
    """The stream server on a database of its own, and Django on the same database in this process."""
    command = WSGI if is_wsgi else ASGI
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-streams-")))
        servers: dict[str, str] = {}
        if not is_wsgi:
            redis_url = os.environ["TEST_REDIS_URL"]
            os.environ |= {
                "DATABASE_URL": os.environ["TEST_DATABASE_URL"],
                "REDIS_URL": redis_url,
                "REDIS_CACHE_URL": urlsplit(redis_url)._replace(path="/1").geturl(),
            }
            servers = stack.enter_context(real_servers())
        extra = {"DISABLE_THROTTLES": "1", "STREAMS_PER_ADDRESS": "5000", "STREAMS_PER_PROCESS": "5000"}
        platform = stack.enter_context(running_platform(folder, {"web": command}, **servers, **extra))
        os.environ |= platform.environment | {"PROCESS_ROLE": "command"}
        import django

        django.setup()
        yield platform, command
        from django.db import connections

        connections.close_all()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--auctions", type=int, default=2)
    parser.add_argument("--per-second", type=float, default=2, help="Bids, over all auctions.")
    parser.add_argument("--wsgi", action="store_true", help="The embedded default instead of the stream process.")
    options = parser.parse_args(arguments)
    with started(options.wsgi) as (platform, command):
        auctions, bidders = make_auctions(options.auctions)
        here, there = multiprocessing.Pipe()
        values: Any = (there, platform.url, auctions, options.clients)
        process = multiprocessing.get_context("spawn").Process(target=run_clients, args=values, daemon=True)
        process.start()
        assert here.poll(120), f"not all clients are connected\n{platform.logs()}"
        here.recv()
        restart = Restart(platform, command)
        committed = bid_for(options.minutes, options.per_second, auctions, bidders, restart)
        goals = {auction: max(seq for pk, seq in committed if pk == auction) for auction in auctions}
        here.send(goals)
        assert here.poll(SETTLE_S + 60), "the clients do not answer"
        watchers: list[Client] = here.recv()
        process.join()
        wrong = report(watchers, committed, goals, restart)
    print("every client saw every event once and in order" if not wrong else "\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
