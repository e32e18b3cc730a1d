"""What an auction takes over from the tables of staff when it goes live."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from auctions.fees import DEFAULT_SCHEDULE
from auctions.increments import DEFAULT_TIERS
from auctions.models import FeeSchedule, IncrementTable


def default_tiers() -> list[dict[str, Any]]:
    """The tiers of the table that is marked as the default one."""
    tiers = IncrementTable.objects.filter(is_default=True).values_list("tiers", flat=True).first()
    return list(tiers or DEFAULT_TIERS)


def fee_snapshot(*, now: datetime) -> dict[str, Any]:
    """The fee schedule in force, as `auctions.fees` reads it."""
    row = FeeSchedule.objects.filter(valid_from__lte=now).order_by("-valid_from", "-id").first()
    return DEFAULT_SCHEDULE if row is None else terms_of(row)


def terms_of(schedule: FeeSchedule) -> dict[str, Any]:
    """A schedule as `auctions.fees` reads it: what JSON can hold."""
    texts = {name: None if (value := getattr(schedule, name)) is None else str(value) for name in _AMOUNTS}
    return {
        "kind": schedule.kind,
        **texts,
        "tiers": schedule.tiers,
        "tax_rates": schedule.tax_rates,
        "taxable": schedule.taxable,
    }


_AMOUNTS = ("percent", "minimum", "maximum", "title_processing", "seller_percent")
