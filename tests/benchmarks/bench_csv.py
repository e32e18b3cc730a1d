"""A driver's history as a CSV file: the export's whole job against an iterator with the csv module, and psql's COPY."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

from tests.benchmarks import harness
from tests.benchmarks.harness import Effort
from tests.benchmarks.report import Figure


def run(effort: Effort) -> list[Figure]:
    rows, rounds = effort.depth_rows, max(2, effort.rounds // 2)
    with harness.database("bench_csv") as url, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        env = os.environ | harness.environment(url, folder) | {"LOG_LEVEL": "WARNING"}
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.csv_load",
            str(rows),
            str(rounds),
            folder,
        ]
        done = subprocess.run(command, env=env, cwd=harness.ROOT, check=True, stdout=subprocess.PIPE)
    answer = json.loads(done.stdout)
    seen = answer["rounds"]

    def ratio(name: str, what: str = "cpu") -> float:
        pairs = zip(seen[name], seen["ours"], strict=True)
        return statistics.median(theirs[what] / ours[what] for theirs, ours in pairs)

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
