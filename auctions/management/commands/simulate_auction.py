"""`manage.py simulate_auction`: made-up bidders bid over HTTP at random, then everything that must hold is checked."""

from __future__ import annotations

import os
import random
import secrets
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.tokens import ACCESS_LIFETIME
from auctions.simulation import market
from auctions.simulation.load import Load, Plan, Tally


class Command(BaseCommand):
    help = (
        "Makes bidders and auctions in the database and bids on them at random over HTTP, honouring 429; waits for the "
        "end, audits everything and prints a table. Exit code 1 on any violation. What it made stays, marked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bidders", type=int, default=8)
        parser.add_argument("--bids", type=int, default=25, help="of each bidder")
        parser.add_argument("--auctions", type=int, default=1)
        parser.add_argument(
            "--url", nargs="+", default=[f"http://localhost:{settings.PORT}"], help="servers on this database"
        )
        parser.add_argument("--buy-now", action="store_true", help="some also race to buy at once")
        parser.add_argument("--duration", type=int, default=20, metavar="S", help="of the auctions, in seconds")
        parser.add_argument(
            "--spread", action="store_true", help="spread the bids over the duration and past the end, not all at once"
        )
        parser.add_argument("--seed", type=int, default=None)
        parser.add_argument("--yes-i-mean-it", action="store_true", help="also in production")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        run, seed = secrets.token_hex(4), options["seed"]
        seed = secrets.randbelow(1_000_000) if seed is None else seed
        bidders = market.make_bidders(options["bidders"], run=run)
        lots = market.make_lots(
            options["auctions"],
            run=run,
            duration=timedelta(seconds=options["duration"]),
            buy_now=options["buy_now"],
            rng=random.Random(seed),  # noqa: S311 - a load, not a secret
        )
        spread_s = 1.1 * options["duration"] if options["spread"] else 0.0
        tally = Load(Plan(options["url"], options["bids"], spread_s, seed), bidders, lots).run()
        ours = market.await_ends(lots)
        found = list(market.violations(lots, bidders, tally))
        self._print(tally, {"seed": seed, "run": run, "auctions": len(lots), "closed by us": ours})
        for violation in found:
            self.stdout.write(f"VIOLATION: {violation}")
        if found:
            raise CommandError(f"{len(found)} violations.")
        self.stdout.write(self.style.SUCCESS("No violations."))

    def _print(self, tally: Tally, facts: dict[str, Any]) -> None:
        rows = dict(facts)
        rows |= {"accepted": len(tally.accepted), "bought at once": len(tally.bought)}
        rows |= {f"refused: {code}": times for code, times in sorted(tally.refused.items())}
        rows |= {"held back (429)": tally.held_back, "server errors": tally.server_errors.total()}
        rows |= {"connections broken": tally.broken, "never answered": tally.unanswered}
        rows["seconds"] = f"{tally.seconds:.1f}"
        rows["answers/s"] = f"{len(tally.latencies) / max(tally.seconds, 0.001):.1f}"
        rows["accepted bids/s"] = f"{len(tally.accepted) / max(tally.seconds, 0.001):.1f}"
        rows |= {f"p{part}": f"{1000 * percentile(tally.latencies, part):.1f} ms" for part in (50, 95, 99)}
        width = max(map(len, rows))
        for name, value in rows.items():
            self.stdout.write(f"{name:<{width}}  {value}")


def percentile(values: Sequence[float], part: int) -> float:
    """The smallest value that `part` percent do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)] if ordered else 0.0


def _check(options: dict[str, Any]) -> None:
    """Raises CommandError."""
    if os.environ["DJANGO_SETTINGS_MODULE"].endswith(".production") and not options["yes_i_mean_it"]:
        raise CommandError("This makes people and sales in the database; in production only with --yes-i-mean-it.")
    for name in ("bidders", "bids", "auctions", "duration"):
        if options[name] < 1:
            raise CommandError(f"--{name} must be at least 1.")
    longest = int(ACCESS_LIFETIME.total_seconds() / 2)
    if options["duration"] > longest:
        raise CommandError(f"The bidders' tokens last for auctions of at most {longest} seconds.")
