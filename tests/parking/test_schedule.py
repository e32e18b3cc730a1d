"""The jobs of parking are in the database, and belong to the operator once they are there."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django_celery_beat.models import PeriodicTask

from config.celery import app

pytestmark = pytest.mark.django_db


def test_the_schedule_is_in_the_database_and_names_real_tasks() -> None:
    app.loader.import_default_modules()
    jobs = PeriodicTask.objects.filter(name__startswith="parking: ")
    names = {job.task.removeprefix("parking.tasks.") for job in jobs}
    assert names >= {"sweep_no_shows", "sweep_overstays", "blank_plates", "send_reminders", "send_monthly_reports"}
    for job in jobs:
        assert job.description
        assert job.task in app.tasks


def test_the_migration_leaves_an_operators_changes_alone() -> None:
    before = PeriodicTask.objects.count()
    PeriodicTask.objects.filter(task="parking.tasks.sweep_overstays").update(enabled=False, expire_seconds=7)
    importlib.import_module("parking.migrations.0004_schedule").create(apps, None)
    job = PeriodicTask.objects.get(task="parking.tasks.sweep_overstays")
    assert (job.enabled, job.expire_seconds, PeriodicTask.objects.count()) == (False, 7, before)
