"""What a stay costs: one pure function of the time parked and the rate that was booked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from common.money import to_cents

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Tariff:
    """The figures of a rate, and the surcharge of the spot's type. `cap` None: no cap."""

    price: Decimal
    increment_s: int
    first_free_s: int = 0
    cap: Decimal | None = None
    surcharge_percent: Decimal = Decimal(0)


def parked_seconds(started_at: datetime, released_at: datetime) -> int:
    """Whole seconds between two moments, rounded up, at least 1 (a clock may have gone backwards). A difference of
    moments, so a change of clocks in between changes nothing."""
    return max(1, ceil((released_at - started_at) / timedelta(seconds=1)))


def stay_cost(seconds: int, tariff: Tariff) -> Decimal:
    """The cost in the rate's currency, rounded half up once, after the surcharge.

    A stay of at most `first_free_s` is free (if there is free time at all); a longer one pays from its first second.
    Each increment that has begun costs `price`; with a cap each full 24 hours cost the cap, and the rest at most that.
    Less than a second counts as one.
    """
    seconds = max(1, seconds)
    if tariff.first_free_s > 0 and seconds <= tariff.first_free_s:
        return to_cents(Decimal(0))
    if tariff.cap is None:
        amount = begun_increments(seconds, tariff) * tariff.price
    else:
        days, rest = divmod(seconds, DAY_S)
        amount = days * tariff.cap + (min(tariff.cap, begun_increments(rest, tariff) * tariff.price) if rest else 0)
    return to_cents(amount * (1 + tariff.surcharge_percent / 100))


def hourly_rate(price: Decimal, increment_min: int) -> Decimal:
    """The price of an increment as one of an hour, without surcharge and cap: for people to compare lots by."""
    return to_cents(price * 60 / increment_min)


def begun_increments(seconds: int, tariff: Tariff) -> int:
    """How many increments of the tariff have begun, at least 1."""
    return max(1, -(-seconds // tariff.increment_s))
