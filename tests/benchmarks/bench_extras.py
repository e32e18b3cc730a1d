"""What requests pay for an API key instead of a token, and for the router that could ask replicas."""

from __future__ import annotations

from dataclasses import replace

from tests.benchmarks import harness
from tests.benchmarks.bench_lists import QUERY
from tests.benchmarks.harness import Case, Effort
from tests.benchmarks.report import Figure
from tests.benchmarks.servers import FORECOURT, ROUTERLESS


def run(effort: Effort) -> list[Figure]:
    path = QUERY.format(limit=20)
    with harness.prepared(effort.rows) as bench:
        # The "replica" is the primary, which is refused as one: all that is paid for is the question.
        pinned = {**FORECOURT.env, "DATABASE_REPLICA_URLS": bench.database_url}
        servers = [FORECOURT, ROUTERLESS, replace(FORECOURT, name="router-on", env=pinned)]
        with harness.running(bench, servers) as (ours, routerless, router_on):
            cases = {
                "token": Case(ours, path, bench.token),
                "key": Case(ours, path, bench.api_key),
                "routerless": Case(routerless, path, bench.token),
                "router on": Case(router_on, path, bench.token),
            }
            samples = harness.alternate(cases, effort)

    def over(name: str, other: str) -> float:
        return harness.ratio(samples[name], samples[other])

    return [
        Figure("list of 20: an API key over a token", over("key", "token")),
        Figure("list of 20: no replicas, over a server without the router", over("token", "routerless")),
        Figure("list of 20: replicas, none of them to be asked, over no replicas", over("router on", "token")),
    ]
