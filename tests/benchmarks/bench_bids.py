"""Accepted bids, by the service with all its rules, against the ORM's usual way and against one bare statement."""

from __future__ import annotations

from tests.benchmarks.harness import Effort, dearer, loaded
from tests.benchmarks.report import Figure

BIDS = 600
LOADS = {"hot": ("on one auction", 2.0), "spread": ("over 100 auctions", 3.0)}


def run(effort: Effort) -> list[Figure]:
    seen = loaded("bid_load", min(BIDS, effort.rows // 100), effort.rounds)

    def figure(title: str, load: str, name: str, goal: float) -> Figure:
        of, to = seen[load][name], seen[load]["ours"]
        note = f"processor time {dearer(of, to):.3g} x"
        name = f"accepted bids/s {LOADS[load][0]}, ours over {title}"
        return Figure(name, dearer(of, to, "clock"), goal=goal, note=note)

    return [
        row
        for load, (_, goal) in LOADS.items()
        for row in (figure("ORM FOR UPDATE", load, "orm", goal), figure("one bare statement", load, "bare", 0.5))
    ]
