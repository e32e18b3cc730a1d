"""pytest plugin: which faults are provoked, and what clients saw of them, as the page docs/reliability.md.

A test says by `@pytest.mark.fault("F7", "how it was provoked", expected="what has to come of it")` which of `FAULTS` it
is about (`variants`: the ids of those of its parameters that are), and by the fixture `witness` what it counted.
`--reliability PATH` writes the page from the tests of this run.
Variants that only repeat a test more often are marked `long`: they run with `--long`, and a run without it says how
many it left out.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

FAULTS = {
    "F1": "Redis down: the cache",
    "F2": "Redis down: the rate limits",
    "F3": "Redis down: the queue",
    "F4": "Redis hangs",
    "F5": "Redis emptied",
    "F6": "Redis restarted",
    "F7": "PostgreSQL restarted under load",
    "F8": "PostgreSQL away, or out of connections",
    "F9": "Upstream slow",
    "F10": "Upstream answers 500, 429, 401",
    "F11": "Upstream answers nonsense",
    "F12": "Upstream fails half-way",
    "F13": "Upstream repeats itself",
    "F14": "Upstream sends too much",
    "F15": "Upstream redirects",
    "F16": "Upstream sends bad rows",
    "F17": "TLS, names, broken connections",
    "F18": "A process killed half-way",
    "F19": "Several beats",
    "F20": "Beat dead",
    "F21": "Disk full",
    "F22": "Clocks that differ",
    "F23": "Asked to end",
    "F24": "Everybody at once",
    "F25": "Locks in opposite orders",
    "F26": "Migration on live data",
    "F27": "Backup and restore",
    "F28": "SQLite: killed, and shared",
    "F29": "Mail server down",
    "F30": "Object store down",
    "F31": "Many large answers at once",
    "F32": "A task that kills its process",
}
# Faults that another suite proves.
ELSEWHERE = {
    "F26": "`tests/test_migrations.py`: the migrations forth and back, and on rows that are there",
    "F27": "`tests/operations/`: a dump restored, and the audits run on the copy",
}
INTRO = """# Reliability

What breaks, how that was provoked, and what clients saw of it. The rows of `tests/faults` run against the real parts,
ended and frozen by process id; upstreams, Stripe and the mail server are stand-ins over real sockets. The other rows
are tests of one mechanism, which need no more than that. The figures are those that the tests counted. Written by
`make faults`, which runs all of them and the long variants that `make test` leaves out; do not edit it.

* acked: writes that were answered with success. lost: acked and not there afterwards. twice: there more than once, or
  there and never acked although the client repeated it with its `Idempotency-Key` until it was. Both have to be 0; a
  row that is missing or doubled fails the test.
* other: answers that are no success, by status. 503 always carried `Retry-After`. `refused`: no connection, or closed
  before the first byte. `cut`: within an answer.
* back: seconds from the return of what was away until the first success.
* Seconds are what this machine took, not a promise; no test depends on them but for a generous bound.

Again: `make faults`. One row: `pytest --long tests/faults/test_redis.py`. A new one: mark a test with
`@pytest.mark.fault`, count by `witness(...)`; `tests/faults/test_reliability.py` holds the page against the tests.
"""

_LONG_LEFT_OUT = pytest.StashKey[int]()
_RESULTS = pytest.StashKey["Results"]()


@dataclass
class Seen:
    """What one test is about and what came of it, all its variants together."""

    fault: str
    how: str
    expected: str
    test: str
    outcomes: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        for outcome in ("failed", "skipped"):
            if outcome in self.outcomes:
                return outcome
        variants = f" ({len(self.outcomes)} variants)" if len(self.outcomes) > 1 else ""
        return "passed" + variants

    def row(self) -> str:
        cells = (f"{self.fault} {FAULTS[self.fault]}", self.how, self.expected, "; ".join(self.figures))
        return f"| {' | '.join(cells)} | `{self.test}` | {self.verdict} |"


@dataclass
class Results:
    """Of this run; written when it ends."""

    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    load_at_start: float = field(default_factory=lambda: os.getloadavg()[0])
    rows: dict[tuple[str, str, str], Seen] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """The outcome of a test's call, or of what kept it from being called."""
        if report.when != "call" and report.outcome == "passed":
            return
        figures = {name: value for kind, given in report.user_properties if kind == "witness" for name, value in given}
        text = ", ".join(f"{name} {_written(value)}" for name, value in figures.items())
        for kind, given in report.user_properties:
            if kind != "fault":
                continue
            fault, how, expected, test, variant = given
            seen = self.rows.setdefault((fault, test, how), Seen(fault, how, expected, test))
            seen.outcomes.append(report.outcome)
            if text:
                seen.figures.append(f"{variant}: {text}" if variant else text)

    def page(self, machine: str) -> str:
        rows = sorted(self.rows.values(), key=lambda seen: (int(seen.fault[1:]), seen.test))
        verdicts = [seen.verdict.split()[0] for seen in rows]
        counted = ", ".join(f"{verdicts.count(name)} {name}" for name in ("passed", "failed", "skipped"))
        lines = [
            INTRO,
            f"{len(rows)} rows: {counted}. {self.began_at:%Y-%m-%d}, {machine}.",
            "",
            "| fault | provoked by | has to be | clients saw | test | verdict |",
            "|---|---|---|---|---|---|",
            *(seen.row() for seen in rows),
            *(f"| {fault} {FAULTS[fault]} | | | see {why} | | |" for fault, why in ELSEWHERE.items()),
        ]
        return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict):
        return " + ".join(f"{count} x {name}" for name, count in value.items()) or "none"
    return str(value)


def machine(*, load_at_start: float) -> str:
    """What the figures were measured on, and how busy it was besides."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (f"{os.cpu_count()} cores", f"{memory_gib:.0f} GiB", f"Python {platform.python_version()}")
    load = f"load average {load_at_start:.1f} before and {os.getloadavg()[0]:.1f} after the run"
    return ", ".join([*parts, *_versions(), load])


def _versions() -> Iterable[str]:
    """Of the servers that the run was given."""
    from tests.e2e.processes import connection_string

    if os.environ["DATABASE_URL"].startswith("postgres"):
        with psycopg.connect(connection_string(os.environ["DATABASE_URL"], "postgres")) as connection:
            number = connection.info.server_version
        yield f"PostgreSQL {number // 10000}.{number % 10000}"
    if os.environ["REDIS_URL"]:
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            yield f"Redis {client.info('server')['redis_version']}"


@pytest.fixture
def witness(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Takes figures by name for the row of this test: numbers, texts, or counts by status."""

    def note(**figures: Any) -> None:
        given = [(name, dict(value) if isinstance(value, dict) else value) for name, value in figures.items()]
        request.node.user_properties.append(("witness", given))

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="run the long variants of the tests of faults too")
    group.addoption("--reliability", metavar="PATH", help="write what the tests of faults saw to this page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = Results()
    config.stash[_LONG_LEFT_OUT] = 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            fault, how = mark.args
            if fault not in FAULTS:
                raise pytest.UsageError(f"{item.nodeid} is marked with the fault {fault}, which is none of FAULTS")
            test, variant = _name_of(item)
            if variant in mark.kwargs.get("variants", [variant]):
                item.user_properties.append(("fault", [fault, how, mark.kwargs["expected"], test, variant]))
    if config.option.long:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.stash[_LONG_LEFT_OUT] = len(left_out)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _name_of(item: pytest.Item) -> tuple[str, str]:
    """The test and which of its variants; not by the item's id, to which pytest-xdist adds the group."""
    assert isinstance(item, pytest.Function)
    variant = item.callspec.id if hasattr(item, "callspec") else ""
    return f"{item.path.relative_to(item.config.rootpath)}::{item.originalname}", variant


class _Page:
    """Only the process that reports knows of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.config.stash[_RESULTS].add(report)

    def pytest_sessionfinish(self) -> None:
        results = self.config.stash[_RESULTS]
        text = results.page(machine(load_at_start=results.load_at_start))
        Path(self.config.option.reliability).write_text(text)


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.option.reliability and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Page(session.config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["long_left_out"] = session.config.stash[_LONG_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each worker of pytest-xdist has collected everything."""
    node.config.stash[_LONG_LEFT_OUT] = getattr(node, "workeroutput", {}).get("long_left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash[_LONG_LEFT_OUT]:
        line = f"!!! {left_out} long variants of tests of faults were left out: `make faults`, or --long, runs them."
        terminalreporter.write_line(line, yellow=True, bold=True)
