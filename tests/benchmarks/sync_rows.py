"""Clean rows and their run, as the engine hands them to the page writer."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from cars.models import Car, SyncRun
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


def stored_rows(first: int) -> list[Row]:
    """A page of what `prepare` has stored, from that external id on."""
    names = ("external_id", "make", "model", "year", "category", "make_key", "model_key", "source_updated_at")
    stored = Car.objects.filter(source="file", external_id__gte=f"{first:010}").order_by("external_id")
    return list(stored.values(*names)[:PAGE])


def values(provider: str = "bench") -> Values:
    """What the rows of a new run have in common."""
    run = SyncRun.objects.create(source="cars", provider=provider, trigger="user", status="succeeded")
    return Values("cars", provider, run.pk, f"sync run {run.pk}", timezone.now())
