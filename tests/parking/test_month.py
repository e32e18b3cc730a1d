"""The figures of a month of stays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.month import Month, Stay, Tally, bounds, month_before


def stay(day: int, **fields: Any) -> Stay:
    defaults = {"lot_id": 1, "lot": "A", "spot": 1, "seconds": 3600, "cost": Decimal("3.00"), "currency": "USD"}
    return Stay(**({"day": date(2026, 10, day)} | defaults | fields))


def month(*stays: Stay) -> Month:
    return Month(date(2026, 10, 1), stays)


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2027, 1, 1), date(2026, 12, 1)),
        (date(2027, 1, 31), date(2026, 12, 1)),
        (date(2028, 3, 31), date(2028, 2, 1)),
        (date(2026, 12, 1), date(2026, 11, 1)),
    ],
)
def test_the_month_before_is_found_in_january_too(day, before):
    assert month_before(day) == before


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]))
def test_months_follow_one_another_without_a_gap(day, zone_name):
    zone, first = ZoneInfo(zone_name), day.replace(day=1)
    start, end = bounds(first, zone)
    assert bounds(month_before(first), zone)[1] == start
    assert start < end <= start + timedelta(days=31, hours=1)


def test_a_month_begins_and_ends_at_midnight_on_the_users_clock():
    start, end = bounds(date(2026, 10, 1), ZoneInfo("Europe/Berlin"))
    assert start == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert end == datetime(2026, 10, 31, 23, tzinfo=UTC)


def test_the_worked_month():
    figures = month(
        stay(2, seconds=5400, cost=Decimal("6.00")), stay(3, seconds=600, cost=Decimal("0.00"), lot_id=2, lot="B"),
        stay(3, seconds=7200, cost=Decimal("6.00"), lot_id=2, lot="B"), stay(5, seconds=1),
    )  # fmt: skip
    assert (figures.bookings, figures.seconds, figures.average_seconds) == (4, 13201, 3300)
    (spend,) = figures.spends
    assert (spend.total, spend.cost_per_hour) == (Decimal("15.00"), Decimal("4.09"))
    assert spend.by_day == {date(2026, 10, 2): 6, date(2026, 10, 3): 6, date(2026, 10, 5): 3}
    assert figures.most_used_lot == ("B", Tally(2, 7800))
    assert figures.peak_day == (date(2026, 10, 3), Tally(2, 7800))
    assert (figures.weekdays, figures.weekend) == (Tally(2, 5401), Tally(2, 7800))
    assert [day.bookings for day in figures.by_weekday] == [1, 0, 0, 0, 1, 2, 0]


def test_ties_are_broken_by_hours_then_by_age_then_by_day():
    even = month(stay(9, lot_id=7, lot="Late"), stay(8, lot_id=4, lot="Early"))
    assert even.most_used_lot[0] == "Early"
    assert even.peak_day[0] == date(2026, 10, 8)
    longer = month(stay(9, lot_id=7, lot="Late", seconds=3601), stay(8, lot_id=4, lot="Early"))
    assert longer.most_used_lot[0] == "Late"
    assert longer.peak_day[0] == date(2026, 10, 9)


def test_currencies_are_never_added():
    mixed = month(stay(1), stay(2), stay(2, currency="CHF", cost=Decimal("9.00"), seconds=7200))
    assert [(spend.currency, spend.total, spend.cost_per_hour) for spend in mixed.spends] == [
        ("USD", Decimal("6.00"), Decimal("3.00")), ("CHF", Decimal("9.00"), Decimal("4.50")),
    ]  # fmt: skip
