"""Low-stock alerts: at most one is open per part, it closes when the part has recovered, and it is mailed once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from workshop.models import LowStockAlert, Part


def settle_alerts(*, parts: Collection[Part], now: datetime) -> None:
    """Open and close the alerts of parts as these stand now. The caller holds the parts' locks, so that nobody else
    does the same; archived parts are not missed."""
    low = {part.pk: part for part in parts if part.archived_at is None and part.is_low}
    alerts = LowStockAlert.objects.filter(part__in=parts, closed_at=None)
    open_for = set(alerts.values_list("part_id", flat=True))
    LowStockAlert.objects.bulk_create(
        LowStockAlert(part=part, available=part.available, threshold=part.low_stock_threshold, opened_at=now)
        for pk, part in low.items()
        if pk not in open_for
    )
    if open_for - low.keys():
        alerts.exclude(part__in=low).update(closed_at=now)
