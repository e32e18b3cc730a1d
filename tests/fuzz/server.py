"""A server of its own for the fuzzer: a fresh database, throttles off, people and a few rows to find."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.ports import free_port

PASSWORD = secrets.token_urlsafe(24)
START_TIMEOUT_S = 60
PEOPLE = ("alice@example.com", "bob@example.com")
ADMINISTRATOR = "admin@example.com"
LEAVERS = ("carol@example.com", "dave@example.com", "erin@example.com")  # Their sessions are fuzzed to their end.


@dataclass(frozen=True)
class FuzzServer:
    """Where the server listens, and how to sign in."""

    url: str
    log: Path
    facts: dict[str, Any]

    def token(self, email: str) -> str:
        answer = httpx.post(f"{self.url}/api/auth/login", json={"email": email, "password": PASSWORD}, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def accepts(self, token: str) -> bool:
        me = httpx.get(f"{self.url}/api/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        return me.status_code == httpx.codes.OK


@contextmanager
def fuzz_server(*, application: str = "config.wsgi:application", whose: str = "everybody") -> Iterator[FuzzServer]:
    """Start `application`, with rows of `whose`, on PostgreSQL (TEST_DATABASE_URL, else the usual local port); drop all
    of it afterwards."""
    base = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    name = f"forecourt_fuzz_{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="forecourt-fuzz-") as folder,
        _database(base, name) as database_url,
        _key_server() as clerk_url,
    ):
        environment = os.environ | {
            "FORECOURT_IGNORE_DOTENV": "1",
            "DATABASE_URL": database_url,
            "DATA_DIR": folder,
            "DISABLE_THROTTLES": "1",
            "TOKEN_TTL_MIN": "600",  # Longer than the longest run.
            "REDIS_URL": "",
            "LOG_LEVEL": "WARNING",
            "LOGIN_FAILURES_PER_ADDRESS": "1000000",
            "PROVIDER_ALLOW_PRIVATE": "1",
            "CLERK_ISSUER": clerk_url,
            "CLERK_JWKS_URL": f"{clerk_url}/jwks.json",
            "CLERK_AUTHORIZED_PARTIES": clerk_url,
        }
        facts = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.people", PASSWORD, whose],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        )
        with _running(application, environment, Path(folder) / "server.log") as (url, log):
            yield FuzzServer(url=url, log=log, facts=json.loads(facts.stdout))


@contextmanager
def _key_server() -> Iterator[str]:
    """Serves a key set as Clerk does, so that a forged token is refused (401) and not put off (503)."""
    key = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key()))
    body = json.dumps({"keys": [key | {"kid": "fuzz", "use": "sig", "alg": "RS256"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _database(base: str, name: str) -> Iterator[str]:
    server = base.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_migrated(server, f"{name}_template")}"')
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _migrated(server: str, name: str) -> str:
    """A database with empty tables, made once a run: each of its servers begins with a copy."""
    _administer(server, f'CREATE DATABASE "{name}"')
    atexit.register(_administer, server, f'DROP DATABASE "{name}" WITH (FORCE)')
    environment = os.environ | {"FORECOURT_IGNORE_DOTENV": "1", "DATABASE_URL": f"{server}/{name}", "REDIS_URL": ""}
    for command in ("migrate", "createcachetable"):
        subprocess.run([sys.executable, "manage.py", command, "-v0"], env=environment, check=True)
    return name


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def _running(application: str, environment: dict[str, str], log: Path) -> Iterator[tuple[str, Path]]:
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--no-control-socket",
        "--limit-request-line", "0",
        "--worker-class", "gthread", "--workers", "2", "--threads", "4",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment | {"PORT": str(port)}, stdout=output, stderr=output)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, process, log)
            yield url, log
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            httpx.get(f"{url}/health", timeout=5).raise_for_status()
            return
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}") from error
            time.sleep(0.1)
