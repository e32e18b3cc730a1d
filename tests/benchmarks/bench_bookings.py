"""Booking a spot for an interval, by the service with all its rules, against the ORM's FOR UPDATE on its spots."""

from __future__ import annotations

from tests.benchmarks.harness import Effort, dearer, loaded
from tests.benchmarks.report import Figure

ATTEMPTS = 400


def run(effort: Effort) -> list[Figure]:
    answer = loaded("booking_load", min(ATTEMPTS, effort.rows // 250), effort.rounds)
    seen = answer["rounds"]

    def figure(title: str, name: str, goal: float | None = None) -> Figure:
        note = f"processor time; on the clock {dearer(seen[name], seen['ours'], 'clock'):.3g} x"
        return Figure(
            f"bookings of an interval, {title} over ours", dearer(seen[name], seen["ours"]), goal=goal, note=note
        )

    return [
        figure("ORM FOR UPDATE, spot by spot", "spot_by_spot", goal=2.5),
        figure("ORM FOR UPDATE, free spot by one query", "one_query"),
        Figure("spots that were booked twice", answer["double"], "", goal=0, at_most=True),
    ]
