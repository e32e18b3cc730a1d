"""Withdrawing rows that a complete run has not met: a tombstone, never a deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from cars.sync.registry import PageChanges, Target
from cars.sync.seen import Seen
from cars.sync.statements import Statements, Values

PAGE = 1000
MOST_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Missing:
    """How many of the provider's rows that are not withdrawn were not met."""

    rows: int
    missing: int

    @property
    def is_plausible(self) -> bool:
        """At most a fifth: more looks like an upstream that lost its data, not like one that tidied up."""
        return self.missing * 100 <= self.rows * MOST_PERCENT


def find_missing(target: Target, seen: Seen, *, provider: str) -> Missing:
    """Compare the provider's rows with what was seen, and note the missing in `seen`."""
    rows = missing = 0
    for page in _pages(target, provider):
        rows += len(page)
        missing += seen.note_missing(page)
    return Missing(rows, missing)


def _pages(target: Target, provider: str) -> Iterator[list[tuple[int, str]]]:
    current = target.model._default_manager.filter(**{target.owner: provider}, withdrawn_at__isnull=True)
    current = current.exclude(external_id=None).order_by("pk")
    last = 0
    while page := list(current.filter(pk__gt=last).values_list("pk", "external_id")[:PAGE]):
        yield page
        last = page[-1][0]


def withdraw(target: Target, seen: Seen, values: Values, *, book: Callable[[int], None]) -> None:
    """Withdraw the noted rows, page by page. `book(count)` runs in each page's transaction and may raise to stop."""
    statements = Statements(target, connection)
    for ids in seen.missing(PAGE):
        with transaction.atomic():
            gone = _mark(target, ids, now=values.now)
            if gone and statements.history_columns:
                with connection.cursor() as cursor:
                    cursor.execute(*statements.record(gone, values))
            if gone and target.changed:
                target.changed(PageChanges(run_id=values.run_id, withdrawn=gone))
            book(len(gone))


def _mark(target: Target, ids: list[int], *, now: datetime) -> list[int]:
    rows = target.model._default_manager.filter(pk__in=ids, withdrawn_at__isnull=True).order_by("pk")
    gone = list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    target.model._default_manager.filter(pk__in=gone).update(withdrawn_at=now, updated_at=now)
    return gone
