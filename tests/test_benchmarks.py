"""The benchmarks' rows and jobs fit the tables and rules of today. What they measure is no matter of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.csvfile import write_csv
from accounts.models import User
from parking.exports import COLUMNS, PARKING
from tests.benchmarks import bench_fast_lists, bench_growth, csv_load, write_load
from tests.benchmarks.__main__ import main
from tests.benchmarks.harness import in_turns
from tests.benchmarks.market_rows import make_market, make_products
from tests.benchmarks.parking_rows import make_history, make_lots
from tests.benchmarks.prepare import bench_user, one_car, seed

ROWS = 1000  # The fewest with a Toyota of 2020.
PATHS = [*bench_fast_lists.FAST.values(), *bench_fast_lists.ORDINARY.values(), *bench_growth.EVERYWHERE.values()]


@pytest.mark.postgres
@pytest.mark.django_db
def test_each_measured_list_shows_rows(as_user: Callable[[User], APIClient]) -> None:
    seed(ROWS)
    make_market(bench_user(), 20)
    make_lots(2, 20)
    make_history(bench_user(), 40)
    make_products(40)
    client = as_user(bench_user())
    for path in [*PATHS, *bench_growth.MARKET.values()]:
        shown = client.get(path.format(auction_id=10, depth=900, detail_id=one_car()))
        assert shown.status_code == 200, path
        assert shown.json().get("results", [shown.json()]), path


@pytest.mark.postgres
@pytest.mark.django_db
def test_all_write_the_same_csv(tmp_path: Path) -> None:
    make_lots(2, 20)
    make_history(bench_user(), 40)
    with (tmp_path / "ours").open("wb") as file:
        write_csv(PARKING.rows(bench_user(), {}), COLUMNS, file)
    csv_load.iterator_and_csv(bench_user(), tmp_path / "iterator", 40)
    csv_load.values_and_csv(bench_user(), tmp_path / "values", 40)
    written = [(tmp_path / name).read_bytes() for name in ("ours", "iterator", "values")]
    assert written[0].count(b"\r\n") == 41
    assert written[0] == written[1] == written[2]


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["wires", "payments", "lines"])
def test_both_ways_to_write_do_their_work(name: str) -> None:
    jobs: dict[str, tuple[Callable[[Any], bool], ...]] = {
        "wires": (write_load.record_wire, write_load.record_wire_by_orm),
        "payments": (write_load.take_webhook, write_load.take_webhook_by_orm),
        "lines": (write_load.take_part, write_load.take_part_by_orm),
    }
    for job in jobs[name]:
        assert all(map(job, getattr(write_load, name)(2)))


def test_contenders_take_turns() -> None:
    seen: list[str] = []
    figures = in_turns(["a", "b", "c"], 2, lambda name: seen.append(name) or len(seen))
    assert "".join(seen) == "cab" + "abc" + "bca"  # One round to warm up.
    assert figures == {"a": [4, 9], "b": [5, 7], "c": [6, 8]}


def test_an_unknown_benchmark_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "lists,listen"])
    with pytest.raises(SystemExit):
        main()
