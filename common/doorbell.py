"""Rings for a worker. The job itself is a row in the database and a sweep finds it, so a lost ring only costs
time: a broker that is down or hangs may never fail, or hold up, the request that wrote the row."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger(__name__)

QUIET_S = 5.0  # After a failed ring nobody waits for the broker again until this has passed.


class _Circuit:
    """When this process may try the broker again (monotonic seconds)."""

    opens_at = 0.0


def ring_on_commit(task: str, *args: Any) -> None:
    """Sends the task of that name (`accounts.tasks.run_export`) once the surrounding transaction is
    committed; at once outside of one. Never raises. By name, because tasks import the services that ring
    for them."""
    transaction.on_commit(partial(_ring, task, *args))


def _ring(task: str, *args: Any) -> None:
    if time.monotonic() < _Circuit.opens_at:
        return
    try:
        current_app.send_task(task, args=args)
    except Exception as error:  # Whatever the transport raises: the sweep does the work.
        _Circuit.opens_at = time.monotonic() + QUIET_S
        log.warning("doorbell_failed", task=task, error=type(error).__name__)
