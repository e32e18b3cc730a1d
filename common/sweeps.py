"""Sweeps: how a deadline in a column becomes an action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from django.db import transaction
from django.db.models import Model, QuerySet

logger = structlog.get_logger(__name__)


class SweepResult(NamedTuple):
    """Rows handled, and rows whose handler raised (they stay due)."""

    done: int
    failed: int


def sweep(queryset: QuerySet[Any], handle: Callable[..., Any], *, now: datetime, batch: int = 200) -> SweepResult:
    """Call `handle(row, now=now)` for every row of `queryset`, each in its own transaction under its own lock.

    The ids are read first, `batch` at a time; a row that another process holds, or that no longer matches once it is
    locked, is passed over. A handler that raises is logged, rolls its own row back and does not stop the rest.
    """
    done = failed = 0
    last = None
    while True:
        due = queryset if last is None else queryset.filter(pk__gt=last)
        ids = list(due.order_by("pk").values_list("pk", flat=True)[:batch])
        for pk in ids:
            try:
                done += _handle_one(queryset, handle, pk, now)
            except Exception:
                failed += 1
                logger.exception("sweep_row_failed", model=queryset.model.__name__, row=str(pk))
        if len(ids) < batch:
            return SweepResult(done, failed)
        last = ids[-1]


def _handle_one(queryset: QuerySet[Any], handle: Callable[..., Any], pk: Any, now: datetime) -> int:
    with transaction.atomic():
        locked = queryset.filter(pk=pk).select_for_update(of=("self",), skip_locked=True, no_key=True)
        row: Model | None = locked.first()
        if row is None:
            return 0
        handle(row, now=now)
        return 1
