"""`python -m tests.soak [--operations 10000] [--seed 7] [--threads 4]`, on a test database of its own at DATABASE_URL.

Prints what was done, what was refused and how fast; exit code 1 when anything failed or the ledger does not add up.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="needs PostgreSQL when there are several")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    os.environ.setdefault("LOG_LEVEL", "CRITICAL")

    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    if given.threads > 1 and connection.vendor != "postgresql":
        parser.error("several threads need PostgreSQL")
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        return live(given)
    finally:
        teardown_databases(databases, verbosity=0)


def live(given: Any) -> int:
    from auctions.models import Order
    from auctions.services.ledger import audit_ledger
    from auctions.services.verification import verify_auctions
    from common import doorbell
    from common.clock import now
    from tests.soak.market import People, Tally, World

    # No worker listens; the sweeps are among the operations.
    doorbell.broker.admits = lambda: False  # type: ignore[method-assign]
    world, tally = World(), Tally()
    shares = [given.operations // given.threads] * given.threads
    shares[0] += given.operations % given.threads
    started = time.perf_counter()
    with ThreadPoolExecutor(given.threads) as pool:
        for part in pool.map(lambda job: _work(People(world, given.seed + job[0]), job[1]), enumerate(shares)):
            tally.add(part)
    seconds = time.perf_counter() - started
    began = time.perf_counter()
    audit = audit_ledger(now=now())
    audit_s = time.perf_counter() - began
    wrong: list[str] = []
    verified = verify_auctions(report=lambda pk, problem: wrong.append(f"auction {pk}: {problem.code}"))
    states = {status: Order.objects.filter(status=status).count() for status in Order.Status.values}
    speed = given.operations / seconds
    print(f"{given.operations} operations by {given.threads} threads in {seconds:.1f} s: {speed:.0f}/s")
    refused = ", ".join(f"{name} {number}" for name, number in tally.refused.most_common(12))
    print(f"{sum(tally.refused.values())} refused: {refused}")
    print(f"{audit.orders} orders: {', '.join(f'{status} {number}' for status, number in states.items() if number)}")
    print(f"audit in {audit_s:.2f} s: {audit.differences} differences")
    print(f"{verified.checked} auctions, {verified.failed} not as their logs say")
    for line in [*tally.failures[:20], *(str(row) for row in audit.details[:20]), *wrong[:20]]:
        print(f"!!! {line}")
    return 1 if tally.failures or audit.differences or wrong else 0


def _work(people: Any, operations: int) -> Any:
    from django.db import connections

    try:
        return people.act(operations)
    finally:
        connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
