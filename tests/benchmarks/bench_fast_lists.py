"""Every list on the fast path against the same list on the ordinary one, and what the others cost."""

from __future__ import annotations

from typing import Any

from tests.benchmarks import harness
from tests.benchmarks.harness import Case, Effort, Running, Sample
from tests.benchmarks.report import Figure, table
from tests.benchmarks.servers import FORECOURT, PLAIN

FAST = {
    "cars of a make and year": "/api/cars?make=Toyota&year=2020&limit=20",
    "products of a category": "/api/workshop/products?category=Category+7&limit=20",
    "live auctions": "/api/auctions?status=live&limit=20",
    "bids of one auction": "/api/auctions/{auction_id}/bids",
    "listings": "/api/vehicles?limit=20",
    "own stays in car parks": "/api/parking/reservations?limit=20",
    "own payments for orders": "/api/payments?limit=20",
}
ORDINARY = {"car parks": "/api/parking/lots?limit=20"}


def run(effort: Effort) -> list[Figure]:
    rows = effort.rows // 10
    made = {"listings": rows, "stays": effort.rows, "products": rows}
    with harness.prepared(effort.rows, **made) as bench, harness.running(bench, [FORECOURT, PLAIN]) as (fast, plain):

        def measured(path: str, *targets: Running) -> list[list[Sample]]:
            path = path.format(auction_id=rows // 2)
            answers = [_shown(harness.fetch(target, path, bench.token)) for target in targets]
            if answers[0] != answers[-1] or not answers[0]:
                raise RuntimeError(f"both ways answer differently, or nothing, to {path}:\n{answers}")
            cases = {target.server.name: Case(target, path, bench.token) for target in targets}
            return list(harness.alternate(cases, effort).values())

        both = {title: measured(path, fast, plain) for title, path in FAST.items()}
        ordinary = {title: measured(path, fast) for title, path in ORDINARY.items()}
    print(f"\nlists of 20, among {effort.rows:,} cars and stays, {rows:,} products, listings and payments, and bids\n")
    lines = [(title, *_cells(*samples)) for title, samples in both.items()]
    lines += [(title, "", f"{harness.median(own, 'cpu_us'):,.0f}", "") for title, (own,) in ordinary.items()]
    print(table(("list", "fast us", "ordinary us", "x"), lines))
    return [
        Figure(f"{title}: ordinary way over fast", harness.ratio(slow, quick)) for title, (quick, slow) in both.items()
    ]


def _cells(quick: list[Sample], slow: list[Sample]) -> tuple[str, ...]:
    return (*(f"{harness.median(own, 'cpu_us'):,.0f}" for own in (quick, slow)), f"{harness.ratio(slow, quick):.1f}")


def _shown(answer: Any) -> list[Any]:
    """The rows without the moment of the answer."""
    return [{name: value for name, value in row.items() if name != "server_time"} for row in answer["results"]]
