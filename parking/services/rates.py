"""What parking in a lot costs. A rate is never changed: a new version takes its place for the bookings to come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch

from accounts.models import User
from common.errors import Unprocessable
from common.money import to_cents
from parking.costs import DAY_S, Tariff, stay_cost
from parking.models import Lot, LotQuerySet, Rate
from parking.services.states import lock_lot

MEMBERS = ("price", "increment_min", "first_free_s", "cap", "currency", "surcharges")
# A stay that long must not cost more than the column of a reservation's cost holds, or it could never be released.
LONGEST_STAY_S = 10 * 366 * DAY_S
MOST_COST = Decimal("9999999999.99")


class RateTooHigh(Unprocessable):
    """What a stay of ten years would cost cannot be written down."""

    code = "rate_too_high"
    detail = "At this rate a long stay costs more than can be accounted for."


def with_current_rate(lots: LotQuerySet) -> LotQuerySet:
    """The lots with their newest rate, by one query for all of them; `current_rate` then asks no more."""
    newer = Rate.objects.filter(lot_id=OuterRef("lot_id"), version__gt=OuterRef("version"))
    return lots.prefetch_related(Prefetch("rates", Rate.objects.filter(~Exists(newer)), to_attr="current_rates"))


def current_rate(lot: Lot) -> Rate:
    """The newest version; every lot has one. Under the lot's lock it is the one a booking keeps."""
    known: list[Rate] = getattr(lot, "current_rates", [])
    return known[0] if known else Rate.objects.filter(lot_id=lot.pk).order_by("-version")[0]


@transaction.atomic
def set_rate(*, lot: Lot, data: Mapping[str, Any], actor: User | None, now: datetime) -> Rate:
    """A new version under the lot's lock, for bookings from now on. Members that are left out stay as they were; the
    first version needs a `price`. A version that changes nothing is not made: the present one is answered.

    Raises RateTooHigh, and NotFound when the lot was archived meanwhile.
    """
    lock_lot(lot.pk)
    present = Rate.objects.filter(lot_id=lot.pk).order_by("-version").first()
    rate = Rate(lot=lot, version=1, currency=settings.DEFAULT_CURRENCY, created_by=actor, created_at=now)
    if present is not None:
        rate.version = present.version + 1
        for name in MEMBERS:
            setattr(rate, name, getattr(present, name))
    for name, value in data.items():
        setattr(rate, name, _percentages(value) if name == "surcharges" else value)
    if present is not None and all(getattr(rate, name) == getattr(present, name) for name in MEMBERS):
        return present
    _check(rate)
    rate.save(force_insert=True)
    return rate


def tariff_of(rate: Rate, surcharge_percent: Decimal) -> Tariff:
    """The figures of a rate as `costs.stay_cost` takes them, with a surcharge: that of a reservation, or
    `rate.surcharge_percent(spot_type)` for one to come."""
    return Tariff(
        price=rate.price,
        increment_s=rate.increment_min * 60,
        first_free_s=rate.first_free_s,
        cap=rate.cap,
        surcharge_percent=surcharge_percent,
    )


def _percentages(surcharges: Mapping[str, Decimal]) -> dict[str, str]:
    """As the column holds them: texts with two places."""
    return {spot_type: str(to_cents(percent)) for spot_type, percent in sorted(surcharges.items())}


def _check(rate: Rate) -> None:
    highest = max((Decimal(percent) for percent in rate.surcharges.values()), default=Decimal(0))
    if stay_cost(LONGEST_STAY_S, tariff_of(rate, highest)) > MOST_COST:
        raise RateTooHigh(attr="rate")
