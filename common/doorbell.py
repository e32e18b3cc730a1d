"""Rings for a worker. The job itself is a row in the database and a sweep finds it, so a lost ring only costs
time: a broker that is down or hangs may never fail, or hold up, the request that wrote the row."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import structlog
from celery import Task
from django.db import transaction

log = structlog.get_logger(__name__)

QUIET_S = 5.0  # After a failed ring nobody waits for the broker again until this has passed.


class _Circuit:
    """When this process may try the broker again (monotonic seconds)."""

    opens_at = 0.0


def ring_on_commit(task: Task, *args: Any) -> None:
    """Sends the task once the surrounding transaction is committed; at once outside of one. Never raises."""
    transaction.on_commit(partial(_ring, task, *args))


def _ring(task: Task, *args: Any) -> None:
    if time.monotonic() < _Circuit.opens_at:
        return
    try:
        task.apply_async(args=args)
    except Exception as error:  # Whatever the transport raises: the sweep does the work.
        _Circuit.opens_at = time.monotonic() + QUIET_S
        log.warning("doorbell_failed", task=task.name, error=type(error).__name__)
