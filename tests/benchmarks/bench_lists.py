"""The list page: 20 and 100 of 100,000 cars by make and year, with count and with the active-user check."""

from __future__ import annotations

from tests.benchmarks import harness
from tests.benchmarks.harness import Bench, Case, Effort, Running, Sample
from tests.benchmarks.report import Figure, table
from tests.benchmarks.servers import DRF, EXPERT, FASTAPI, FLASK, FORECOURT, LIMITED, RAW, Server

SERVERS = (FORECOURT, LIMITED, FASTAPI, EXPERT, FLASK, DRF, RAW)
QUERY = "/api/cars?make=Toyota&year=2020&page=1&limit={limit}"


def run(effort: Effort) -> list[Figure]:
    """Measure both page sizes and print the servers side by side."""
    with harness.prepared(effort.rows) as bench, harness.running(bench, SERVERS) as targets:
        twenty = _page(bench, targets, 20, effort)
        hundred = _page(bench, targets, 100, effort)
    return [
        Figure("list of 20: FastAPI over Forecourt", over(twenty, FASTAPI), goal=3.0),
        Figure("list of 20: FastAPI by an expert (no count)", over(twenty, EXPERT), goal=2.0),
        Figure("list of 20: Flask", over(twenty, FLASK), goal=3.8),
        Figure("list of 20: stock DRF", over(twenty, DRF), goal=6.0),
        Figure("list of 20: share of the raw limit", over(twenty, RAW), unit="", goal=0.70),
        Figure("list of 20: rate limits in Redis add", over(twenty, LIMITED), unit="x"),
        Figure("list of 100: FastAPI", over(hundred, FASTAPI), goal=3.2),
        Figure("list of 100: share of the raw limit", over(hundred, RAW), unit="", goal=0.75),
    ]


def over(samples: dict[str, list[Sample]], server: Server) -> float:
    return harness.ratio(samples[server.name], samples[FORECOURT.name])


def _page(bench: Bench, targets: list[Running], limit: int, effort: Effort) -> dict[str, list[Sample]]:
    return compare(bench, targets, QUERY.format(limit=limit), f"list of {limit}", effort)


def compare(bench: Bench, targets: list[Running], path: str, title: str, effort: Effort) -> dict[str, list[Sample]]:
    """Check that all answer alike, measure in alternation, print the medians."""
    harness.check_agreement({t.server.name: harness.fetch(t, path, bench.token) for t in targets})
    samples = harness.alternate({t.server.name: Case(t, path, bench.token) for t in targets}, effort)
    print(f"\n{title}: {path}\n")
    head = (title, "app us", "PostgreSQL us", "CPU us", "x Forecourt", "req/s", "p50 ms")
    print(table(head, [_row(t.server, samples) for t in targets]))
    return samples


def _row(server: Server, samples: dict[str, list[Sample]]) -> tuple[str, ...]:
    own = samples[server.name]
    medians = [harness.median(own, name) for name in ("app_us", "database_us", "cpu_us")]
    return (
        server.title,
        *(f"{value:,.0f}" for value in medians),
        f"{over(samples, server):.2f}",
        f"{harness.median(own, 'per_second'):,.0f}",
        f"{harness.median(own, 'p50_ms'):.1f}",
    )
