"""`manage.py sync_cars`: a sync in the foreground, without broker and worker."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cars.models import SyncRun
from cars.sync import engine, runs
from cars.sync.log import COUNTS
from cars.sync.registry import SOURCES
from common import clock


class Command(BaseCommand):
    help = "Runs a sync here and now, and prints what it did. Fails when the run does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="Read everything, and withdraw what is gone.")
        parser.add_argument("--source", choices=sorted(SOURCES), default="cars")

    def handle(self, *args: Any, source: str, full: bool, **options: Any) -> None:
        requested = runs.request_run(
            source=source, trigger=SyncRun.Trigger.USER, full=full, now=clock.now(), ring=False
        )
        run = engine.execute_run(requested.run.pk) or requested.run  # A run that only waited is carried out here.
        if run.status == SyncRun.Status.RUNNING:
            raise CommandError(f"Run {run.pk} is under way.")
        counts = ", ".join(f"{name} {getattr(run, name)}" for name in COUNTS)
        self.stdout.write(f"Run {run.pk} of {source} {run.status} ({run.provider}): {counts}.")
        if run.status not in {SyncRun.Status.SUCCEEDED, SyncRun.Status.PARTIAL}:
            raise CommandError(f"{run.reason}: {run.error}")
