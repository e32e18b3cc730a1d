"""The figures of one person's month of parking: pure functions of its stays.

A stay belongs to the day, and so to the month, in which it ended: then its cost is known, and every stay is in exactly
one report. Days are those of the person's own clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from common.money import ZERO, to_cents

Key = TypeVar("Key")
WEEKEND = (5, 6)


@dataclass(frozen=True, slots=True)
class Stay:
    """One completed stay; `day` is that on which it ended."""

    day: date
    lot_id: int
    lot: str
    spot: int
    seconds: int
    cost: Decimal
    currency: str


class Tally(NamedTuple):
    """How many stays, and how long they were together."""

    bookings: int
    seconds: int


class Spend(NamedTuple):
    """What was spent in one currency; `cost_per_hour` is over the stays in that currency."""

    currency: str
    total: Decimal
    cost_per_hour: Decimal
    by_day: dict[date, Decimal]


@dataclass(frozen=True, slots=True)
class Month:
    """The stays that ended in the month that begins on `first`, oldest first; at least one."""

    first: date
    stays: tuple[Stay, ...]

    @property
    def bookings(self) -> int:
        return len(self.stays)

    @property
    def seconds(self) -> int:
        return sum(stay.seconds for stay in self.stays)

    @property
    def average_seconds(self) -> int:
        """Rounded half up."""
        return (2 * self.seconds + self.bookings) // (2 * self.bookings)

    @property
    def spends(self) -> list[Spend]:
        """By currency, the one with the most stays first."""
        groups = _grouped((stay.currency, stay) for stay in self.stays)
        return [_spend(currency, groups[currency]) for currency in sorted(groups, key=lambda c: (-len(groups[c]), c))]

    @property
    def most_used_lot(self) -> tuple[str, Tally]:
        """Most stays, then most hours, then the older lot."""
        groups = _grouped((stay.lot_id, stay) for stay in self.stays)
        lot_id = min(groups, key=lambda pk: (*_most(groups[pk]), pk))
        return groups[lot_id][0].lot, tally(groups[lot_id])

    @property
    def peak_day(self) -> tuple[date, Tally]:
        """Most stays, then most hours, then the earlier day."""
        groups = _grouped((stay.day, stay) for stay in self.stays)
        day = min(groups, key=lambda day: (*_most(groups[day]), day))
        return day, tally(groups[day])

    @property
    def by_weekday(self) -> list[Tally]:
        """Seven, from Monday on."""
        return [tally(stay for stay in self.stays if stay.day.weekday() == number) for number in range(7)]

    @property
    def weekdays(self) -> Tally:
        return tally(stay for stay in self.stays if stay.day.weekday() not in WEEKEND)

    @property
    def weekend(self) -> Tally:
        return tally(stay for stay in self.stays if stay.day.weekday() in WEEKEND)


def month_before(day: date) -> date:
    """The first day of the calendar month before that of `day`: of December for January."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def bounds(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the month's first moment to that of the next month, on the clock of the zone."""
    following = (first + timedelta(days=31)).replace(day=1)
    return datetime.combine(first, time(), tzinfo=zone), datetime.combine(following, time(), tzinfo=zone)


def tally(stays: Iterable[Stay]) -> Tally:
    """Counts and adds up."""
    seconds = [stay.seconds for stay in stays]
    return Tally(len(seconds), sum(seconds))


def _grouped(pairs: Iterable[tuple[Key, Stay]]) -> dict[Key, list[Stay]]:
    groups: dict[Key, list[Stay]] = defaultdict(list)
    for key, stay in pairs:
        groups[key].append(stay)
    return groups


def _most(stays: list[Stay]) -> tuple[int, int]:
    return -len(stays), -sum(stay.seconds for stay in stays)


def _spend(currency: str, stays: list[Stay]) -> Spend:
    total = sum((stay.cost for stay in stays), ZERO)
    by_day: dict[date, Decimal] = defaultdict(Decimal)
    for stay in stays:
        by_day[stay.day] += stay.cost
    return Spend(currency, total, to_cents(total * 3600 / tally(stays).seconds), dict(by_day))
