"""Tasks of the sync: each rings for, or carries, what rows in the database say."""

from __future__ import annotations

from celery import shared_task

from cars.models import SyncRun
from cars.services import vin
from cars.sync import engine, runs
from common import clock


@shared_task(name="cars.tasks.sync_source")
def sync_source(source: str, full: bool = False) -> None:
    """The schedule's entry: ask for a run of a source."""
    runs.request_run(source=source, trigger=SyncRun.Trigger.SCHEDULE, full=full, now=clock.now())


@shared_task(name="cars.tasks.run_sync")
def run_sync(run_id: int) -> None:
    """Carry out a queued run; sent twice, it runs once."""
    engine.execute_run(run_id)


@shared_task(name="cars.tasks.sweep_syncs")
def sweep_syncs() -> None:
    """Find runs whose worker died, and queued ones that nobody took."""
    runs.sweep(now=clock.now())


@shared_task(name="cars.tasks.clean_up")
def clean_up() -> None:
    """Daily: what providers said of VINs and is too old to be believed."""
    vin.forget_expired(now=clock.now())
