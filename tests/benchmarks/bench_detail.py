"""One car by id."""

from __future__ import annotations

from tests.benchmarks import harness
from tests.benchmarks.bench_lists import compare, over
from tests.benchmarks.harness import Effort
from tests.benchmarks.report import Figure
from tests.benchmarks.servers import DRF, FASTAPI, FLASK, FORECOURT, RAW

SERVERS = (FORECOURT, FASTAPI, FLASK, DRF, RAW)


def run(effort: Effort) -> list[Figure]:
    with harness.prepared(effort.rows) as bench, harness.running(bench, SERVERS) as targets:
        samples = compare(bench, targets, f"/api/cars/{bench.detail_id}", "one car", effort)
    return [
        Figure("one car: FastAPI", over(samples, FASTAPI), goal=2.0),
        Figure("one car: Flask", over(samples, FLASK)),
        Figure("one car: stock DRF", over(samples, DRF)),
        Figure("one car: share of the raw limit", over(samples, RAW), unit="", goal=0.50),
    ]
