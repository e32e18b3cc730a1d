"""What is settled before the first run: providers, schedules, tasks, the command."""

from __future__ import annotations

import importlib
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from cars import tasks
from cars.models import SyncRun
from cars.sync import runs
from cars.sync.cars import CARS
from cars.sync.registry import SOURCES, SourceDefinition, register_source
from tests.standins.base import Fault
from tests.standins.parse import ParseServer

schedule = importlib.import_module("cars.migrations.0003_schedule")


@pytest.mark.parametrize("name", ["", "parce", "no.such.module", "cars.models.Car", "cars.sync.cars.CARS"])
def test_an_unknown_provider_stops_the_start_and_names_the_setting(settings: Any, name: str) -> None:
    settings.CAR_PROVIDER = name
    with pytest.raises(ImproperlyConfigured, match=r"^CAR_PROVIDER is neither one of file, parse, vpic nor"):
        apps.get_app_config("cars").ready()


def test_a_source_is_registered_once() -> None:
    register_source(CARS)
    assert SOURCES["cars"] is CARS
    with pytest.raises(ImproperlyConfigured):
        register_source(SourceDefinition(name="cars", setting="OTHER", target=CARS.target))


def test_the_jobs_are_in_the_schedule(db: None) -> None:
    jobs = {job.name: job for job in PeriodicTask.objects.filter(name__startswith="cars: ")}
    assert jobs.keys() == {
        f"cars: {name}" for name in ("Sync cars", "Sync sweep", "Full refresh of cars", "Daily clean-up")
    }
    assert (jobs["cars: Sync cars"].interval.every, jobs["cars: Sync cars"].interval.period) == (300, "seconds")
    assert jobs["cars: Full refresh of cars"].kwargs == '{"source": "cars", "full": true}'
    assert all(job.description for job in jobs.values())


def test_an_edit_survives_the_migration(db: None) -> None:
    IntervalSchedule.objects.create(every=300, period="seconds")  # A second one of the same period is no obstacle.
    PeriodicTask.objects.filter(name="cars: Sync cars").update(enabled=False, description="ours")
    schedule.create(apps, None)
    job = PeriodicTask.objects.get(name="cars: Sync cars")
    assert (job.enabled, job.description) == (False, "ours")
    schedule.remove(apps, None)
    left = PeriodicTask.objects.filter(name__startswith="cars: ")
    assert left.get().name == "cars: Daily clean-up"  # Of another migration.


def test_the_tasks_ask_carry_out_and_sweep(parse: ParseServer, db: None) -> None:
    tasks.sync_source("cars", full=True)
    run = SyncRun.objects.get()
    assert (run.status, run.trigger, run.full) == ("queued", "schedule", True)
    tasks.run_sync(run.pk)
    tasks.sweep_syncs()
    run.refresh_from_db()
    assert (run.status, run.created) == ("succeeded", 30)


def test_the_bell_is_rung_once_the_row_is_committed(
    db: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr("common.doorbell._ring", lambda task, *args: sent.append((task, args)))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sync_source("cars")
    assert sent == [("cars.tasks.run_sync", (SyncRun.objects.get().pk,))]


def test_the_command_runs_in_the_foreground(parse: ParseServer, db: None) -> None:
    out = StringIO()
    call_command("sync_cars", "--full", stdout=out)
    assert "succeeded (parse): fetched 30, created 30, updated 0" in out.getvalue()


def test_the_command_fails_with_its_run(parse: ParseServer, db: None) -> None:
    parse.faults.add(Fault.STATUS, code=404)
    with pytest.raises(CommandError, match="status_404"):
        call_command("sync_cars", stdout=StringIO())


def test_the_command_carries_out_a_run_that_waits(parse: ParseServer, db: None) -> None:
    waiting = runs.request_run(source="cars", trigger="schedule", now=timezone.now()).run
    call_command("sync_cars", stdout=StringIO())
    waiting.refresh_from_db()
    assert waiting.status == "succeeded"


def test_the_command_leaves_a_running_run_alone(db: None) -> None:
    runs.claim(runs.request_run(source="cars", trigger="user", now=timezone.now()).run.pk, now=timezone.now())
    with pytest.raises(CommandError, match="is under way"):
        call_command("sync_cars", stdout=StringIO())
