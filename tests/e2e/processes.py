"""The platform as it runs for people: web server, worker and beat as processes of their own, reached over HTTP."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis
from psycopg.conninfo import make_conninfo

from tests.ports import free_port

T = TypeVar("T")
_numbers = count()
ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
ADMIN_EMAIL, ADMIN_PASSWORD = "root@example.com", "a long administrator word 7"
PREPARED_WITHIN_S = 300  # On a machine that is busy with other things.
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
        subprocess.run(
            [sys.executable, "-c", code, *steps], cwd=ROOT, env=self.environment, check=True, timeout=PREPARED_WITHIN_S
        )

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

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """To its database, past the application."""
        return psycopg.connect(connection_string(self.environment["DATABASE_URL"]), autocommit=autocommit)

    def until(self, what: str, probe: Callable[[], T], *, within: float) -> T:
        """The first true answer of `probe`, which may fail with a transport error meanwhile."""
        deadline = time.monotonic() + within
        while True:
            try:
                if answer := probe():
                    return answer
            except httpx.TransportError:
                pass
            # Of a copy: a stand-in's thread may kill one meanwhile, which is then none that ended by itself.
            ended = [name for name, process in list(self.processes.items()) if process.poll() is not None]
            ended = [name for name in ended if name in self.processes]
            assert not ended, f"{ended} ended before {what}\n{self.logs()}"
            assert time.monotonic() < deadline, f"not within {within} s: {what}\n{self.logs()}"
            time.sleep(0.1)


@contextmanager
def running_platform(
    folder: Path, commands: dict[str, list[str]], *, prepared: bool = False, **environment: str
) -> Iterator[Platform]:
    """Answering; `commands` names the processes. Prepares the database, unless somebody did. Ends all, by force if need
    be."""
    port = free_port()
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
        shutil.copy(migrated_file(), database)
    try:
        if not prepared:
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


def connection_string(url: str, database: str = "") -> str:
    """libpq's words for a database URL, whose host may be a socket's folder; `database` names another one there."""
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    place = {"host": folder.replace("//", "/")} if folder else {"host": parts.hostname, "port": parts.port or 5432}
    return make_conninfo(**place, user=parts.username, password=parts.password, dbname=database or name)


@contextmanager
def _database(beside: str) -> Iterator[str]:
    """A new database on the server of the URL `beside`; gone afterwards."""
    parts = urlsplit(beside)
    folder, _, _ = parts.path.rpartition("/")
    name = f"forecourt_e2e_{os.getpid()}_{next(_numbers)}"
    url = urlunsplit(parts._replace(path=f"{folder}/{name}"))
    administration = connection_string(beside, "postgres")
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated_database(beside)}"')
        try:
            yield url
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def migrated_database(beside: str) -> str:
    """The name of a template with empty tables on the server of the URL `beside`, made once a run."""
    name = f"{_run().name}_template"
    with _made_once("postgres") as made:
        if not made.exists():
            with psycopg.connect(connection_string(beside, "postgres"), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # If one was left half made.
                connection.execute(f'CREATE DATABASE "{name}"')
            parts = urlsplit(beside)
            migrate(urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}")))
            made.touch()
    if "TEST_RUN" not in os.environ:
        atexit.register(drop_template, beside, _run())
    return name


def drop_template(beside: str, run: Path) -> None:
    """At the end of the run whose folder is given, if it made one."""
    with psycopg.connect(connection_string(beside, "postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{run.name}_template" WITH (FORCE)')


@cache
def migrated_file() -> Path:
    """The same for the embedded default."""
    with _made_once("sqlite") as made:
        if not made.exists():
            migrate(f"sqlite:///{made}.begun")
            made.with_name(f"{made.name}.begun").rename(made)
    return made


@contextmanager
def _made_once(name: str) -> Iterator[Path]:
    """Where the thing or its mark is, once it is made; while one process of the run makes it, the others wait."""
    with (_run() / f"{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield _run() / name


@cache
def _run() -> Path:
    """A folder that all processes of a test run share; a program by itself is a run of its own."""
    if given := os.environ.get("TEST_RUN"):
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="forecourt-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def migrate(url: str) -> None:
    """All tables, in an empty database."""
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=PREPARED_WITHIN_S)
