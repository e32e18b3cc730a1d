"""`python -m tests.benchmarks [--quick] [--only lists,detail,sync,...] [--rounds N] [--seconds S]`."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable

from tests.benchmarks import (
    bench_bids,
    bench_bookings,
    bench_csv,
    bench_detail,
    bench_extras,
    bench_fast_lists,
    bench_growth,
    bench_lists,
    bench_sync,
    bench_writes,
)
from tests.benchmarks.harness import FULL, QUICK, Effort, template
from tests.benchmarks.report import Figure, figures_table, machine

BENCHES: dict[str, Callable[[Effort], list[Figure]]] = {
    "lists": bench_lists.run,
    "detail": bench_detail.run,
    "fast-lists": bench_fast_lists.run,
    "extras": bench_extras.run,
    "growth": bench_growth.run,
    "sync": bench_sync.run,
    "bookings": bench_bookings.run,
    "bids": bench_bids.run,
    "writes": bench_writes.run,
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
    began = time.monotonic()
    with template():
        for name in names:
            print(f"\n# {name}\n\n{machine()}", flush=True)
            print(f"\n{figures_table(BENCHES[name](effort))}", flush=True)
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
