"""Whether a vehicle's odometer readings can all be true: a verdict on each, and one on the series. Pure.

An odometer shows whole units, so a reading stands for a distance from `value` up to `value` + 1 units; only what is
impossible over the whole of that span counts. Readings are looked at in the order of their time, each against the last
one that *stands*: what is below, too far ahead, or in the wrong unit is named and does not become the yardstick for the
next. So a slip of the pen marks itself and not all that comes after it, and a rolled-back odometer stays below until it
passes again what it once showed. No later reading changes the verdict on an earlier one.

The words are those of the trade: *actual mileage* and *odometer discrepancy* (49 CFR 580.5, 49 CFR 580 appendix B),
*rollback*, as histories drawn from NMVTIS use them. A verdict is a hint and no proof: readings may be missing, or have
been written down late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

KILOMETRES, MILES = "km", "mi"
# The international mile is 1,609.344 m exactly (1959; NIST Handbook 44, appendix C).
KM = {KILOMETRES: Decimal(1), MILES: Decimal("1.609344")}

# What one driver can do in a day: 11 hours at the wheel (49 CFR 395.3(a)(3)(i), where the hours of truckers end) at
# 85 mph (Texas State Highway 130, the highest limit posted in the United States) are 1,505 km.
MOST_KM_A_DAY = Decimal(1500)
# And day after day for longer than that: ten times the 13,500 miles a year (59 km a day) of the average driver in the
# United States (FHWA). Taxis in two shifts stay below.
SPRINT_DAYS = 30
MOST_KM_A_DAY_LASTING = Decimal(600)
# Five times that average. A reading that is about 1.6 times the last one is a wrong unit rather than driving if it
# takes more than this.
USUAL_KM_A_DAY = Decimal(300)
NEAR = Decimal("1.1")  # How far beyond the last reading one in the wrong unit may be, read in the right one.
GRACE = timedelta(days=1)  # Readings are dated by people, some to the day.
DAY = timedelta(days=1)


class Verdict(StrEnum):
    """On one reading."""

    PLAUSIBLE = "plausible"
    DUPLICATE = "duplicate"
    CORRECTED = "corrected"
    ROLLBACK = "rollback"
    IMPLAUSIBLE_RATE = "implausible_rate"
    UNIT_SUSPECT = "unit_suspect"


class Overall(StrEnum):
    """On the series."""

    CONSISTENT = "consistent"
    QUESTIONABLE = "questionable"
    NOT_ENOUGH_READINGS = "not_enough_readings"


# What makes a series questionable, the gravest first. A correction does too: whoever owns a vehicle can force a reading
# with any reason, so that it explains a discrepancy and does not remove it.
DISCREPANCIES = (Verdict.ROLLBACK, Verdict.IMPLAUSIBLE_RATE, Verdict.UNIT_SUSPECT, Verdict.CORRECTED)


class Reading(NamedTuple):
    """A reading as it was taken. `forced`: against its neighbours, with a reason. `number` tells which of two was
    written down first, whatever times they are of."""

    value: int
    unit: str
    at: datetime
    forced: bool = False
    number: int = 0

    @property
    def least_km(self) -> Decimal:
        return self.value * KM[self.unit]

    @property
    def most_km(self) -> Decimal:
        """Not reached: the next unit would show."""
        return (self.value + 1) * KM[self.unit]

    def is_below(self, other: Reading) -> bool:
        """Surely below: 62 miles are not below 100 km."""
        return self.most_km <= other.least_km

    def in_other_unit(self) -> Reading:
        """The same figure, taken for the other unit."""
        return self._replace(unit=MILES if self.unit == KILOMETRES else KILOMETRES)


class Judged(NamedTuple):
    """A reading with its verdict. `against` is the one that it contradicts."""

    reading: Reading
    verdict: Verdict
    against: Reading | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The readings in the order of their time, and the verdict on them all. `reasons` counts each kind of discrepancy,
    the gravest first."""

    readings: tuple[Judged, ...]
    verdict: Overall
    reasons: tuple[tuple[Verdict, int], ...]


class _Line(NamedTuple):
    """What the next reading is held against: the last one that stands and the highest that does, and one that is in
    doubt: what comes next tells whether it was a slip."""

    last: Reading
    highest: Reading
    doubt: Judged | None = None
    before: _Line | None = None  # Of a correction: what it corrected.


def assess(readings: Iterable[Reading], *, forced: int = 0) -> Assessment:
    """Judge a vehicle's readings, in whatever order they come. Costs one pass over them. Of a series that begins in the
    middle, `forced` is how many forced readings the whole has: none is forgotten for those that came after it."""
    ordered = sorted(readings, key=lambda reading: (reading.at, reading.number))
    judged: list[Judged] = []
    line: _Line | None = None
    for reading in ordered:
        line, verdict = _next(line, reading)
        judged.append(verdict)
    reasons = _reasons(judged, forced=forced)
    return Assessment(tuple(judged), Overall.QUESTIONABLE if reasons else _overall(judged), reasons)


def reachable_km(elapsed: timedelta) -> Decimal:
    """The farthest that a vehicle gets in that time."""
    whole = days(elapsed + GRACE)
    sprint = min(whole, Decimal(SPRINT_DAYS))
    return sprint * MOST_KM_A_DAY + (whole - sprint) * MOST_KM_A_DAY_LASTING


def km_between(first: Reading, last: Reading) -> Decimal:
    """The distance that two readings show; negative when the last is lower."""
    return last.least_km - first.least_km


def converted(km: Decimal, unit: str) -> int:
    """A distance in whole units, to the nearest."""
    return int((km / KM[unit]).to_integral_value())


def days(elapsed: timedelta) -> Decimal:
    """A span of time in days, with their fractions."""
    return Decimal(elapsed // timedelta(microseconds=1)) / Decimal(DAY // timedelta(microseconds=1))


def _next(line: _Line | None, reading: Reading) -> tuple[_Line, Judged]:
    """The verdict on the next reading, and the line after it."""
    if line is None:
        return _Line(reading, reading), Judged(reading, Verdict.PLAUSIBLE)
    if reading.forced:
        return _Line(reading, reading, before=line), Judged(reading, Verdict.CORRECTED, line.last)
    while line.before is not None and reading.number < line.last.number:
        # The correction was written down later, for an earlier time: its reason speaks about this reading too.
        line = line.before
    jump = line.doubt if line.doubt is not None and line.doubt.verdict == Verdict.IMPLAUSIBLE_RATE else None
    if jump is not None and _fits(jump.reading, reading):
        return _Line(reading, _higher(jump.reading, reading)), Judged(reading, Verdict.PLAUSIBLE)
    contradicted = _contradiction(line, reading)
    if contradicted is not None and line.before is not None and _contradiction(line.before, reading) is None:
        # It goes on where the correction left off: the slip was the correction.
        line, contradicted = line.before, None
    if contradicted is None:
        verdict = Verdict.DUPLICATE if _repeats(line.last, reading) else Verdict.PLAUSIBLE
        return _Line(reading, _higher(line.highest, reading)), Judged(reading, verdict)
    return line._replace(doubt=contradicted), contradicted


def _contradiction(line: _Line, reading: Reading) -> Judged | None:
    """What speaks against a reading, if anything does."""
    if _is_in_wrong_unit(line, reading):
        return Judged(reading, Verdict.UNIT_SUSPECT, line.last)
    if reading.is_below(line.highest):
        return Judged(reading, Verdict.ROLLBACK, line.highest)
    if not _in_reach(line.last, reading):
        return Judged(reading, Verdict.IMPLAUSIBLE_RATE, line.last)
    return None


def _is_in_wrong_unit(line: _Line, reading: Reading) -> bool:
    """It strays from the line by about 1.609, up or down, and in the other unit it would go on with it; or it goes on
    with one that did, in the same wrong unit."""
    last, other = line.last, reading.in_other_unit()
    usual = USUAL_KM_A_DAY * days(reading.at - last.at + GRACE)
    strays = reading.is_below(line.highest) or reading.least_km - last.most_km > usual
    if not strays:
        return False
    doubt = line.doubt
    suspected = doubt is not None and doubt.verdict == Verdict.UNIT_SUSPECT and doubt.reading.unit == reading.unit
    if doubt is not None and suspected and _fits(doubt.reading, reading):
        return True
    return not other.is_below(line.highest) and other.least_km <= last.most_km * NEAR and _in_reach(last, other)


def _fits(earlier: Reading, later: Reading) -> bool:
    return not later.is_below(earlier) and _in_reach(earlier, later)


def _in_reach(earlier: Reading, later: Reading) -> bool:
    """Whether the least distance between the two can be driven in the time between them."""
    return later.least_km - earlier.most_km <= reachable_km(later.at - earlier.at)


def _repeats(earlier: Reading, later: Reading) -> bool:
    """The same distance again within a day: two people read the same instrument."""
    overlap = later.least_km < earlier.most_km and earlier.least_km < later.most_km
    return overlap and later.at - earlier.at < DAY


def _higher(one: Reading, other: Reading) -> Reading:
    return other if other.least_km >= one.least_km else one


def _overall(judged: Sequence[Judged]) -> Overall:
    """Of readings that contradict nothing."""
    standing = sum(entry.verdict != Verdict.DUPLICATE for entry in judged)
    return Overall.CONSISTENT if standing > 1 else Overall.NOT_ENOUGH_READINGS


def _reasons(judged: Sequence[Judged], *, forced: int) -> tuple[tuple[Verdict, int], ...]:
    found = Counter(entry.verdict for entry in judged)
    found[Verdict.CORRECTED] = max(found[Verdict.CORRECTED], forced)
    return tuple((verdict, found[verdict]) for verdict in DISCREPANCIES if found[verdict])
