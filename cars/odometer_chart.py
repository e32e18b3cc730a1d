"""The odometer series as a drawing: what stands is a line, what contradicts it stands apart and is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from reportlab.graphics.shapes import Circle, Drawing, Line, PolyLine, String
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.units import mm

from cars.odometer import Verdict
from cars.services.passport import OdometerSeries, SeriesReading
from common.pdf import ACCENT, QUIET, REGULAR, RULE, WIDTH

HEIGHT = 62 * mm
LEFT, RIGHT, TOP, BOTTOM = 17 * mm, 4 * mm, 3 * mm, 13 * mm
DOUBTFUL, MENDED = HexColor("#b3361e"), HexColor("#b7791f")
MOST_MARKS = 150  # More would touch; of the rest only what contradicts is marked.
STEPS = (1, 2, 5, 10)
LABELS = {
    Verdict.CORRECTED: ("Corrected, with a reason", MENDED),
    Verdict.ROLLBACK: ("Rollback", DOUBTFUL),
    Verdict.IMPLAUSIBLE_RATE: ("Implausible distance", DOUBTFUL),
    Verdict.UNIT_SUSPECT: ("Unit suspect", DOUBTFUL),
}
STANDS = frozenset({Verdict.PLAUSIBLE, Verdict.DUPLICATE, Verdict.CORRECTED})


class _Frame(NamedTuple):
    """Where things are: from the first to the last moment, from nothing to the highest tick."""

    start: datetime
    seconds: float
    top: int

    def x(self, at: datetime) -> float:
        share = (at - self.start).total_seconds() / self.seconds
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, distance: float) -> float:
        return BOTTOM + distance / self.top * (HEIGHT - TOP - BOTTOM)


def odometer_chart(series: OdometerSeries) -> Drawing | None:
    """The chart, as wide as the text; None where fewer than two moments were read."""
    readings = series.readings
    if len({reading.at for reading in readings}) < 2:
        return None
    ticks = distance_ticks(max(reading.distance for reading in readings))
    span = (readings[-1].at - readings[0].at).total_seconds()
    frame = _Frame(readings[0].at, span, ticks[-1])
    drawing = Drawing(WIDTH, HEIGHT)
    _draw_grid(drawing, frame, ticks, series)
    for stretch in _stretches(readings):
        points = [number for reading in stretch for number in (frame.x(reading.at), frame.y(reading.distance))]
        drawing.add(PolyLine(points, strokeColor=ACCENT, strokeWidth=1.4, strokeLineJoin=1))
    for reading in _marked(readings):
        drawing.add(_mark(frame, reading))
    _draw_legend(drawing, readings)
    return drawing


def distance_ticks(highest: int) -> list[int]:
    """From nothing to beyond the highest, three to six round numbers."""
    size = 1
    while True:
        for step in STEPS:
            if step * size * 5 >= highest:
                count = max(2, -(-highest // (step * size)))
                return [number * step * size for number in range(count + 1)]
        size *= 10


def time_ticks(start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """The turns of years, or of months where the time is shorter; at most eight, and both ends where there are none."""
    months = [(year, month) for year in range(start.year, end.year + 1) for month in range(1, 13)]
    moments = [datetime(year, month, 1, tzinfo=UTC) for year, month in months]
    within = [moment for moment in moments if start <= moment <= end]
    years = [moment for moment in within if moment.month == 1]
    if len(years) >= 3:
        return [(moment, f"{moment:%Y}") for moment in years[:: -(-len(years) // 8)]]
    if len(within) >= 2:
        return [(moment, f"{moment:%b %Y}") for moment in within[:: -(-len(within) // 7)]]
    return [(start, f"{start:%d %b %Y}"), (end, f"{end:%d %b %Y}")]


def _stretches(readings: Sequence[SeriesReading]) -> list[list[SeriesReading]]:
    """What stands, cut where a correction begins anew."""
    stretches: list[list[SeriesReading]] = [[]]
    for reading in readings:
        if reading.verdict == Verdict.CORRECTED:
            stretches.append([])
        if reading.verdict in STANDS:
            stretches[-1].append(reading)
    return [stretch for stretch in stretches if len(stretch) > 1]


def _marked(readings: Sequence[SeriesReading]) -> list[SeriesReading]:
    """The doubtful ones last, so that nothing hides them."""
    doubtful = [reading for reading in readings if reading.verdict in LABELS]
    others = [reading for reading in readings if reading.verdict not in LABELS]
    return [*(others if len(readings) <= MOST_MARKS else ()), *doubtful]


def _mark(frame: _Frame, reading: SeriesReading) -> Circle:
    _, color = LABELS.get(reading.verdict, ("", ACCENT))
    fill = white if reading.verdict in LABELS else color
    size = 2.6 if reading.verdict in LABELS else 1.7
    x, y = frame.x(reading.at), frame.y(reading.distance)
    return Circle(x, y, size, fillColor=fill, strokeColor=color, strokeWidth=1.2)


def _draw_grid(drawing: Drawing, frame: _Frame, ticks: Sequence[int], series: OdometerSeries) -> None:
    right = WIDTH - RIGHT
    for tick in ticks:
        y = frame.y(tick)
        drawing.add(Line(LEFT, y, right, y, strokeColor=RULE, strokeWidth=0.8 if tick == 0 else 0.35))
        label = f"{tick:,}" + (f" {series.unit}" if tick == ticks[-1] else "")
        drawing.add(_text(LEFT - 2 * mm, y - 2.4, label, anchor="end"))
    for moment, label in time_ticks(series.readings[0].at, series.readings[-1].at):
        x = frame.x(moment)
        drawing.add(Line(x, BOTTOM, x, BOTTOM - 1 * mm, strokeColor=RULE, strokeWidth=0.8))
        anchor = "start" if x < LEFT + 8 * mm else "end" if x > right - 8 * mm else "middle"
        drawing.add(_text(x, BOTTOM - 4 * mm, label, anchor=anchor))


def _draw_legend(drawing: Drawing, readings: Sequence[SeriesReading]) -> None:
    """Only what there is."""
    x = LEFT
    found = {reading.verdict for reading in readings}
    entries: list[tuple[str, Color, Color]] = [("Reading that stands", ACCENT, ACCENT)]
    entries += [(label, color, white) for verdict, (label, color) in LABELS.items() if verdict in found]
    for label, color, fill in entries:
        drawing.add(Circle(x + 2, 2.6 * mm, 2.2, fillColor=fill, strokeColor=color, strokeWidth=1.2))
        drawing.add(_text(x + 3 * mm, 1.8 * mm, label))
        x += (9 + len(label) * 1.35) * mm


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> String:
    return String(x, y, words, fontName=REGULAR, fontSize=7, fillColor=QUIET, textAnchor=anchor)
