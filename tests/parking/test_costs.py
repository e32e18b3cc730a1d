"""What a stay costs: the worked figures of the specification, and what holds for every rate and time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.money import to_cents
from parking.costs import DAY_S, Tariff, hourly_rate, parked_seconds, stay_cost

WORKED = json.loads((Path(__file__).parent / "data" / "parking_costs.json").read_text())
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
TWENTY = Tariff(price=Decimal(20), increment_s=3600)

money = st.decimals(min_value=0, max_value=500, places=2)
tariffs = st.builds(
    Tariff,
    price=money,
    increment_s=st.integers(1, 24 * 60).map(lambda minutes: minutes * 60),
    first_free_s=st.integers(0, 7200),
    cap=st.none() | money,
    surcharge_percent=st.decimals(min_value=0, max_value=100, places=2),
)
times = st.integers(1, 40 * DAY_S) | st.sampled_from([599, 600, 601, 3600, 3601, DAY_S - 1, DAY_S, DAY_S + 1])


def tariff(rate: dict[str, Any]) -> Tariff:
    return Tariff(
        price=Decimal(rate["price"]),
        increment_s=rate["increment_s"],
        first_free_s=rate["first_free_s"],
        cap=None if rate["cap"] is None else Decimal(rate["cap"]),
        surcharge_percent=Decimal(rate["surcharge_percent"]),
    )


@pytest.mark.parametrize("case", WORKED["cases"], ids=lambda case: f"{case['rate']['price']}-{case['seconds']}s")
def test_the_worked_cases(case: dict[str, Any]) -> None:
    released = NOON + timedelta(seconds=case["seconds"])
    assert str(stay_cost(parked_seconds(NOON, released), tariff(case["rate"]))) == case["cost"]


@pytest.mark.parametrize("night", WORKED["clock_changes"], ids=lambda night: f"{night['timezone']}-{night['seconds']}s")
def test_a_night_in_which_the_clocks_change_costs_the_hours_that_passed(night: dict[str, Any]) -> None:
    zone = ZoneInfo(night["timezone"])
    begun, ended = (
        datetime.fromisoformat(night[name]).replace(tzinfo=zone).astimezone(UTC) for name in ("from_local", "to_local")
    )
    assert parked_seconds(begun, ended) == night["seconds"]
    assert str(stay_cost(night["seconds"], TWENTY)) == night["cost_at_20_an_hour"]


@pytest.mark.parametrize(
    ("microseconds", "seconds"),
    [(-5_000_000, 1), (0, 1), (1, 1), (1_000_000, 1), (1_000_001, 2), (59_999_999, 60), (3_600_000_000, 3600)],
)
def test_seconds_are_rounded_up_and_one_at_least(microseconds: int, seconds: int) -> None:
    assert parked_seconds(NOON, NOON + timedelta(microseconds=microseconds)) == seconds


def test_the_surcharge_comes_after_the_cap() -> None:
    capped = Tariff(price=Decimal(3), increment_s=3600, cap=Decimal(15), surcharge_percent=Decimal(10))
    assert stay_cost(12 * 3600, capped) == Decimal("16.50")


def test_half_a_cent_is_rounded_up_once() -> None:
    """Rounding each of the three increments would give 0.39."""
    odd = Tariff(price=Decimal("0.10"), increment_s=60, surcharge_percent=Decimal("25.00"))
    assert stay_cost(60, odd) == Decimal("0.13")
    assert stay_cost(180, odd) == Decimal("0.38")


@pytest.mark.parametrize(
    ("price", "increment_min", "hourly"),
    [("20.00", 60, "20.00"), ("1.25", 30, "2.50"), ("1.00", 7, "8.57"), ("0.01", 120, "0.01"), ("0.00", 5, "0.00")],
)
def test_the_hourly_rate_is_rounded_half_up(price: str, increment_min: int, hourly: str) -> None:
    assert str(hourly_rate(Decimal(price), increment_min)) == hourly


@given(tariffs, times, st.integers(0, 3 * DAY_S))
@example(Tariff(price=Decimal(3), increment_s=3600, cap=Decimal(15)), DAY_S - 1, 1)
def test_the_cost_never_decreases_with_time(rate: Tariff, seconds: int, longer: int) -> None:
    assert stay_cost(seconds, rate) <= stay_cost(seconds + longer, rate)


@given(tariffs, times)
def test_every_stay_has_a_cost_in_whole_cents(rate: Tariff, seconds: int) -> None:
    cost = stay_cost(seconds, rate)
    assert cost >= 0
    assert cost == to_cents(cost)
    assert cost.as_tuple().exponent == -2


@given(tariffs, times)
def test_no_24_hours_cost_more_than_the_cap(rate: Tariff, seconds: int) -> None:
    if rate.cap is not None:
        begun_days = -(-seconds // DAY_S)
        assert stay_cost(seconds, rate) <= to_cents(begun_days * rate.cap * (1 + rate.surcharge_percent / 100))


@given(tariffs, times)
def test_a_cap_never_makes_what_is_below_it_dearer_within_a_day(rate: Tariff, seconds: int) -> None:
    uncapped = Tariff(rate.price, rate.increment_s, rate.first_free_s, None, rate.surcharge_percent)
    if seconds < DAY_S:
        assert stay_cost(seconds, rate) <= stay_cost(seconds, uncapped)


@given(tariffs, times)
def test_free_time_is_free_and_gives_nothing_off_a_longer_stay(rate: Tariff, seconds: int) -> None:
    without = Tariff(rate.price, rate.increment_s, 0, rate.cap, rate.surcharge_percent)
    expected = 0 if seconds <= rate.first_free_s else stay_cost(seconds, without)
    assert stay_cost(seconds, rate) == expected
