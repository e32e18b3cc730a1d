"""The servers that are measured, how each is started, and what processor time each has used."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.benchmarks.meter import seconds_of, tree_of

HOST = "127.0.0.1"
THREADS = 4
START_TIMEOUT_S = 30


OURS = "gunicorn.conf.py"
STOCK = "tests/benchmarks/peers/gunicorn_stock.py"


@dataclass(frozen=True)
class Server:
    """One competitor. `application` is the application_name that its database connections carry, `gunicorn` the
    configuration of a WSGI server; without one the module is an ASGI application."""

    name: str
    title: str
    application: str
    module: str
    gunicorn: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        """One process: gunicorn's threads, or uvicorn on uvloop and httptools without access log."""
        if self.gunicorn is None:
            options = f"--host {HOST} --port {port} --loop uvloop --http httptools --no-access-log --log-level warning"
            return [sys.executable, "-m", "uvicorn", self.module, *options.split()]
        options = f"--config {self.gunicorn} --bind {HOST}:{port} --workers 1 --threads {THREADS} --keep-alive 75"
        return [sys.executable, "-m", "gunicorn", self.module, *options.split()]


PEERS = "tests.benchmarks.peers"
WSGI = "config.wsgi:application"
UNLIMITED = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings"}
FORECOURT = Server("forecourt", "Forecourt", "forecourt-web", WSGI, OURS, UNLIMITED)
LIMITED = Server("forecourt-limited", "Forecourt, rate limits in Redis", "forecourt-web", WSGI, OURS)
_PLAIN = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings_plain"}
PLAIN = Server("plain", "Forecourt, fast lists off", "forecourt-web", f"{PEERS}.plain_wsgi:application", OURS, _PLAIN)
_ROUTERLESS = f"{PEERS}.routerless_wsgi:application"
ROUTERLESS = Server("routerless", "Forecourt, no router", "forecourt-web", _ROUTERLESS, OURS, UNLIMITED)
FASTAPI = Server("fastapi", "FastAPI + SQLAlchemy async + asyncpg", "bench-fastapi", f"{PEERS}.fastapi_app:app")
EXPERT = Server("expert", "FastAPI by an expert", "bench-expert", f"{PEERS}.fastapi_expert:app")
FLASK = Server("flask", "Flask + SQLAlchemy + marshmallow", "bench-flask", f"{PEERS}.flask_app:app", STOCK)
DRF = Server("drf", "Stock DRF, kept connection", "bench-drf", f"{PEERS}.drf_stock.wsgi:application", STOCK)
RAW = Server("raw", "Raw limit (bare WSGI)", "bench-raw", f"{PEERS}.raw_wsgi:application", OURS)


class Running:
    """A started server, and the meter on its processor time."""

    def __init__(
        self, server: Server, process: subprocess.Popen[bytes], port: int, database_url: str, log: Path
    ) -> None:
        self.server = server
        self.process = process
        self.port = port
        self.database_url = database_url
        self.log = log

    def app_seconds(self) -> float:
        """User and system time of the server's processes so far."""
        return sum(map(seconds_of, tree_of(self.process.pid)))

    def database_seconds(self) -> dict[int, float]:
        """User and system time of each PostgreSQL backend that serves this server, by process id."""
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        with psycopg.connect(self.database_url, application_name="bench-meter") as connection:
            found = connection.execute(query, (self.server.application,)).fetchall()
        return {pid: seconds_of(pid) for (pid,) in found}


@contextmanager
def started(server: Server, *, env: Mapping[str, str], database_url: str, log: Path) -> Iterator[Running]:
    """Run the server until the block ends; its output goes to `log`."""
    port = _free_port()
    root = Path(__file__).resolve().parents[2]
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.command(port),
            env={**os.environ, **env, **server.env, "PORT": str(port)},
            cwd=root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for_port(process, port, server, log)
            yield Running(server, process, port, database_url, log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for_port(process: subprocess.Popen[bytes], port: int, server: Server, log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} did not start:\n{tail(log)}")


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
