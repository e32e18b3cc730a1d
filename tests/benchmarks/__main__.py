"""`python -m tests.benchmarks [--quick] [--only lists,detail,sync,...] [--rounds N] [--seconds S]`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

from tests.benchmarks import bench_bids, bench_bookings, bench_csv, bench_depth, bench_detail, bench_lists, bench_sync
from tests.benchmarks.harness import FULL, QUICK, Effort
from tests.benchmarks.report import Figure, figures_table, machine

BENCHES: dict[str, Callable[[Effort], list[Figure]]] = {
    "lists": bench_lists.run,
    "detail": bench_detail.run,
    "depth": bench_depth.run,
    "sync": bench_sync.run,
    "bookings": bench_bookings.run,
    "bids": bench_bids.run,
    "csv": bench_csv.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers: shows that it runs, measures nothing")
    parser.add_argument("--only", default=",".join(BENCHES), help=f"comma separated of: {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    overrides = {name: getattr(given, name) for name in ("rounds", "seconds") if getattr(given, name) is not None}
    effort = dataclasses.replace(effort, **overrides)
    names = given.only.split(",")
    unknown = set(names) - set(BENCHES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(machine())
    figures = [figure for name in names for figure in BENCHES[name](effort)]
    print(f"\n{machine()}\n\n{figures_table(figures)}")


if __name__ == "__main__":
    main()
