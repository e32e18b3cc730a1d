"""A car's history as who changed what: differences between the snapshots that simple-history keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from cars.models import RUN_REASON_PREFIX, Car

COMPARED = ("make", "model", "year", "category", "locked_fields", "withdrawn_at")
ACTIONS = {"+": "created", "~": "changed", "-": "deleted"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `run_id` names the sync run that wrote it; `changes` are `{"field", "old", "new"}`."""

    history_id: int
    action: str
    history_date: datetime
    history_user_id: int | None
    run_id: int | None
    changes: list[dict[str, Any]]


def describe(snapshots: Sequence[Any]) -> list[Entry]:
    """Entries of successive snapshots of one car, newest first. Costs one query, for the snapshot before the last."""
    if not snapshots:
        return []
    earlier = [*snapshots[1:], _before(snapshots[-1])]
    return [_entry(snapshot, before) for snapshot, before in zip(snapshots, earlier, strict=True)]


def _before(snapshot: Any) -> Any | None:
    same_time = Q(history_date=snapshot.history_date, history_id__lt=snapshot.history_id)
    older = Q(history_date__lt=snapshot.history_date) | same_time
    return Car.history.filter(older, id=snapshot.id).first()


def _entry(snapshot: Any, before: Any | None) -> Entry:
    return Entry(
        history_id=snapshot.history_id,
        action=ACTIONS[snapshot.history_type],
        history_date=snapshot.history_date,
        history_user_id=snapshot.history_user_id,
        run_id=_run_id(snapshot.history_change_reason or ""),
        changes=_changes(snapshot, before),
    )


def _changes(snapshot: Any, before: Any | None) -> list[dict[str, Any]]:
    """Nothing for a deletion, nor for a change whose earlier state was not kept."""
    created = snapshot.history_type == "+"
    if snapshot.history_type == "-" or (before is None and not created):
        return []
    pairs = [(name, None if created else getattr(before, name), getattr(snapshot, name)) for name in COMPARED]
    return [
        {"field": name, "old": old, "new": new}
        for name, old, new in pairs
        if (new not in (None, "", []) if created else old != new)
    ]


def _run_id(reason: str) -> int | None:
    number = reason.removeprefix(RUN_REASON_PREFIX)
    return int(number) if number != reason and number.isdigit() else None
