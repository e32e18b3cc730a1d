"""Booking a spot for an interval, by the service with all its rules, against the ORM's FOR UPDATE on its spots."""

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

ATTEMPTS = 400


def run(effort: Effort) -> list[Figure]:
    count = min(ATTEMPTS, effort.rows // 250)
    with harness.database("bench_bookings") as url, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        env = os.environ | harness.environment(url, folder) | {"LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-m", "tests.benchmarks.booking_load", str(count), str(effort.rounds)]
        done = subprocess.run(command, env=env, cwd=harness.ROOT, check=True, stdout=subprocess.PIPE)
    answer = json.loads(done.stdout)
    seen = answer["rounds"]

    def ratio(name: str, what: str) -> float:
        pairs = zip(seen[name], seen["ours"], strict=True)
        return statistics.median((one[what] / one["booked"]) / (our[what] / our["booked"]) for one, our in pairs)

    def figure(title: str, name: str, goal: float | None = None) -> Figure:
        note = f"processor time; on the clock {ratio(name, 'clock'):.3g} x"
        return Figure(f"bookings of an interval, {title} over ours", ratio(name, "cpu"), goal=goal, note=note)

    return [
        figure("ORM FOR UPDATE, spot by spot", "spot_by_spot", goal=2.5),
        figure("ORM FOR UPDATE, free spot by one query", "one_query"),
        Figure("spots that were booked twice", answer["double"], "", goal=0, at_most=True),
    ]
