"""The verdicts on odometer readings: worked cases, and what must hold for any series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cars.odometer import (
    DISCREPANCIES,
    KM,
    MOST_KM_A_DAY,
    Assessment,
    Overall,
    Reading,
    Verdict,
    assess,
    converted,
    km_between,
    reachable_km,
)

START = datetime(2020, 1, 1, 12, tzinfo=UTC)


def series(*rows: Any) -> list[Reading]:
    """From `(day, value[, unit[, "forced"]])`, numbered as they stand."""
    return [
        Reading(value, (*more, "km")[0], START + timedelta(days=day), forced="forced" in more, number=number)
        for number, (day, value, *more) in enumerate(rows)
    ]


def verdicts(assessment: Assessment) -> list[str]:
    return [str(entry.verdict) for entry in assessment.readings]


def judged(*rows: Any) -> list[str]:
    return verdicts(assess(series(*rows)))


FINE, SAME, FIXED, BACK, FAST, UNIT = (str(verdict) for verdict in Verdict)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # --- What a car does.
        ([(0, 0)], [FINE]),
        ([(0, 10_000), (365, 25_000), (730, 40_000)], [FINE, FINE, FINE]),
        ([(0, 10_000), (200, 10_000)], [FINE, FINE]),  # It stood.
        ([(0, 60_000, "mi"), (30, 97_500, "km"), (60, 61_500, "mi")], [FINE, FINE, FINE]),
        ([(0, 100), (1, 62, "mi")], [FINE, FINE]),  # 62 whole miles may be 100.2 km.
        ([(0, 100), (0, 62, "mi")], [FINE, SAME]),
        ([(0, 50_000), (0.01, 50_000), (0.5, 50_000)], [FINE, SAME, SAME]),
        ([(0, 50_000), (1, 50_000)], [FINE, FINE]),  # A day later it has not moved: that says something.
        # --- Below.
        ([(0, 120_000), (300, 100_000)], [FINE, BACK]),
        ([(0, 100), (1, 99)], [FINE, BACK]),
        ([(0, 100), (1, 61, "mi")], [FINE, BACK]),
        ([(0, 120_000), (300, 100_000), (400, 110_000), (600, 121_000)], [FINE, BACK, BACK, FINE]),  # Until it passes.
        ([(0, 100), (1, 62, "mi"), (2, 99)], [FINE, FINE, BACK]),  # Below the first, whatever came between.
        # --- Too far.
        ([(0, 10_000), (1, 13_000)], [FINE, FINE]),  # Two days' worth: the dates are people's.
        ([(0, 10_000), (1, 13_002)], [FINE, FAST]),
        ([(0, 10_000), (29, 55_000)], [FINE, FINE]),
        ([(0, 10_000), (39, 61_001)], [FINE, FINE]),
        ([(0, 10_000), (39, 61_002)], [FINE, FAST]),
        ([(0, 10_000), (39, 38_001, "mi")], [FINE, FAST]),
        # --- A slip of the pen marks itself alone; a jump that the next reading confirms becomes the line.
        ([(0, 50_000), (365, 520_000), (400, 52_500), (700, 60_000)], [FINE, FAST, FINE, FINE]),
        ([(0, 50_000), (5, 520_000), (10, 520_300), (20, 51_000)], [FINE, FAST, FINE, BACK]),
        ([(0, 50_000), (5, 520_000), (6, 300_000), (7, 50_100)], [FINE, FAST, FAST, FINE]),
        # --- The other unit.
        ([(0, 100_000), (30, 62_500)], [FINE, UNIT]),  # Miles, written as kilometres.
        ([(0, 100_000), (30, 62_500), (60, 102_000)], [FINE, UNIT, FINE]),
        ([(0, 100_000), (30, 62_500), (300, 75_000), (301, 121_500)], [FINE, UNIT, UNIT, FINE]),  # The mistake goes on.
        ([(0, 62_000, "mi"), (30, 100_500, "mi")], [FINE, UNIT]),  # Kilometres, written as miles.
        ([(0, 62_000, "mi"), (30, 100_500, "mi"), (60, 63_000, "mi")], [FINE, UNIT, FINE]),
        ([(0, 10_000, "mi"), (365, 16_100, "mi")], [FINE, FINE]),  # The factor alone says nothing: it was driven.
        ([(0, 100_000), (30, 62_500), (60, 62_300)], [FINE, UNIT, UNIT]),
        ([(0, 100_000), (30, 56_000)], [FINE, BACK]),  # Neither as it stands nor in miles.
        ([(0, 100_000), (30, 69_000)], [FINE, BACK]),  # In miles more than a tenth ahead: too far off to be excused.
        # --- Forced, with a reason.
        ([(0, 100_000), (30, 12, "km", "forced"), (60, 900)], [FINE, FIXED, FINE]),
        ([(0, 1_820_000), (1, 182_000, "km", "forced"), (90, 185_000)], [FINE, FIXED, FINE]),
        ([(0, 100_000), (30, 62_100, "km", "forced"), (31, 100_200)], [FINE, FIXED, FINE]),  # The correction was wrong.
        ([(0, 100_000), (30, 12, "km", "forced"), (60, 5)], [FINE, FIXED, BACK]),  # The reason is used up.
        ([(0, 5, "km", "forced")], [FINE]),  # There is nothing that it contradicts.
    ],
)
def test_worked_cases(rows: list[Any], expected: list[str]) -> None:
    assert judged(*rows) == expected


def test_a_correction_written_later_for_an_earlier_time_speaks_about_what_stood_there() -> None:
    first, last = Reading(1_000, "km", START, number=1), Reading(3_000, "km", START + timedelta(days=9), number=2)
    forced = Reading(5_000, "km", START + timedelta(days=4), forced=True, number=3)
    later = Reading(3_500, "km", START + timedelta(days=19), number=4)
    assert verdicts(assess([first, last, forced, later])) == [FINE, FIXED, FINE, FINE]
    between = Reading(2_000, "km", START + timedelta(days=6), forced=True, number=5)
    assert verdicts(assess([first, last, forced, between, later])) == [FINE, FIXED, FIXED, FINE, FINE]


def test_the_reason_of_a_correction_excuses_nothing_that_was_written_after_it() -> None:
    corrected = series((0, 9_000), (4, 12, "km", "forced"), (20, 500))
    backdated = Reading(400, "km", START + timedelta(days=30), number=1)
    assert verdicts(assess([*corrected, backdated])) == [FINE, FIXED, FINE, BACK]


def test_it_says_what_a_reading_contradicts() -> None:
    low, high, rolled = series((0, 90_000), (90, 120_000), (300, 100_000))
    assert assess([low, high, rolled]).readings[2].against == high


@pytest.mark.parametrize(
    ("rows", "verdict", "reasons"),
    [
        ([], Overall.NOT_ENOUGH_READINGS, ()),
        ([(0, 5)], Overall.NOT_ENOUGH_READINGS, ()),
        ([(0, 5), (0, 5)], Overall.NOT_ENOUGH_READINGS, ()),
        ([(0, 5), (9, 5)], Overall.CONSISTENT, ()),
        ([(0, 100), (9, 5)], Overall.QUESTIONABLE, ((Verdict.ROLLBACK, 1),)),
        ([(0, 100), (9, 5, "km", "forced")], Overall.QUESTIONABLE, ((Verdict.CORRECTED, 1),)),
        (
            [(0, 100_000), (1, 62_200), (2, 700_000), (3, 900), (4, 800)],
            Overall.QUESTIONABLE,
            ((Verdict.ROLLBACK, 2), (Verdict.IMPLAUSIBLE_RATE, 1), (Verdict.UNIT_SUSPECT, 1)),
        ),
    ],
)
def test_the_series_gets_a_verdict_with_reasons(rows: list[Any], verdict: Overall, reasons: Any) -> None:
    assessment = assess(series(*rows))
    assert (assessment.verdict, assessment.reasons) == (verdict, reasons)


def test_units_are_converted_exactly() -> None:
    assert Reading(100_000, "mi", START).least_km == Decimal("160934.4")
    assert km_between(*series((0, 10, "mi"), (1, 17))) == Decimal("0.90656")
    assert (converted(Decimal("160934.4"), "mi"), converted(Decimal("160934.4"), "km")) == (100_000, 160_934)


def test_the_reach_grows_by_the_day_and_more_slowly_after_a_month() -> None:
    assert reachable_km(timedelta(0)) == MOST_KM_A_DAY
    assert reachable_km(timedelta(days=29)) == 45_000
    assert reachable_km(timedelta(days=39)) == 51_000


# --- Properties

UNITS = st.sampled_from(sorted(KM))


@st.composite
def any_series(draw: st.DrawFn) -> list[Reading]:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 4_000), st.integers(0, 400_000), UNITS, st.booleans()), min_size=0, max_size=12
        )
    )
    return [
        Reading(value, unit, START + timedelta(hours=hours * 7), forced and value % 5 == 0, number)
        for number, (hours, value, unit, forced) in enumerate(rows)
    ]


@st.composite
def honest_series(draw: st.DrawFn, unit: str | None = None) -> list[Reading]:
    """A car that is driven up to 300 km a day and read in whatever unit people like."""
    km, at = Decimal(draw(st.integers(0, 200_000))), START
    readings = []
    for number in range(draw(st.integers(2, 15))):
        chosen = unit or draw(UNITS)
        readings.append(Reading(int(km / KM[chosen]), chosen, at, number=number))
        days = draw(st.integers(1, 500))
        at += timedelta(days=days)
        km += days * draw(st.integers(0, 300))
    return readings


@given(honest_series())
def test_honest_readings_are_consistent(readings: list[Reading]) -> None:
    assessment = assess(readings)
    assert assessment.verdict == Overall.CONSISTENT, assessment


@given(any_series(), st.randoms(use_true_random=False))
def test_the_order_in_which_they_come_does_not_matter(readings: list[Reading], random: Any) -> None:
    shuffled = random.sample(readings, len(readings))
    assert assess(shuffled) == assess(readings)


@given(any_series())
def test_no_later_reading_changes_an_earlier_verdict(readings: list[Reading]) -> None:
    ordered = [entry.reading for entry in assess(readings).readings]
    whole = verdicts(assess(ordered))
    for count in range(len(ordered)):
        assert verdicts(assess(ordered[:count])) == whole[:count]


@given(any_series())
def test_a_rollback_is_below_an_earlier_reading(readings: list[Reading]) -> None:
    entries = assess(readings).readings
    for position, entry in enumerate(entries):
        if entry.verdict == Verdict.ROLLBACK:
            assert entry.against in [earlier.reading for earlier in entries[:position]]
            assert entry.against is not None
            assert entry.reading.is_below(entry.against)


@given(any_series())
def test_whatever_falls_below_a_plausible_reading_is_no_more_plausible(readings: list[Reading]) -> None:
    unforced = [reading._replace(forced=False) for reading in readings]
    standing: list[Reading] = []
    for entry in assess(unforced).readings:
        if entry.verdict in (Verdict.PLAUSIBLE, Verdict.DUPLICATE):
            assert not any(entry.reading.is_below(earlier) for earlier in standing)
            standing.append(entry.reading)


@given(any_series())
def test_it_is_questionable_exactly_when_a_reading_is(readings: list[Reading]) -> None:
    assessment = assess(readings)
    doubtful = [entry for entry in assessment.readings if entry.verdict in DISCREPANCIES]
    assert (assessment.verdict == Overall.QUESTIONABLE) == bool(doubtful)
    assert sum(count for _, count in assessment.reasons) == len(doubtful)
    assert all((entry.against is not None) == (entry in doubtful) for entry in assessment.readings)


@given(honest_series(unit="km"), st.data())
def test_a_slip_of_the_pen_marks_itself_alone(readings: list[Reading], data: Any) -> None:
    """A digit too many in the midst of a series, too far to be driven."""
    position = data.draw(st.integers(1, len(readings) - 1))
    slip = readings[position]._replace(value=readings[position].value * 10 + 5_000_000)
    readings = [*readings[:position], slip, *readings[position + 1 :]]
    found = [index for index, entry in enumerate(assess(readings).readings) if entry.verdict in DISCREPANCIES]
    assert found == [position]


@given(honest_series(unit="mi"), st.data())
def test_one_reading_in_the_other_unit_is_suspected_of_it(readings: list[Reading], data: Any) -> None:
    """The car was read in miles, and once the figure was written down as kilometres."""
    position = data.draw(st.integers(1, len(readings) - 1))
    before, wrong = readings[position - 1], readings[position]._replace(unit="km")
    readings = [*readings[:position], wrong, *readings[position + 1 :]]
    entries = assess(readings).readings
    near = wrong.in_other_unit().least_km <= before.most_km * Decimal("1.1")
    if near and wrong.is_below(before):
        assert [entry.verdict for entry in entries[: position + 1]][-1] == Verdict.UNIT_SUSPECT
        assert all(entry.verdict == Verdict.PLAUSIBLE for entry in entries[position + 1 :])


@given(honest_series(unit="km"), st.data())
def test_rolling_back_is_never_excused(readings: list[Reading], data: Any) -> None:
    """Whatever is taken off the last reading, as long as it is below the one before, the series is questionable."""
    last, before = readings[-1], readings[-2]
    if before.value:
        value = data.draw(st.integers(0, before.value - 1))
        assert assess([*readings[:-1], last._replace(value=value)]).verdict == Overall.QUESTIONABLE
