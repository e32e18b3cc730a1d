"""Beat's schedule; CELERY_BEAT_SCHEDULER names it."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

log = structlog.get_logger(__name__)
RETRY_S = 2.0


class PatientScheduler(DatabaseScheduler):
    """From the database, for which it waits where django-celery-beat ends the process: beat may start first, and while
    the database is away there is nothing to ring for, because the jobs are its rows."""

    def all_as_schedule(self) -> dict[str, Any]:
        """Read when beat starts and when the schedule was edited."""
        while True:
            try:
                schedule: dict[str, Any] = super().all_as_schedule()
                return schedule
            except (OperationalError, InterfaceError) as error:
                log.warning("schedule_unavailable", error=type(error).__name__, retry_s=RETRY_S)
                close_old_connections()
                time.sleep(RETRY_S)
