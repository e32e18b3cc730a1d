"""The sync's page writer against Django's bulk_create(update_conflicts=True) and against one query per row."""

from __future__ import annotations

import statistics
from typing import Any

from tests.benchmarks.harness import Effort, dearer, loaded
from tests.benchmarks.report import Figure

ROWS = 50_000


def run(effort: Effort) -> list[Figure]:
    rows = min(ROWS, effort.rows // 2)
    seen = loaded("sync_load", rows, max(2, effort.rounds // 2))
    first, again = seen["first"], seen["again"]
    return [
        _figure(f"first load of {rows:,} rows, bulk_create over ours", first, "bulk_create", 3),
        _figure("re-sync of unchanged rows, bulk_create over ours", again, "bulk_create", 10),
        _figure("re-sync of unchanged rows, row by row over ours", again, "row_by_row", 200),
        Figure("log written by the statement per unchanged row", seen["statement_wal"], "bytes", 0, at_most=True),
        Figure(
            "log written per unchanged row, all of ours", _median(again["ours"], "wal"), "bytes", note="by position"
        ),
        Figure("log written per unchanged row, bulk_create", _median(again["bulk_create"], "wal"), "bytes"),
    ]


def _figure(name: str, seen: dict[str, list[Any]], other: str, goal: float) -> Figure:
    of, to = seen[other], seen["ours"]
    return Figure(name, dearer(of, to), goal=goal, note=f"processor time; on the clock {dearer(of, to, 'clock'):.3g} x")


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)
