"""A driver's history as a CSV file: the export's whole job against an iterator with the csv module, and psql's COPY."""

from __future__ import annotations

from tests.benchmarks.harness import Effort, dearer, loaded
from tests.benchmarks.report import Figure


def run(effort: Effort) -> list[Figure]:
    rows = effort.depth_rows
    answer = loaded("csv_load", rows, max(2, effort.rounds // 2))
    seen = answer["rounds"]

    def ratio(name: str, what: str = "cpu") -> float:
        return dearer(seen[name], seen["ours"], what)

    def figure(title: str, name: str, unit: str = "x", goal: float | None = None) -> Figure:
        note = f"processor time; on the clock {ratio(name, 'clock'):.3g} {unit}".rstrip()
        return Figure(f"CSV of {rows:,} rows, {title}", ratio(name), unit, goal=goal, note=note)

    return [
        figure("iterator and csv over ours", "iterator", goal=12),
        figure("rows of values and csv over ours", "values"),
        figure("share of psql's COPY of the same cells", "copy", unit="", goal=0.8),
        figure("share of psql's COPY of bare cells", "bare_copy", unit=""),
        Figure("memory over idle while it is written", answer["memory_mib"], "MiB", goal=4, at_most=True),
    ]
