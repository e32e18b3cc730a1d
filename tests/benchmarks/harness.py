"""Runs the servers side by side and charges each request with the processor time it took.

One server is loaded at a time; the order changes from round to round, and a ratio is formed within a round
before the median over the rounds is taken. So neighbours on the machine disturb both sides of a ratio alike.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.benchmarks.servers import HOST, THREADS, Running, Server, started, tail

Measured = TypeVar("Measured")
MICROSECONDS = 1_000_000
TEMPLATE = "bench_template"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Effort:
    """How long is measured: so many rounds of so many seconds for each server and workload."""

    rounds: int
    seconds: float
    rows: int
    depth_rows: int


FULL = Effort(rounds=5, seconds=1.5, rows=100_000, depth_rows=1_000_000)
QUICK = Effort(rounds=1, seconds=0.2, rows=10_000, depth_rows=20_000)


@dataclass(frozen=True)
class Sample:
    """One round of one server: processor microseconds per request, and what the client saw."""

    app_us: float
    database_us: float
    per_second: float
    p50_ms: float

    @property
    def cpu_us(self) -> float:
        return self.app_us + self.database_us


@dataclass(frozen=True)
class Case:
    """What is asked of whom: a path of one server, with a token or an API key."""

    target: Running
    path: str
    token: str


@dataclass(frozen=True)
class Bench:
    """The prepared database, a signed-in user's token, and the environment that every server gets."""

    database_url: str
    env: dict[str, str]
    token: str
    api_key: str
    detail_id: int
    folder: Path


def base_url() -> str:
    """The PostgreSQL server to measure on; its processes must run on this machine."""
    default = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    return os.environ.get("BENCH_DATABASE_URL", default)


@contextmanager
def prepared(cars: int, *, listings: int = 0, stays: int = 0, products: int = 0) -> Iterator[Bench]:
    """A database of its own with so many rows and somebody signed in; dropped afterwards."""
    with database(f"bench_{cars}") as url, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        env = environment(url, folder)
        made = in_child(env, "prepare", cars, listings, stays, products)
        yield Bench(url, env, made["token"], made["api_key"], made["detail_id"], Path(folder))


def loaded(module: str, *arguments: object) -> Any:
    """What a measured half (`*_load`) answers that runs on an empty database of its own."""
    with database(f"bench_{module}") as url, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        return in_child(environment(url, folder), module, *arguments)


def in_child(env: Mapping[str, str], module: str, *arguments: object) -> Any:
    """The JSON that a module of this package prints, in a process that has Django set up for that environment."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    quiet = {"LOG_LEVEL": "WARNING"}
    done = subprocess.run(command, env=os.environ | env | quiet, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


@contextmanager
def database(name: str) -> Iterator[str]:
    """The URL of a database of that name, migrated and empty, which exists as long as the block runs."""
    _create(name, template=TEMPLATE)
    try:
        yield _url(name)
    finally:
        _drop(name)


@contextmanager
def template() -> Iterator[None]:
    """The migrated database that all others are copies of; wants to be around everything that is measured."""
    _create(TEMPLATE, template="template1")
    try:
        with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
            in_child(environment(_url(TEMPLATE), folder), "prepare")
        yield
    finally:
        _drop(TEMPLATE)


def _url(name: str) -> str:
    return urlsplit(base_url())._replace(path=f"/{name}").geturl()


def _create(name: str, *, template: str) -> None:
    _drop(name)
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(base_url(), autocommit=True) as connection:
        connection.execute(create)


def _drop(name: str) -> None:
    with psycopg.connect(base_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def environment(database_url: str, folder: str) -> dict[str, str]:
    """Production settings; a token that outlives the run; limits that the load does not reach."""
    return {
        "FORECOURT_IGNORE_DOTENV": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DATABASE_URL": database_url,
        "DATA_DIR": folder,
        "SECRET_KEY": secrets.token_urlsafe(64),
        "JWT_SECRET_KEY": secrets.token_urlsafe(64),
        "BACKEND_URL": f"http://{HOST}",
        "ALLOWED_HOSTS": HOST,
        "TOKEN_TTL_MIN": "600",
        "REDIS_URL": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14"),
        "REDIS_CACHE_URL": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14"),
        "GLOBAL_RATE_LIMIT": "999999999/minute",
    }


@contextmanager
def running(bench: Bench, servers: Sequence[Server]) -> Iterator[list[Running]]:
    """All the servers, idle until they are loaded."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                started(
                    server,
                    env=bench.env,
                    database_url=bench.database_url,
                    log=bench.folder / f"{server.name}.log",
                )
            )
            for server in servers
        ]


def fetch(target: Running, path: str, token: str) -> Any:
    """The parsed answer to one request; raises RuntimeError unless it is a 200."""
    connection = http.client.HTTPConnection(HOST, target.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        seen = f"{target.server.name} answered {answer.status} to {path}: {body[:500]!r}"
        raise RuntimeError(f"{seen}\n{tail(target.log)}")
    return json.loads(body)


def measure(case: Case, seconds: float) -> Sample:
    """Load one server for a while and read its meters before and after."""
    target = case.target
    spec = {
        "host": HOST,
        "port": target.port,
        "path": case.path,
        "token": case.token,
        "connections": THREADS,
        "seconds": seconds,
    }
    app, database = target.app_seconds(), target.database_seconds()
    seen = in_child({}, "load", json.dumps(spec))
    app = target.app_seconds() - app
    spent = sum(now - database.get(pid, 0.0) for pid, now in target.database_seconds().items())
    if seen["failures"]:
        failed = f"{seen['failures']} of {seen['requests']} answers to {case.path} were not 200"
        raise RuntimeError(f"{target.server.name}: {failed}\n{tail(target.log)}")
    requests = seen["requests"]
    return Sample(
        app_us=MICROSECONDS * app / requests,
        database_us=MICROSECONDS * spent / requests,
        per_second=requests / seen["seconds"],
        p50_ms=seen["p50_ms"],
    )


def alternate(cases: Mapping[str, Case], effort: Effort) -> dict[str, list[Sample]]:
    """All the cases in turns, after a warm-up that opens connections and prepares statements."""
    for case in cases.values():
        measure(case, min(1.0, effort.seconds))
    return in_turns(list(cases), effort.rounds, lambda name: measure(cases[name], effort.seconds), warm_up=False)


def in_turns(
    names: Sequence[str], rounds: int, measure: Callable[[str], Measured], *, warm_up: bool = True
) -> dict[str, list[Measured]]:
    """Measure each name once a round, in rotating order; a round that warms up is not counted."""
    seen: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            measured = measure(name)
            if number >= 0:
                seen[name].append(measured)
    return seen


def ratio(of: Sequence[Sample], to: Sequence[Sample]) -> float:
    """How much dearer a request of `of` is than one of `to`: the median of the rounds' own ratios."""
    return statistics.median(one.cpu_us / other.cpu_us for one, other in zip(of, to, strict=True))


def dearer(of: Sequence[Mapping[str, float]], to: Sequence[Mapping[str, float]], what: str = "cpu") -> float:
    """The same of what measured halves answer: of one piece of work, where they say how many were `done`."""
    pairs = zip(of, to, strict=True)
    return statistics.median(
        (one[what] / one.get("done", 1)) / (other[what] / other.get("done", 1)) for one, other in pairs
    )


def check_agreement(answers: dict[str, Any]) -> None:
    """All must have answered the same cars with the same values; raises RuntimeError when one did not."""
    expected_name, expected = next((name, _cars(answer)) for name, answer in answers.items())
    for name, answer in answers.items():
        if _cars(answer) != expected:
            raise RuntimeError(f"{name} and {expected_name} answer differently:\n{answer}\n{expected}")
    counts = {name: answer["count"] for name, answer in answers.items() if "count" in answer}
    if len(set(counts.values())) > 1:
        raise RuntimeError(f"the counts differ: {counts}")


def _cars(answer: Any) -> list[dict[str, Any]]:
    cars = answer.get("results", [answer])
    return [{name: _comparable(value) for name, value in car.items()} for car in cars]


def _comparable(value: Any) -> Any:
    """Times are compared as times: one server writes `Z`, another `+00:00`."""
    if isinstance(value, str) and len(value) >= 20 and value[10] == "T":
        return datetime.fromisoformat(value)
    return value


def median(samples: Sequence[Sample], name: str) -> float:
    return statistics.median(getattr(sample, name) for sample in samples)
