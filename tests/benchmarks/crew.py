"""Contenders that work in this process, side by side on threads, and the meter on them. For the measured halves
(`*_load.py`), which have Django set up for the benchmark's database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

from tests.benchmarks.meter import seconds_of

THREADS = 4
Figures = dict[str, float]


class Crew:
    """Threads that wait with an open connection until all shall begin, and again until their meter is read. The job
    says of each piece of work whether it was done; only what was done counts."""

    def __init__(self, job: Callable[[Any], bool], work: Iterable[Any], *, threads: int = THREADS) -> None:
        self._job, self._work, self._next = job, iter(work), threading.Lock()
        self._threads = threads
        self._barrier = threading.Barrier(threads + 1)
        self._backends: list[int] = []
        self._failures: list[BaseException] = []
        self._done = 0

    def run(self) -> Figures:
        """Processor seconds of this process and its database backends, seconds on the clock, and how much was done.
        Raises what the first thread that failed has raised."""
        threads = [threading.Thread(target=self._take_part) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        self._barrier.wait()
        cpu, clock = self._cpu(), time.perf_counter()
        self._barrier.wait()
        self._barrier.wait()
        cpu, clock = self._cpu() - cpu, time.perf_counter() - clock
        self._barrier.wait()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        return {"cpu": cpu, "clock": clock, "done": self._done}

    def _cpu(self) -> float:
        return time.process_time() + sum(map(seconds_of, self._backends))

    def _take_part(self) -> None:
        self._backends.append(backend())
        self._barrier.wait()
        self._barrier.wait()
        try:
            while (piece := self._take()) is not None:
                if self._job(piece):
                    with self._next:
                        self._done += 1
        except Exception as error:
            self._failures.append(error)
        self._barrier.wait()
        self._barrier.wait()
        connection.close()

    def _take(self) -> Any:
        with self._next:
            return next(self._work, None)


def backend() -> int:
    """The id of the server's process behind this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def analyze() -> None:
    """As autovacuum would, a minute later."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
