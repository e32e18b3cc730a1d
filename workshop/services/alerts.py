"""Low-stock alerts: at most one is open per part, it closes when the part has recovered, and it is mailed once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.db import transaction
from django.db.models import F

from workshop.models import LowStockAlert, Part
from workshop.services.messages import LOW_STOCK, tell_staff


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


@transaction.atomic
def mail_low_stock(*, now: datetime) -> int:
    """Tell staff of the open alerts that nobody was told of, in one message per supplier. Answers how many messages.

    An alert that somebody else holds, because its part changes at this moment, has its turn next time.
    """
    due = LowStockAlert.objects.filter(closed_at=None, mailed_at=None)
    locked = due.select_for_update(of=("self",), skip_locked=True, no_key=True).select_related("part__supplier")
    alerts = list(locked.order_by(F("part__supplier_id").asc(nulls_last=True), "part__name", "pk"))
    messages = 0
    for _, group in groupby(alerts, key=lambda alert: alert.part.supplier_id):
        _tell([alert.part for alert in group], now=now)
        messages += 1
    LowStockAlert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(mailed_at=now)
    return messages


def _tell(parts: Sequence[Part], *, now: datetime) -> None:
    """Of parts of one supplier, as they stand now."""
    supplier = parts[0].supplier
    number = "1 part runs" if len(parts) == 1 else f"{len(parts)} parts run"
    tell_staff(
        permission="workshop.view_lowstockalert",
        kind=LOW_STOCK,
        title=f"{number} low: {supplier.name if supplier else 'no supplier'}",
        body="\n".join(
            f"{part.sku} {part.name}: {_plain(part.available)} {part.unit} available,"
            f" threshold {_plain(part.low_stock_threshold)}"
            for part in parts
        ),
        data={"supplier": supplier.pk if supplier else None, "parts": [part.pk for part in parts]},
        now=now,
    )


def _plain(quantity: Decimal) -> str:
    """Without trailing zeros: 4, 0.5."""
    return f"{quantity.normalize():f}"
