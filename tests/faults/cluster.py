"""A PostgreSQL cluster of a test's own, to be stopped in every way and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.e2e.processes import migrate
from tests.services import _postgres_folders, make_cluster, postgres_command

START_TIMEOUT_S = 30
MAX_CONNECTIONS = 40
# How the server's processes are told to end; see "Shutting Down the Server" in PostgreSQL's manual.
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT


class Cluster:
    """Durable as in production; `url` names a database that exists. `of` makes it the standby of another, which must
    not be running for the moment."""

    def __init__(self, programs: Path, folder: Path, *, of: Cluster | None = None) -> None:
        self.sockets = folder
        self.url = self.url_of("forecourt")
        self.programs, self._data = programs, folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, str] = {}
        if of is None:
            make_cluster(programs, self._data)
        else:
            shutil.copytree(of._data, self._data)
            (self._data / "standby.signal").touch()
            self._options["primary_conninfo"] = f"host={of.sockets} user=postgres"

    def url_of(self, database: str) -> str:
        return f"postgres://postgres@/{self.sockets}/{database}"

    def connect(self, database: str = "forecourt") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(f"host={self.sockets} user=postgres dbname={database}", autocommit=True)

    def start(self, **options: str) -> None:
        options = {"listen_addresses": "", "max_connections": str(MAX_CONNECTIONS)} | self._options | options
        command = postgres_command(self.programs, self._data, self.sockets, **options)
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
    """With all tables, which are made before it begins to be durable: hundreds of commits that nobody will miss."""
    cluster = Cluster(next(iter(_postgres_folders())), folder)
    try:
        cluster.start(fsync="off")
        with cluster.connect("postgres") as connection:
            connection.execute("CREATE DATABASE forecourt")
        migrate(cluster.url)
        cluster.stop()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def running_pair(folder: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary, and a standby that follows it."""
    for name in ("primary", "standby"):
        (folder / name).mkdir()
    with running_cluster(folder / "primary") as primary:
        primary.stop()
        standby = Cluster(primary.programs, folder / "standby", of=primary)
        primary.start()
        try:
            standby.start()
            yield primary, standby
        finally:
            standby.stop()
