"""What a stay will cost, item by item, before it is booked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.errors import BadRequest
from common.money import ZERO
from parking.costs import DAY_S, Tariff, begun_increments, parked_seconds, stay_cost
from parking.models import Lot, SpotType
from parking.services.booking import MOST_STAY
from parking.services.rates import current_rate, tariff_of


class QuoteWindow(BadRequest):
    """The window ends before it starts, or nobody could book so long a stay."""

    code = "invalid_range"


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """`quantity` of `unit` for `amount`, which is negative where a cap takes something off."""

    label: str
    quantity: Decimal
    unit: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The amounts of the lines add up to the total."""

    lines: list[QuoteLine]
    total: Decimal
    currency: str


def quote_stay(
    *,
    lot: Lot,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    spot_type: str = SpotType.STANDARD,
    now: datetime,
) -> Quote:
    """What the stay costs at the lot's present rate, whether or not a spot is free: from now on unless told, and as
    long as the lot's default stay. Raises QuoteWindow (400, since the window stands in a query)."""
    begin = starts_at or now
    end = ends_at or begin + timedelta(minutes=lot.default_stay_min)
    if end <= begin:
        raise QuoteWindow("The stay has to end after it starts.", attr="ends_at")
    if end - begin > MOST_STAY:
        raise QuoteWindow(f"A stay lasts at most {MOST_STAY.days} days.", code="too_long", attr="ends_at")
    rate = current_rate(lot)
    tariff = tariff_of(rate, rate.surcharge_percent(spot_type))
    seconds = parked_seconds(begin, end)
    return Quote(itemise(seconds, tariff, spot_type=spot_type), stay_cost(seconds, tariff), rate.currency)


def itemise(seconds: int, tariff: Tariff, *, spot_type: str) -> list[QuoteLine]:
    """The cost as lines. Price and cap are whole cents, so only the surcharge's line holds a rounded amount: it is what
    is left of the total."""
    if tariff.first_free_s > 0 and seconds <= tariff.first_free_s:
        return [QuoteLine("Free of charge", Decimal(seconds), "s", ZERO)]
    lines = list(_basic_lines(seconds, tariff))
    if tariff.surcharge_percent:
        surcharge = stay_cost(seconds, tariff) - sum(line.amount for line in lines)
        lines.append(QuoteLine(f"Surcharge for {spot_type}", tariff.surcharge_percent, "%", surcharge))
    return lines


def _basic_lines(seconds: int, tariff: Tariff) -> Iterator[QuoteLine]:
    rest = seconds
    if tariff.cap is not None:
        days, rest = divmod(seconds, DAY_S)
        if days:
            yield QuoteLine("Full days at the daily cap", Decimal(days), "24 h", days * tariff.cap)
        if not rest:
            return
    begun = begun_increments(rest, tariff)
    amount = begun * tariff.price
    yield QuoteLine("Time parked", Decimal(begun), f"{tariff.increment_s // 60} min", amount)
    if tariff.cap is not None and amount > tariff.cap:
        yield QuoteLine("Daily cap", Decimal(1), "24 h", tariff.cap - amount)
