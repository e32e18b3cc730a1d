"""`manage.py verify_auctions`: replays the logs of auctions and compares what they say with what is stored."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from auctions.services.audit import Problem
from auctions.services.verification import verify_auctions


class Command(BaseCommand):
    help = "Audits auctions. Prints what does not fit, without values; exit code 1 when anything does not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--auction", type=int, metavar="ID", help="only this one")
        which.add_argument("--since", metavar="MOMENT", help="only those that changed since (ISO 8601, else UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        since = _moment(options["since"]) if options["since"] else None
        verified = verify_auctions(auction_id=options["auction"], since=since, report=self._print)
        if options["auction"] is not None and not verified.checked:
            raise CommandError(f"There is no auction {options['auction']}.")
        if verified.failed:
            raise CommandError(f"{verified.failed} of {verified.checked} auctions are not as their logs say.")
        self.stdout.write(f"{verified.checked} auctions are as their logs say.")

    def _print(self, auction_id: int, problem: Problem) -> None:
        row = "" if problem.seq is None else f" at row {problem.seq}"
        where = f" ({problem.field})" if problem.field else ""
        self.stdout.write(f"auction {auction_id}: {problem.code}{row}{where}")


def _moment(text: str) -> datetime:
    """Raises CommandError."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text} is not a moment in ISO 8601, as 2026-11-26T00:00:00Z.")
    return make_aware(moment) if is_naive(moment) else moment
