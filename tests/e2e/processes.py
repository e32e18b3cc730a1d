"""The platform as it runs for people: web server, worker and beat as processes of their own, reached over HTTP."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis

T = TypeVar("T")
_numbers = count()
ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
ADMIN_EMAIL, ADMIN_PASSWORD = "root@example.com", "a long administrator word 7"
EMBEDDED = {
    "web": ["gunicorn", "config.wsgi"],
    "worker": ["celery", "-A", "config", "worker", "-B", "--pool", "threads"],
}
SERVERS = {
    "web": ["gunicorn", "config.wsgi", "--workers", "2"],
    "worker": ["celery", "-A", "config", "worker", "--concurrency", "2"],
    "beat": ["celery", "-A", "config", "beat", "--pidfile", ""],
}


@dataclass
class Platform:
    """Running processes with a database, a queue and a data folder that nobody else uses."""

    url: str
    folder: Path
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """As `make prepare`, in one process."""
        code = "import django, sys; from django.core.management import call_command; django.setup();"
        code += " [call_command(name, verbosity=0) for name in sys.argv[1:]]"
        steps = ("migrate", "createcachetable", "ensure_admin")
        subprocess.run([sys.executable, "-c", code, *steps], cwd=ROOT, env=self.environment, check=True, timeout=120)

    def start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # A group of its own, to be killed with all that it starts.
            )

    def end(self, name: str) -> int:
        """Asks one process to end; returns its exit status."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=40)

    def kill(self, name: str) -> None:
        """SIGKILL to a process and its children at once; nobody has time for a last word."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> dict[str, int]:
        """Asks everything to end, as an operator would; returns the exit statuses."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(timeout=40) for name, process in self.processes.items()}

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def until(self, what: str, probe: Callable[[], T], *, within: float) -> T:
        """The first true answer of `probe`, which may fail with a transport error meanwhile."""
        deadline = time.monotonic() + within
        while True:
            try:
                if answer := probe():
                    return answer
            except httpx.TransportError:
                pass
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, f"{ended} ended before {what}\n{self.logs()}"
            assert time.monotonic() < deadline, f"not within {within} s: {what}\n{self.logs()}"
            time.sleep(0.1)


@contextmanager
def running_platform(folder: Path, commands: dict[str, list[str]], **environment: str) -> Iterator[Platform]:
    """Migrated and answering; `commands` names the processes. Ends them all, by force if need be."""
    port = _free_port()
    platform = Platform(
        url=f"http://127.0.0.1:{port}",
        folder=folder,
        environment=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "FORECOURT_IGNORE_DOTENV": "1",
            "PORT": str(port),
            "BACKEND_URL": f"http://127.0.0.1:{port}",
            "DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder}/forecourt.sqlite3",
            "REDIS_URL": "",
            "REDIS_CACHE_URL": "",
            "ADMIN_EMAIL": ADMIN_EMAIL,
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
        }
        | environment,
    )
    database = platform.environment["DATABASE_URL"].partition("sqlite:///")[2]
    if database and not Path(database).exists():
        shutil.copy(_migrated_file(), database)
    try:
        platform.prepare()
        for name, command in commands.items():
            platform.start(name, command)
        platform.until("the server answers", lambda: httpx.get(f"{platform.url}/health").is_success, within=120)
        yield platform
    finally:
        for name in list(platform.processes):
            with suppress(ProcessLookupError):
                platform.kill(name)


@contextmanager
def real_servers() -> Iterator[dict[str, str]]:
    """The environment for a fresh database and an empty queue on the PostgreSQL and Redis of the test run."""
    servers = {name: os.environ[name] for name in ("REDIS_URL", "REDIS_CACHE_URL")}
    for url in servers.values():
        with redis.Redis.from_url(url) as client:
            client.flushdb()
    with _database(os.environ["DATABASE_URL"]) as database_url:
        yield servers | {"DATABASE_URL": database_url}


@contextmanager
def _database(beside: str) -> Iterator[str]:
    """A new database on the server of the URL `beside`; gone afterwards."""
    parts = urlsplit(beside)
    folder, _, _ = parts.path.rpartition("/")
    name = f"forecourt_e2e_{os.getpid()}_{next(_numbers)}"
    server = f"host={folder}" if folder else f"host={parts.hostname} port={parts.port or 5432}"
    login = f"user={parts.username} password={parts.password or ''}"
    url = urlunsplit(parts._replace(path=f"{folder}/{name}"))
    administration = f"{server} {login} dbname=postgres"
    with psycopg.connect(administration, autocommit=True) as connection:
        template = f"forecourt_e2e_{os.getpid()}_template"
        _make_template(administration, template, url.replace(name, template))
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield url
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _make_template(administration: str, name: str, url: str) -> None:
    """Once a process: a dozen platforms begin with the same migrated tables."""
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    _migrate(url)
    atexit.register(_drop, administration, name)


def _drop(administration: str, name: str) -> None:
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@cache
def _migrated_file() -> Path:
    """The same for the embedded default."""
    folder = Path(tempfile.mkdtemp(prefix="forecourt-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _migrate(f"sqlite:///{folder}/template.sqlite3")
    return folder / "template.sqlite3"


def _migrate(url: str) -> None:
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
