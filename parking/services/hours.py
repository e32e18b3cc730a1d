"""When a lot is open, in its own time zone. Vehicles may stand there while it is closed; they cannot come or go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from parking.models import Lot


def is_open(lot: Lot, moment: datetime) -> bool:
    """Whether one can drive in or out. The closing minute itself still counts, for those who leave."""
    if lot.opens_at is None or lot.closes_at is None:
        return True
    clock = moment.astimezone(ZoneInfo(lot.timezone)).time()
    if lot.opens_at < lot.closes_at:
        return lot.opens_at <= clock <= lot.closes_at
    return clock >= lot.opens_at or clock <= lot.closes_at


def next_closing(lot: Lot, moment: datetime) -> datetime | None:
    """When the lot next closes after a moment; None when it never does."""
    if lot.closes_at is None:
        return None
    local = moment.astimezone(ZoneInfo(lot.timezone))
    closing = local.replace(
        hour=lot.closes_at.hour, minute=lot.closes_at.minute, second=lot.closes_at.second, microsecond=0, fold=0
    )
    # In the hour that autumn repeats, the closing comes twice. Days are counted on the wall clock, whatever the clocks
    # do that night.
    closings = (closing, closing.replace(fold=1), closing + timedelta(days=1))
    # In UTC, since two times of one zone are compared by their digits alone.
    return next(time for time in closings if time.astimezone(UTC) > moment.astimezone(UTC))
