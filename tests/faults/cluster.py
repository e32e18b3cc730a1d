"""A PostgreSQL cluster of a test's own, to be stopped in every way and started again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.services import _postgres_folders, make_cluster, postgres_command

START_TIMEOUT_S = 30
# How the server's processes are told to end; see "Shutting Down the Server" in PostgreSQL's manual.
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT


class Cluster:
    """Durable as in production; `url` names a database that exists."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.sockets = folder
        self.url = f"postgres://postgres@/{folder}/forecourt"
        self._programs, self._data = programs, folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        make_cluster(programs, self._data)

    def connect(self, database: str = "forecourt") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(f"host={self.sockets} user=postgres dbname={database}", autocommit=True)

    def start(self) -> None:
        command = postgres_command(self._programs, self._data, self.sockets, listen_addresses="", max_connections="40")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(psycopg.OperationalError):
                self.connect("postgres").close()
                return
            assert self._process.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = FAST) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT_S)
            self._process = None


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(next(iter(_postgres_folders())), folder)
    try:
        cluster.start()
        with cluster.connect("postgres") as connection:
            connection.execute("CREATE DATABASE forecourt")
        yield cluster
    finally:
        cluster.stop()
