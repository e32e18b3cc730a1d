"""One server with demo data for all that is walked from outside: the clients, the collection and the old systems' rows.
Web and worker as processes of their own, on the embedded database; started at the first use, ended with the run."""

from __future__ import annotations

import atexit
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path

import httpx

from accounts.demo import PASSWORD
from tests.e2e.processes import EMBEDDED, ROOT, Platform, running_platform

METRICS_TOKEN = "a-token-for-figures"
DATABASE = "forecourt.sqlite3"
LIMITS = ("ANONYMOUS", "LOGIN", "REGISTER", "PASSWORD_RESET", "SYNC", "EXPORTS", "BIDS", "AUDITS", "STREAMS", "UPLOADS")


ENVIRONMENT = {f"RATE_LIMIT_{name}": "1000/second" for name in LIMITS} | {
    "GLOBAL_RATE_LIMIT": "1000/second",
    "METRICS_TOKEN": METRICS_TOKEN,
    "CLERK_ISSUER": "https://clerk.example.com",
    "CLERK_JWKS_URL": "http://127.0.0.1:9/jwks.json",  # Nothing unsigned comes as far as asking there.
    "CLERK_AUTHORIZED_PARTIES": "https://app.example.com",
}


@cache
def demo() -> Platform:
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-demo-")))
    platform = stack.enter_context(running_platform(folder, EMBEDDED, **ENVIRONMENT))
    command = [sys.executable, "manage.py", "seed_demo"]
    subprocess.run(command, cwd=ROOT, env=platform.environment, check=True, capture_output=True, timeout=300)
    return platform


@contextmanager
def copied_demo(folder: Path) -> Iterator[Platform]:
    """A server with the same rows for whoever spoils them; it has no worker."""
    with (
        closing(sqlite3.connect(demo().folder / DATABASE)) as source,
        closing(sqlite3.connect(folder / DATABASE)) as copy,
    ):
        source.backup(copy)
    with running_platform(folder, {"web": EMBEDDED["web"]}, **ENVIRONMENT) as platform:
        yield platform


@cache
def token(name: str) -> str:
    """Of a person of the demo data."""
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    answer = httpx.post(f"{demo().url}/api/auth/login", json=body, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
