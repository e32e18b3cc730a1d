"""Migrations go forward, back and forward again, and leave an operator's schedule alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection

SCRIPT = """
import django, sys
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import Group
from django_celery_beat.models import IntervalSchedule, PeriodicTask

def migrate(*arguments):
    call_command("migrate", *arguments, verbosity=0)

migrate()
made = sorted(PeriodicTask.objects.values_list("name", flat=True))
assert made and Group.objects.filter(name="moderator").exists()
rarely = IntervalSchedule.objects.create(every=9, period="hours")
PeriodicTask.objects.filter(name=made[0]).update(interval=rarely, crontab=None, enabled=False)
edited = PeriodicTask.objects.get(name=made[0])
migrate()
assert (PeriodicTask.objects.get(name=made[0]).interval, edited.enabled) == (rarely, False)
migrate("cars", "zero"); migrate("accounts", "zero")
assert not PeriodicTask.objects.exclude(name__startswith="celery.").exists()
migrate()
assert sorted(PeriodicTask.objects.values_list("name", flat=True)) == made
print("forward, back and forward")
"""


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[str]:
    """Of the kind that the tests run on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path}/forecourt.sqlite3"
        return
    base, _, name = os.environ["DATABASE_URL"].rpartition("/")
    name = f"{name}_migrations_{os.getpid()}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{base}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.slow
@pytest.mark.xdist_group("migrations")  # Groups begin first; this is the longest.
def test_migrations_go_back_and_forward_again(empty_database: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "DATABASE_URL": empty_database,
        "DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=900)
    assert done.stdout.strip().endswith("forward, back and forward"), done.stderr[-3000:]
