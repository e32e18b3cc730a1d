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
    return _each(queryset, lambda pk: _handle_one(queryset, handle, pk, now), batch)


def sweep_ids(queryset: QuerySet[Any], handle: Callable[[Any], object], *, batch: int = 200) -> SweepResult:
    """As `sweep`, for rows that must not be locked first: `handle(pk)` opens a transaction, takes its locks in their
    order, looks again whether anything is due, and answers something true when it did anything."""
    return _each(queryset, handle, batch)


def _each(queryset: QuerySet[Any], handle: Callable[[Any], object], batch: int) -> SweepResult:
    done = failed = 0
    last = None
    while True:
        due = queryset if last is None else queryset.filter(pk__gt=last)
        ids = list(due.order_by("pk").values_list("pk", flat=True)[:batch])
        for pk in ids:
            try:
                done += bool(handle(pk))
            except Exception:
                failed += 1
                logger.exception("sweep_row_failed", model=queryset.model.__name__, row=str(pk))
        if len(ids) < batch:
            return SweepResult(done, failed)
        last = ids[-1]


def _handle_one(queryset: QuerySet[Any], handle: Callable[..., Any], pk: Any, now: datetime) -> bool:
    with transaction.atomic():
        locked = queryset.filter(pk=pk).select_for_update(of=("self",), skip_locked=True, no_key=True)
        row: Model | None = locked.first()
        if row is None:
            return False
        handle(row, now=now)
        return True
