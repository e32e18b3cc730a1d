"""A vehicle's history on paper (`common.pdf`): the passport, and the public history of a listing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer, Table

from cars.models import VehicleEvent
from cars.odometer import Overall, Verdict
from cars.odometer_chart import odometer_chart
from cars.services.passport import History, HistoryEntry, OdometerSeries, Passport, SeriesReading, VinStatement
from common import pdf

Facts = Sequence[tuple[str, str]]

GOOD, DOUBT, OPEN = HexColor("#256d46"), HexColor("#b3361e"), HexColor("#5b6673")
VERDICTS = {
    Overall.CONSISTENT: ("Odometer consistent", GOOD),
    Overall.QUESTIONABLE: ("Odometer questionable", DOUBT),
    Overall.NOT_ENOUGH_READINGS: ("Not enough readings", OPEN),
}
EXPLANATIONS = {
    Overall.CONSISTENT: "No reading contradicts another one. Readings may still be missing or wrong.",
    Overall.NOT_ENOUGH_READINGS: "With fewer than two readings there is nothing to compare.",
}
# By number: one, several.
REASONS = {
    Verdict.ROLLBACK: ("reading is below an earlier one", "readings are below an earlier one"),
    Verdict.IMPLAUSIBLE_RATE: ("reading is farther than can be driven", "readings are farther than can be driven"),
    Verdict.UNIT_SUSPECT: ("reading looks like the other unit", "readings look like the other unit"),
    Verdict.CORRECTED: ("reading was forced, with a reason", "readings were forced, with a reason"),
}
WORDS = {
    Verdict.PLAUSIBLE: "plausible",
    Verdict.DUPLICATE: "repeats the one before",
    Verdict.CORRECTED: "forced, with a reason",
    Verdict.ROLLBACK: "rollback",
    Verdict.IMPLAUSIBLE_RATE: "implausible distance",
    Verdict.UNIT_SUSPECT: "unit suspect",
}
ALARM = ParagraphStyle("alarm", pdf.TEXT, textColor=DOUBT)
BADGE = ParagraphStyle("badge", pdf.STRONG, fontSize=10, leading=13, textColor=HexColor("#ffffff"))
TILE = ParagraphStyle("tile", pdf.STRONG, fontSize=13, leading=17, textColor=pdf.ACCENT)
DATE = pdf.Column("Date", 36 * mm)
SERVICES = (DATE, pdf.Column("What"), pdf.Column("Mileage", 26 * mm))
EVENTS = (DATE, pdf.Column("What"))
READINGS = (
    DATE,
    pdf.Column("Reading", 30 * mm),
    pdf.Column("Source", 26 * mm),
    pdf.Column("Verdict"),
)
QR_SIZE = 24 * mm
EARLIER = "Records of this VIN that were archived before this one, and are not in it: {}."
MOST_PRINTED = 200  # Rows of a list, the newest: laying out a thousand takes a second. The JSON has them.


@dataclass(frozen=True)
class Seal:
    """What the paper says of itself, as its JSON does, and where that is to be had."""

    number: str
    fingerprint: str
    address: str
    advice: str


@dataclass(frozen=True)
class Sheet:
    """What is printed. `notes` stand where there is no history to show."""

    title: str
    block: pdf.Block
    facts: Facts
    identity: Facts
    history: History | None
    notes: Sequence[str] = ()


def passport_pdf(passport: Passport, *, number: str, fingerprint: str, address: str) -> bytes:
    """The passport as its reader may see it."""
    vehicle, history = passport.vehicle, passport.history
    lines = [
        f"VIN {vehicle.vin}" if vehicle.vin else "No VIN on record",
        *([f"Plate {vehicle.plate}"] if vehicle.plate else []),
        *([f"Colour {vehicle.color}"] if vehicle.color else []),
    ]
    sheet = Sheet(
        title="Vehicle passport",
        block=pdf.Block("Vehicle", named_vehicle(vehicle), lines),
        facts=[
            ("Issued on", pdf.day(passport.issued_at)),
            ("Owner since", pdf.day(history.owned_since) if history.owned_since else "\N{EM DASH}"),
        ],
        identity=[*_registry(passport), *vin_facts(passport.vin_decode)],
        history=history,
    )
    advice = (
        "Whoever may see the vehicle finds this document there too. Its fingerprint is the same until something new "
        "happens to the vehicle."
    )
    return history_pdf(sheet, Seal(number, fingerprint, address, advice))


def history_pdf(sheet: Sheet, seal: Seal) -> bytes:
    """A sheet of any of the two kinds."""
    return pdf.compose(title=sheet.title, number=seal.number, story=_story(sheet, seal))


def named_vehicle(named: Any) -> str:
    """Of a vehicle or a listing."""
    parts = (str(named.year or ""), named.make, named.model, named.trim)
    return " ".join(part for part in parts if part) or "Vehicle without a name"


def vin_facts(decode: VinStatement | None) -> Facts:
    """What is known about the VIN, and who says so."""
    if decode is None:
        return []
    attributes, report = decode.attributes, decode.report
    said = [attributes[name] for name in ("year", "make", "model", "trim") if attributes.get(name)]
    source = f"{decode.source}, {'verified' if decode.verified else 'not verified'}"
    origin = ", ".join(part for part in (report.country or report.region, str(report.model_year or "")) if part)
    facts = [("By its VIN", f"{' '.join(said)} ({source})" if said else f"nothing more ({source})")]
    if origin:
        facts.append(("Origin, model year", origin))
    if decode.disagrees:
        facts.append(("Disagrees with", f"the registered {' and '.join(decode.disagrees)}"))
    return facts + [("Remark", finding.message) for finding in decode.warnings]


def mileage(value: int | None, unit: str | None) -> str:
    return f"{value:,} {unit}" if value is not None else "\N{EM DASH}"


def _registry(passport: Passport) -> Facts:
    car = passport.registry
    if car is None:
        return []
    state = "" if car.withdrawn_at is None else ", no longer listed"
    return [("In the registry", f"{car} ({car.source}{state})")]


def _story(sheet: Sheet, seal: Seal) -> Iterable[Flowable]:
    yield _about(sheet)
    if sheet.history is not None:
        yield from _history(sheet.history)
    for note in sheet.notes:
        yield Spacer(0, 5 * mm)
        yield pdf.text(note)
    if sheet.identity:
        rows = [[pdf.text(label, pdf.SMALL), pdf.text(value)] for label, value in sheet.identity]
        table = Table(rows, colWidths=(38 * mm, pdf.WIDTH - 38 * mm), style=[*pdf.PLAIN, *_ROOM])
        yield KeepTogether([*pdf.section("Identity"), table])
    if sheet.history is not None:
        yield from _lists(sheet.history)
    yield KeepTogether([*pdf.section("How to check this paper"), _proof(seal)])


_ROOM = [("BOTTOMPADDING", (0, 0), (-1, -1), 0.8 * mm)]


def _about(sheet: Sheet) -> Table:
    block = sheet.block
    about = [pdf.text(block.label, pdf.SMALL), pdf.text(block.name, TILE), *map(pdf.text, block.lines)]
    facts = [[pdf.text(label, pdf.SMALL), pdf.text(value, pdf.NUMBER)] for label, value in sheet.facts]
    table = Table(facts, colWidths=(30 * mm, 42 * mm), style=[*pdf.PLAIN, *_ROOM])
    return Table([[about, table]], colWidths=(pdf.WIDTH - 72 * mm, 72 * mm), style=pdf.PLAIN)


def _history(history: History) -> Iterable[Flowable]:
    yield Spacer(0, 6 * mm)
    yield _tiles(history)
    if history.earlier_records:
        yield pdf.text(EARLIER.format(history.earlier_records), pdf.SMALL)
    yield KeepTogether([*pdf.section("Odometer"), *_odometer(history.odometer)])


def _tiles(history: History) -> Table:
    summary = history.summary
    yearly = mileage(summary.distance_per_year, history.odometer.unit)
    tiles = [
        ("Owners on record", str(history.owners)),
        ("Services", str(summary.counts.get(VehicleEvent.Kind.SERVICED, 0))),
        ("Latest mileage", mileage(summary.latest_mileage, summary.mileage_unit)),
        ("Distance a year", yearly),
        ("First seen", f"{summary.first_seen:%b %Y}" if summary.first_seen else "\N{EM DASH}"),
        ("Last seen", f"{summary.last_seen:%b %Y}" if summary.last_seen else "\N{EM DASH}"),
    ]
    cells = [[pdf.text(label, pdf.SMALL), pdf.text(value, TILE)] for label, value in tiles]
    widths = [pdf.WIDTH * share for share in (0.15, 0.11, 0.21, 0.19, 0.17, 0.17)]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), pdf.TINT),
        ("TOPPADDING", (0, 0), (-1, -1), 2 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2 * mm),
        ("LEFTPADDING", (0, 0), (-1, -1), 3 * mm),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ]
    return Table([cells], colWidths=widths, style=style)


def _odometer(series: OdometerSeries) -> Iterable[Flowable]:
    title, color = VERDICTS[series.verdict]
    reasons = [f"{count} {REASONS[verdict][0 if count == 1 else 1]}" for verdict, count in series.assessment.reasons]
    words = "; ".join(reasons) + "." if reasons else EXPLANATIONS[series.verdict]
    badge = Table(
        [[pdf.text(title, BADGE), pdf.text(words)]],
        colWidths=(52 * mm, pdf.WIDTH - 52 * mm),
        style=[
            ("BACKGROUND", (0, 0), (0, 0), color),
            ("BACKGROUND", (1, 0), (1, 0), pdf.TINT),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("LEFTPADDING", (0, 0), (-1, -1), 3 * mm),
            ("TOPPADDING", (0, 0), (-1, -1), 1.6 * mm),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6 * mm),
        ],
    )
    yield badge
    chart = odometer_chart(series)
    if chart is not None:
        yield Spacer(0, 4 * mm)
        yield chart


def _lists(history: History) -> Iterable[Flowable]:
    readings = _printed(history.odometer)
    lists = (history.services, history.market, history.title_events)
    if history.truncated or len(readings) < len(history.odometer.readings) or max(map(len, lists)) > MOST_PRINTED:
        yield Spacer(0, 4 * mm)
        yield pdf.text("There are more entries than are printed here: these are the newest.", pdf.SMALL)
    if history.services:
        yield from pdf.section("Services")
        rows = [[*_event(entry), _mileage_of(entry)] for entry in history.services[:MOST_PRINTED]]
        yield pdf.listing(SERVICES, rows)
    yield from _events("For sale and sold", history.market)
    yield from _events("Title", history.title_events)
    if history.last_parking is not None:
        yield from pdf.section("Parking")
        stays = "once" if history.parking_stays == 1 else f"{history.parking_stays} times"
        last = history.last_parking
        yield pdf.text(f"Parked {stays}, last on {pdf.day(last.at)}. {last.details}")
    if readings:
        yield from pdf.section("Readings")
        yield pdf.listing(READINGS, [_reading(reading) for reading in readings])


def _printed(series: OdometerSeries) -> list[SeriesReading]:
    """The newest, and of older ones the newest that contradict another."""
    newest_first = series.readings[::-1]
    older = [reading for reading in newest_first[MOST_PRINTED:] if reading.against is not None]
    return [*newest_first[:MOST_PRINTED], *older[:MOST_PRINTED]]


def _events(title: str, entries: Sequence[HistoryEntry]) -> Iterable[Flowable]:
    if entries:
        yield from pdf.section(title)
        yield pdf.listing(EVENTS, [_event(entry) for entry in entries[:MOST_PRINTED]])


def _event(entry: HistoryEntry) -> list[Any]:
    summary = entry.summary or VehicleEvent.Kind(entry.kind).label.capitalize()
    what = [pdf.text(summary), *([pdf.text(entry.details, pdf.SMALL)] if entry.details else [])]
    return [pdf.day(entry.at), what]


def _mileage_of(entry: HistoryEntry) -> str:
    return "" if entry.mileage is None else mileage(entry.mileage, entry.mileage_unit)


def _reading(reading: SeriesReading) -> list[Any]:
    words: Any = WORDS[reading.verdict]
    if reading.against is not None:
        against = f"{mileage(reading.against.value, reading.against.unit)} on {pdf.day(reading.against.at)}"
        reason = f": {reading.forced_reason}" if reading.forced_reason else ""
        words = pdf.text(f"{words}{reason} (against {against})", ALARM)
    return [pdf.day(reading.at), mileage(reading.value, reading.unit), reading.source, words]


def _proof(seal: Seal) -> Table:
    link = f"<link href={quoteattr(seal.address)} color='#1f4e79'>{escape(seal.address)}</link>"
    words = [
        pdf.text(seal.advice),
        Spacer(0, 1.5 * mm),
        Paragraph(link, pdf.TEXT),
        Spacer(0, 1.5 * mm),
        pdf.text(f"SHA-256 {seal.fingerprint}", pdf.SMALL),
    ]
    code = Drawing(QR_SIZE, QR_SIZE)
    code.add(QrCodeWidget(seal.address, barWidth=QR_SIZE, barHeight=QR_SIZE, barBorder=0, barLevel="M"))
    widths = (pdf.WIDTH - QR_SIZE - 6 * mm, QR_SIZE + 6 * mm)
    return Table([[words, code]], colWidths=widths, style=[*pdf.PLAIN, ("ALIGN", (1, 0), (1, 0), "RIGHT")])
