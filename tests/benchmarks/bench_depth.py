"""A page at depth 1,000,000 against the first one: by cursor through the API, by OFFSET in bare SQL."""

from __future__ import annotations

import statistics
import time

import psycopg

from tests.benchmarks import harness
from tests.benchmarks.harness import Effort, Running, Sample
from tests.benchmarks.report import Figure
from tests.benchmarks.servers import FORECOURT

LIMIT = 20


def run(effort: Effort) -> list[Figure]:
    with harness.prepared(effort.depth_rows) as bench, harness.running(bench, [FORECOURT]) as (target,):
        depth = effort.depth_rows - 5 * LIMIT
        # Ids run from 1 without a gap, and a cursor of the default order is `n` and the last id that was shown.
        pages = {"first": f"/api/cars?cursor=*&limit={LIMIT}", "deep": f"/api/cars?cursor=n{depth}&limit={LIMIT}"}
        shown = harness.fetch(target, pages["deep"], bench.token)["results"]
        if [car["id"] for car in shown] != list(range(depth + 1, depth + 1 + LIMIT)):
            raise RuntimeError("the cursor did not lead to the deep page")
        samples = _alternate(target, pages, bench.token, effort)
        offset = _offset_ratio(bench.database_url, depth)
    name = f"page at depth {effort.depth_rows:,} over the first"
    return [
        Figure(f"{name}, by cursor", harness.ratio(samples["deep"], samples["first"]), goal=1.5, at_most=True),
        Figure(f"{name}, by OFFSET", offset, note="SQL alone; the API refuses it"),
    ]


def _alternate(target: Running, pages: dict[str, str], token: str, effort: Effort) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in pages}
    for path in pages.values():
        harness.measure(target, path, token, min(1.0, effort.seconds))
    for number in range(effort.rounds):
        for name in sorted(pages, reverse=bool(number % 2)):
            samples[name].append(harness.measure(target, pages[name], token, effort.seconds))
    return samples


def _offset_ratio(database_url: str, depth: int) -> float:
    statement = "SELECT id, make, model, year FROM cars_car WHERE withdrawn_at IS NULL ORDER BY id LIMIT %s OFFSET %s"
    times: dict[int, list[float]] = {0: [], depth: []}
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(7):
            for offset, seen in times.items():
                started = time.perf_counter()
                connection.execute(statement, (LIMIT, offset)).fetchall()
                seen.append(time.perf_counter() - started)
    return statistics.median(times[depth]) / statistics.median(times[0])
