"""When a source runs next, as the schedule in the database has it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from django_celery_beat.models import PeriodicTask

TASK = "cars.tasks.sync_source"


def next_run_at(source: str, *, now: datetime) -> datetime | None:
    """The earliest coming tick of the enabled schedules of a source; None when there is none. Beat may be late."""
    ticks = [
        _next_tick(task, now)
        for task in PeriodicTask.objects.filter(task=TASK, enabled=True).select_related("interval", "crontab")
        if _source_of(task) == source
    ]
    return min(ticks, default=None)


def _source_of(task: PeriodicTask) -> object:
    try:
        return json.loads(task.kwargs).get("source")
    except (ValueError, AttributeError):
        return None


def _next_tick(task: PeriodicTask, now: datetime) -> datetime:
    if task.start_time and task.start_time > now:
        return task.start_time
    if task.last_run_at is None and task.start_time:
        return now  # Beat starts what should have begun already at once.
    remaining: timedelta = task.schedule.remaining_estimate(task.last_run_at or task.date_changed)
    tick = now + max(remaining, timedelta())
    return (tick + timedelta(seconds=0.5)).replace(microsecond=0)
