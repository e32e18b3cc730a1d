"""Clean rows and their run, as the engine hands them to the page writer."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from cars.models import SyncRun
from cars.sync.registry import Row
from cars.sync.statements import Values

SOURCE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 1000


def clean_rows(count: int, *, first: int = 0) -> list[Row]:
    """Invented cars; no two share an id or a natural key."""
    rows = []
    for number in range(first, first + count):
        make, model = f"Make {number % 60}", f"Model {number // 60} Long Range"
        row = {"make": make, "model": model, "year": 2000 + number % 25, "category": "Sedan"}
        keys = {"make_key": make.casefold(), "model_key": model.casefold(), "source_updated_at": SOURCE_TIME}
        rows.append({"external_id": f"b{number:09}"} | row | keys)
    return rows


def values() -> Values:
    """What the rows of a new run have in common."""
    run = SyncRun.objects.create(source="cars", provider="bench", trigger="user", status="succeeded")
    return Values("cars", "bench", run.pk, f"sync run {run.pk}", timezone.now())
