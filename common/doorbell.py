"""Rings for a worker. The job itself is a row in the database and a sweep finds it, so a lost ring only costs
time: a broker that is down or hangs may never fail, or hold up, the request that wrote the row."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction

from common.circuit import Circuit

EVERY_S = 1.0  # Between two messages of `ring_now_and_then`.
broker = Circuit("broker", event="doorbell")


def ring_on_commit(task: str, *args: Any) -> None:
    """Sends the task of that name (`accounts.tasks.run_export`) once the surrounding transaction is
    committed; at once outside of one. Never raises. By name, because tasks import the services that ring
    for them."""
    transaction.on_commit(partial(_ring, task, *args))


def ring_now_and_then(task: str) -> None:
    """As `ring_on_commit`, for a sweep that many transactions ring for: at most one message a second from this
    process. The first goes at once, one more waits in the broker for the second to be over, and stands for all that
    were rung meanwhile."""
    transaction.on_commit(partial(_ring_in_turn, task))


_next_turns: dict[str, float] = {}  # By task: when (monotonic seconds) this process may send its next message.


def _ring_in_turn(task: str) -> None:
    present = time.monotonic()
    turn = max(_next_turns.get(task, 0.0), present)
    if turn - present >= EVERY_S:
        return  # One is on its way that will run after this commit.
    _next_turns[task] = turn + EVERY_S
    _ring(task, countdown=turn - present or None)


def _ring(task: str, *args: Any, countdown: float | None = None) -> None:
    if not broker.admits():
        return
    try:
        current_app.send_task(task, args=args, countdown=countdown)
    except Exception as error:  # Whatever the transport raises: the sweep does the work.
        broker.failed(error)
    else:
        broker.worked()
