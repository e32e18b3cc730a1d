"""Money and stock, by the services with all their rules, against the same rows written by the ORM with FOR UPDATE."""

from __future__ import annotations

import statistics

from tests.benchmarks.harness import MICROSECONDS, Effort, dearer, loaded
from tests.benchmarks.report import Figure, table

COUNT = 400
TITLES = {"wire": "a wire for an order", "webhook": "a card's webhook", "stock": "a part taken off the shelf"}


def run(effort: Effort) -> list[Figure]:
    seen = loaded("write_load", min(COUNT, effort.rows // 250), effort.rounds)

    def price(name: str) -> str:
        return f"{statistics.median(MICROSECONDS * one['cpu'] / one['done'] for one in seen[name]):,.0f}"

    def ratio(work: str, what: str = "cpu") -> float:
        return dearer(seen[f"{work} orm"], seen[f"{work} ours"], what)

    print("\nwrites: microseconds of processor time\n")
    rows = [
        (title, price(f"{work} ours"), price(f"{work} orm"), f"{ratio(work):.2f}") for work, title in TITLES.items()
    ]
    print(table(("write", "ours", "ORM FOR UPDATE", "x"), rows))
    return [
        Figure(
            f"{title}, ORM FOR UPDATE over ours",
            ratio(work),
            note=f"processor time; on the clock {ratio(work, 'clock'):.3g} x",
        )
        for work, title in TITLES.items()
    ]
