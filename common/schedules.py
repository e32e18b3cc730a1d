"""For data migrations: the jobs of an app as rows of django-celery-beat. Made once and never overwritten; from then on
they belong to the operator, in the admin."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

# A start in the past lets the first tick come as soon as beat runs, not a period later.
START = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Every(NamedTuple):
    """A job every so many seconds. What waits longer than its period expires: the next one does the same."""

    seconds: int
    task: str
    name: str
    description: str
    kwargs: Mapping[str, Any] = NOTHING


class At(NamedTuple):
    """A job at a time of day, in a zone."""

    minute: str
    hour: str
    task: str
    name: str
    description: str
    day: str = "*"
    zone: str = "UTC"
    kwargs: Mapping[str, Any] = NOTHING


def scheduling(app_label: str, jobs: Sequence[Every | At]) -> tuple[Callable[[Any, Any], None], ...]:
    """Code for `migrations.RunPython`, forwards and backwards. `task` is the function in the app's tasks.py, or a full
    name; the row is called `<app>: <name>`. The migration must depend on django_celery_beat's last one."""

    def create(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001 - Django's signature
        rows = apps.get_model("django_celery_beat", "PeriodicTask").objects
        for job in jobs:
            timing = _every(apps, job) if isinstance(job, Every) else _at(apps, job)
            task = job.task if "." in job.task else f"{app_label}.tasks.{job.task}"
            defaults = {"task": task, "kwargs": json.dumps(dict(job.kwargs)), "description": job.description, **timing}
            rows.get_or_create(name=f"{app_label}: {job.name}", defaults=defaults)

    def remove(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001
        rows = apps.get_model("django_celery_beat", "PeriodicTask").objects
        rows.filter(name__in=[f"{app_label}: {job.name}" for job in jobs]).delete()

    return create, remove


def _every(apps: Any, job: Every) -> dict[str, Any]:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    period = {"every": job.seconds, "period": "seconds"}
    interval = intervals.filter(**period).first() or intervals.create(**period)
    return {"interval": interval, "start_time": START, "expire_seconds": job.seconds}


def _at(apps: Any, job: At) -> dict[str, Any]:
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    time = {
        "minute": job.minute, "hour": job.hour, "day_of_month": job.day, "day_of_week": "*", "month_of_year": "*",
        "timezone": job.zone,
    }  # fmt: skip
    return {"crontab": crontabs.filter(**time).first() or crontabs.create(**time)}
