"""What a sync costs: no write for what did not change, and memory that does not grow with the source."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from cars.models import Car
from cars.sync.cars import CARS
from cars.sync.providers.base import Page, Record, batches
from cars.sync.statements import Statements
from cars.sync.upsert import PageWriter
from tests.benchmarks.sync_rows import clean_rows, values
from tests.cars.sync.conftest import Sync, counts


class ManyCars:
    """As many invented cars as `size` says, numbered from `first`."""

    name = "many"
    first, size = 0, 0

    def __init__(self, connect: Any) -> None:
        pass

    def readiness(self) -> list[str]:
        return []

    def pages(self, cursor: Any) -> Iterator[Page]:
        records = (
            Record(f"m{number}", {"make": f"Make {number % 60}", "model": f"Model {number // 60}", "year": 2000})
            for number in range(self.first, self.first + self.size)
        )
        for batch in batches(records):
            yield Page(batch, {})


def peak_of_run(sync: Sync, first: int, size: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes held at most in a run that creates `size` rows."""
    monkeypatch.setattr(ManyCars, "first", first)
    monkeypatch.setattr(ManyCars, "size", size)
    tracemalloc.start()
    try:
        assert sync().created == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_rows(sync: Sync, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CAR_PROVIDER = f"{__name__}.ManyCars"
    peak_of_run(sync, 0, 3_000, monkeypatch)  # What is imported and compiled once.
    small = peak_of_run(sync, 10_000, 5_000, monkeypatch)
    large = peak_of_run(sync, 20_000, 50_000, monkeypatch)
    # Two machine words a row: less than the smallest thing that could be kept of each.
    assert large - small < 45_000 * 16, (small, large)


@pytest.mark.postgres
def test_an_unchanged_page_writes_no_log_and_no_row_version(db: None) -> None:
    rows = clean_rows(1000)
    writer = PageWriter(Statements(CARS.target, connection))
    assert len(writer.write(rows, values()).created) == 1000
    before = list(_versions())

    sql, parameters = Statements(CARS.target, connection).page(writer._payload(clean_rows(1000)), values())
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, WAL, FORMAT JSON) {sql}", parameters)
        (plan,) = cursor.fetchone()

    root = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    assert (root.get("WAL Records", 0), root.get("WAL Bytes", 0)) == (0, 0)
    assert list(_versions()) == before


def _versions() -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, ctid::text, xmin::text, updated_at FROM cars_car ORDER BY id")
        yield from cursor.fetchall()


@pytest.mark.postgres
def test_a_page_is_one_statement_and_its_history_another(db: None, django_assert_num_queries: Any) -> None:
    writer, common = PageWriter(Statements(CARS.target, connection)), values()
    with django_assert_num_queries(4):  # The statement and its setting, between the savepoint and the release.
        assert len(writer.write(clean_rows(1000), common).created) == 1000
    changed = clean_rows(1000)
    for row in changed[:300]:
        row["category"] = "Changed"
    with django_assert_num_queries(5):
        assert len(writer.write(changed, common).updated) == 300
    assert Car.history.count() == 300


def test_pages_cost_the_same_number_of_statements_whatever_they_hold(
    sync: Sync, settings: Any, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    settings.CAR_PROVIDER = f"{__name__}.ManyCars"
    monkeypatch.setattr(ManyCars, "size", 3000)
    sync()
    with django_assert_max_num_queries(40):
        assert counts(sync()) == {"fetched": 3000, "unchanged": 3000}
