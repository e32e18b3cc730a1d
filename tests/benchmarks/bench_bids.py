"""Accepted bids, by the service with all its rules, against the ORM's usual way and against one bare statement."""

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

BIDS = 600
LOADS = {"hot": ("on one auction", 2.0), "spread": ("over 100 auctions", 3.0)}


def run(effort: Effort) -> list[Figure]:
    count = min(BIDS, effort.rows // 100)
    with harness.database("bench_bids") as url, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        env = os.environ | harness.environment(url, folder) | {"LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-m", "tests.benchmarks.bid_load", str(count), str(effort.rounds)]
        done = subprocess.run(command, env=env, cwd=harness.ROOT, check=True, stdout=subprocess.PIPE)
    seen = json.loads(done.stdout)

    def ratio(load: str, name: str, what: str) -> float:
        """Accepted bids per second of ours over those of the other, within a round."""
        pairs = zip(seen[load][name], seen[load]["ours"], strict=True)
        return statistics.median((one[what] / one["accepted"]) / (our[what] / our["accepted"]) for one, our in pairs)

    def figure(title: str, load: str, name: str, goal: float) -> Figure:
        note = f"processor time {ratio(load, name, 'cpu'):.3g} x"
        return Figure(
            f"accepted bids/s {LOADS[load][0]}, ours over {title}", ratio(load, name, "clock"), goal=goal, note=note
        )

    return [
        row
        for load, (_, goal) in LOADS.items()
        for row in (figure("ORM FOR UPDATE", load, "orm", goal), figure("one bare statement", load, "bare", 0.5))
    ]
