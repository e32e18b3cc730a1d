"""Fixtures of the sync's tests: stand-ins over real HTTP, and runs in the foreground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.utils import timezone

from cars.models import Car, SyncRun
from cars.sync import engine, runs
from cars.sync.log import COUNTS
from common import http
from tests.standins.parse import ParseServer, read_rows, sample_rows

BUNDLED = Path(__file__).resolve().parents[3] / "cars" / "data" / "cars.csv.gz"


class Sync(Protocol):
    def __call__(self, *, full: bool = False, source: str = "cars") -> SyncRun: ...


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: what is tested is that they come."""
    monkeypatch.setattr(http, "_FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(http, "_LONGEST_BACKOFF_S", 0.001)


def run_now(*, full: bool = False, source: str = "cars") -> SyncRun:
    """A run asked for and carried out; it need not have gone well."""
    requested = runs.request_run(source=source, trigger=SyncRun.Trigger.USER, full=full, now=timezone.now(), ring=False)
    return engine.execute_run(requested.run.pk) or requested.run


@pytest.fixture
def sync(db: None) -> Sync:
    return run_now


def use_parse(settings: Any, server: ParseServer) -> None:
    settings.CAR_PROVIDER = "parse"
    settings.CAR_API_URL = f"{server.base_url}/classes/{server.class_name}"
    settings.CAR_API_ID = server.app_id
    settings.CAR_API_KEY = server.master_key


@pytest.fixture
def parse(settings: Any) -> Iterator[ParseServer]:
    """A Parse class of 30 invented cars, read in pages of 10."""
    with ParseServer(sample_rows(30)) as server:
        use_parse(settings, server)
        yield server


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cars.sync.providers.parse.PAGE_SIZE", 10)


@pytest.fixture
def real_parse(settings: Any) -> Iterator[ParseServer]:
    """A Parse class of the 9,581 real cars."""
    with ParseServer(read_rows(BUNDLED)) as server:
        use_parse(settings, server)
        yield server


def counts(run: SyncRun) -> dict[str, int]:
    """The counts of a run that are not 0; `fetched` is checked to be the sum of what became of the records."""
    found = {name: getattr(run, name) for name in COUNTS}
    parts = ("created", "updated", "unchanged", "rejected", "duplicate")
    assert found["fetched"] == sum(found[name] for name in parts), found
    return {name: count for name, count in found.items() if count}


def stored() -> dict[str, tuple[Any, ...]]:
    """The synced rows by external id."""
    rows = Car.objects.exclude(external_id=None)
    return {row.external_id: (row.year, row.make, row.model, row.category) for row in rows}


def by_id(server: ParseServer) -> dict[str, dict[str, Any]]:
    return {row["objectId"]: row for row in server.rows()}


def upstream(server: ParseServer) -> dict[str, tuple[Any, ...]]:
    """What a faithful copy of the server would hold."""
    return {
        object_id: (row["Year"], row["Make"], row["Model"], row["Category"]) for object_id, row in by_id(server).items()
    }


@pytest.fixture
def csv_cars(settings: Any, tmp_path: Path) -> Callable[[str], Path]:
    """Use the file provider with this text as its CSV file."""

    def write(text: str) -> Path:
        path = tmp_path / "cars.csv"
        path.write_text(text)
        settings.CAR_PROVIDER, settings.CAR_FILE = "file", str(path)
        return path

    return write
