"""What a request, a row or a booking costs with ten and a hundred times as many rows, and at depth."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg

from tests.benchmarks import harness
from tests.benchmarks.harness import MICROSECONDS, Bench, Case, Effort, Running, in_turns
from tests.benchmarks.report import Figure, table
from tests.benchmarks.servers import FORECOURT

LIMIT = 20
# Ids run from 1 without a gap, and a cursor of the default order is `n` and the last id that was shown. The marketplace
# is in the smaller two databases only: as many listings as cars, and ten times as many bids.
FIRST, DEEP = f"/api/cars?cursor=*&limit={LIMIT}", f"/api/cars?cursor=n{{depth}}&limit={LIMIT}"
EVERYWHERE = {
    "cars of a make, count up to 10,000": "/api/cars?make=Toyota&limit=20",
    "cars of a make, no count": "/api/cars?make=Toyota&limit=20&count=none",
    "cars of a make, exact count": "/api/cars?make=Toyota&limit=20&count=exact",
    "all cars, exact count": "/api/cars?limit=20&count=exact",
    "one car": "/api/cars/{detail_id}",
    "cars by cursor, first page": FIRST,
    "cars by cursor, last page": DEEP,
    "own stays in car parks": "/api/parking/reservations?limit=20",
}
MARKET = {
    "listings": "/api/vehicles?limit=20",
    "auctions": "/api/auctions?limit=20",
    "live auctions": "/api/auctions?status=live&limit=20",
    "bids of one auction": "/api/auctions/{auction_id}/bids",
}
ROWS = {"sync": "re-sync, per unchanged row", "csv": "export of stays, per row", "booking": "booking in a lot of them"}
Prices = dict[str, list[float]]  # By size, one a round, in microseconds.


def run(effort: Effort) -> list[Figure]:
    sizes = (effort.rows // 10, effort.rows, effort.depth_rows)
    names = [f"{size:,}" for size in sizes]
    with grown(sizes) as (benches, targets):
        depth = sizes[-1] - 5 * LIMIT
        shown = harness.fetch(targets[-1], DEEP.format(depth=depth), benches[-1].token)["results"]
        if [car["id"] for car in shown] != list(range(depth + 1, depth + 1 + LIMIT)):
            raise RuntimeError("the cursor did not lead to the deep page")
        seen: dict[str, Prices] = {}
        for title, path in {**EVERYWHERE, **MARKET}.items():
            used = list(zip(names, benches, targets, sizes, strict=True))[: 2 if title in MARKET else 3]
            cases = {name: _case(path, bench, target, size) for name, bench, target, size in used}
            samples = harness.alternate(cases, effort)
            seen[title] = {name: [sample.cpu_us for sample in own] for name, own in samples.items()}
        seen |= _in_process(dict(zip(names, zip(benches, sizes, strict=True), strict=True)), effort.rounds)
        offset = _offset_ratio(benches[-1].database_url, depth)
    _print(names, seen)
    last = names[-1]
    at_depth = _ratio(seen["cars by cursor, last page"][last], seen["cars by cursor, first page"][last])
    return [
        Figure(f"page at depth {last} over the first, by cursor", at_depth, goal=1.5, at_most=True),
        Figure(f"page at depth {last} over the first, by OFFSET", offset, note="SQL alone; the API refuses it"),
        *(
            Figure(f"{title}: {large} over {names[0]}", _ratio(prices[large], prices[names[0]]))
            for title, prices in seen.items()
            for large in [list(prices)[-1]]
        ),
    ]


@contextmanager
def grown(sizes: Sequence[int]) -> Iterator[tuple[list[Bench], list[Running]]]:
    """A database and a server for each size; the cars have the size, and the stays of one driver in one lot."""
    with ExitStack() as stack:
        benches = [
            stack.enter_context(harness.prepared(size, stays=size, listings=0 if size == sizes[-1] else size))
            for size in sizes
        ]
        yield benches, [stack.enter_context(harness.running(bench, [FORECOURT]))[0] for bench in benches]


def _case(path: str, bench: Bench, target: Running, size: int) -> Case:
    # Auctions whose number ends in 5 are live.
    return Case(
        target, path.format(detail_id=bench.detail_id, depth=size - 5 * LIMIT, auction_id=size - 5), bench.token
    )


def _in_process(benches: dict[str, tuple[Bench, int]], rounds: int) -> dict[str, Prices]:
    """What has no request: the same by processes of its own."""
    number = 0

    def measure(name: str) -> dict[str, float]:
        nonlocal number
        number += 1
        bench, size = benches[name]
        seen: dict[str, float] = harness.in_child(bench.env, "growth_load", size, number)
        return seen

    seen = in_turns(list(benches), max(2, rounds // 2), measure)
    return {
        title: {name: [MICROSECONDS * one[key] for one in own] for name, own in seen.items()}
        for key, title in ROWS.items()
    }


def _print(names: Sequence[str], seen: dict[str, Prices]) -> None:
    print("\ngrowth: microseconds of processor time, and times those of the smallest\n")
    rows = []
    for title, prices in seen.items():
        first = prices[names[0]]
        larger = [cell for name in names[1:] for cell in _cells(prices.get(name), first)]
        rows.append((title, f"{statistics.median(first):,.1f}", *larger))
    print(table(("rows", names[0], *(cell for name in names[1:] for cell in (name, "x"))), rows))


def _cells(prices: list[float] | None, first: list[float]) -> tuple[str, str]:
    return ("", "") if prices is None else (f"{statistics.median(prices):,.1f}", f"{_ratio(prices, first):.2f}")


def _ratio(of: list[float], to: list[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(one / other for one, other in zip(of, to, strict=True))


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
