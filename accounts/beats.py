"""When each job last ended well, in rows: a worker has no port that could be asked."""

from __future__ import annotations

import time

import structlog
from django.db import DatabaseError, InterfaceError

from accounts.models import Heartbeat
from common.clock import database_now

EVERY_S = 30.0  # Seconds between two writes for one task by one process; some tasks run every five seconds.
BEAT = "beat"
_next: dict[str, float] = {}
log = structlog.get_logger(__name__)


def name_of(task: str) -> str:
    """`auctions.tasks.close_auctions` is `auctions.close_auctions`: names of heartbeats have at most 32 characters."""
    return task.replace(".tasks.", ".")[:32]


def note_success(task: str) -> None:
    """Never raises: the job is done, whatever becomes of the note."""
    present = time.monotonic()
    if present < _next.get(task, 0.0):
        return
    _next[task] = present + EVERY_S
    try:
        Heartbeat.objects.update_or_create(name=name_of(task), defaults={"beat_at": database_now()})
    except (DatabaseError, InterfaceError) as error:
        log.warning("success_not_noted", noted_task=task, error=type(error).__name__)
