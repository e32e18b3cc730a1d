"""Invoices and credit notes on paper: A4, by reportlab, with an embedded font for Latin, Greek and Cyrillic.

Nothing here reads the clock: the same document is the same bytes, so that an ETag is a hash of them. All text of
people's goes through `_text`, because reportlab takes paragraphs for markup, in which an image would be fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from django.conf import settings
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, HRFlowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from common.money import Amounts, total_of
from workshop.calendar import business_day
from workshop.models import CreditNote, Invoice

REGULAR, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
for _name in (REGULAR, BOLD):
    registerFont(TTFont(_name, Path(__file__).parent / "fonts" / f"{_name}.ttf"))

INK, QUIET, ACCENT, TINT, RULE = (HexColor(f"#{code}") for code in ("1b2430", "5b6673", "1f4e79", "eef3f8", "c6d0da"))
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
COLUMNS = (WIDTH - 96 * mm, 25 * mm, 24 * mm, 17 * mm, 30 * mm)


def _style(name: str, size: float, *, bold: bool = False, color: Any = INK, right: bool = False) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.35,
        textColor=color,
        **({"alignment": TA_RIGHT} if right else {}),
    )


TEXT, NUMBER = _style("text", 9), _style("number", 9, right=True)
STRONG, STRONG_NUMBER = _style("strong", 9, bold=True), _style("strong number", 9, bold=True, right=True)
SMALL = _style("small", 7.5, color=QUIET)
LABEL, LABEL_NUMBER = _style("label", 7.5, color=QUIET), _style("label number", 7.5, color=QUIET, right=True)
ISSUER = _style("issuer", 15, bold=True, color=ACCENT)
TITLE = _style("title", 20, color=ACCENT, right=True)
SUBTITLE = _style("subtitle", 10, bold=True, right=True)
DUE, DUE_NUMBER = (
    _style("due", 11, bold=True, color=ACCENT),
    _style("due number", 11, bold=True, color=ACCENT, right=True),
)


@dataclass(frozen=True)
class PrintedLine:
    """A row of the table, under the heading of its job."""

    job: str
    description: str
    sku: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    tax_rate: Decimal
    amounts: Amounts


@dataclass(frozen=True)
class Document:
    """What the two kinds of paper have in common; `sums` below the table are labels with amounts, the last of which is
    what it is all about."""

    title: str
    number: str
    facts: Sequence[tuple[str, str]]
    invoice: Invoice
    lines: Sequence[PrintedLine]
    sums: Sequence[tuple[str, Decimal]]
    note: str = ""


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as issued, and what was paid and credited by now. Reads its lines and its ticket's number."""
    sums = [(f"Total {invoice.currency}", invoice.total)]
    if invoice.credited:
        sums.append(("Credited", -invoice.credited))
    if invoice.paid:
        sums.append(("Paid", -invoice.paid))
    if invoice.balance < 0:
        sums.append((f"In your favour {invoice.currency}", -invoice.balance))
    else:
        sums.append((f"Amount due {invoice.currency}", invoice.balance))
    facts = [
        ("Date of invoice", f"{business_day(invoice.issued_at):%d %B %Y}"),
        ("Date of service", f"{invoice.service_date:%d %B %Y}"),
        ("Repair order", invoice.ticket.number),
        ("Status", invoice.get_status_display()),
    ]
    lines = [
        PrintedLine(
            line.job_title,
            line.description,
            line.sku,
            line.quantity,
            line.unit,
            line.unit_price,
            line.tax_rate,
            Amounts(line.net, line.tax),
        )
        for line in invoice.lines.all()
    ]
    return _render(Document("Invoice", invoice.number, facts, invoice, lines, sums))


def credit_note_pdf(note: CreditNote) -> bytes:
    """A credit note. Reads its lines, its invoice and the ticket's number."""
    invoice = note.invoice
    facts = [
        ("Date of credit note", f"{business_day(note.issued_at):%d %B %Y}"),
        ("For invoice", invoice.number),
        ("Date of invoice", f"{business_day(invoice.issued_at):%d %B %Y}"),
        ("Repair order", invoice.ticket.number),
    ]
    lines = [
        PrintedLine(
            of.job_title,
            of.description,
            of.sku,
            line.quantity,
            of.unit,
            of.unit_price,
            of.tax_rate,
            Amounts(line.net, line.tax),
        )
        for line in note.lines.all()
        for of in [line.invoice_line]
    ]
    sums = [(f"Credited {invoice.currency}", note.total)]
    return _render(Document("Credit note", note.number, facts, invoice, lines, sums, f"Reason: {note.reason}"))


def _render(document: Document) -> bytes:
    target = BytesIO()
    template = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=22 * mm,
        title=f"{document.title} {document.number}",
        author=settings.WORKSHOP_NAME,
        lang="en",
        invariant=1,
    )

    def numbered(*args: Any, **kwargs: Any) -> NumberedCanvas:
        return NumberedCanvas(*args, foot=f"{settings.WORKSHOP_NAME}  ·  {document.title} {document.number}", **kwargs)

    template.build(list(_story(document)), canvasmaker=numbered)
    return target.getvalue()


class NumberedCanvas(Canvas):
    """Pages that know how many they are: their feet are drawn when all are there."""

    def __init__(self, *args: Any, foot: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._foot = foot
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self._draw_foot(f"Page {number} of {len(self._pages)}")
            super().showPage()
        super().save()

    def _draw_foot(self, page: str) -> None:
        self.setStrokeColor(RULE)
        self.line(MARGIN, 16 * mm, A4[0] - MARGIN, 16 * mm)
        self.setFont(REGULAR, 7.5)
        self.setFillColor(QUIET)
        self.drawString(MARGIN, 11.5 * mm, self._foot)
        self.drawRightString(A4[0] - MARGIN, 11.5 * mm, page)


def _story(document: Document) -> Iterable[Flowable]:
    yield _head(document)
    yield Spacer(0, 4 * mm)
    yield HRFlowable(width="100%", thickness=1.2, color=ACCENT, spaceAfter=5 * mm)
    yield _parties(document)
    yield Spacer(0, 7 * mm)
    yield _table(document.lines)
    yield Spacer(0, 3 * mm)
    yield KeepTogether([_sums(document)])
    if document.note:
        yield Spacer(0, 6 * mm)
        yield _text(document.note, TEXT)


def _text(value: str, style: ParagraphStyle) -> Paragraph:
    """Text as it is: no part of it is markup."""
    return Paragraph(escape(value), style)


def _head(document: Document) -> Table:
    details = settings.WORKSHOP_DETAILS.splitlines()
    issuer = [_text(settings.WORKSHOP_NAME, ISSUER), *(_text(line, SMALL) for line in details)]
    title = [_text(document.title, TITLE), Spacer(0, 2 * mm), _text(document.number, SUBTITLE)]
    return Table(
        [[issuer, title]], colWidths=(WIDTH * 0.6, WIDTH * 0.4), style=[*_PLAIN, ("VALIGN", (0, 0), (-1, -1), "TOP")]
    )


def _parties(document: Document) -> Table:
    invoice = document.invoice
    odometer = f"{invoice.odometer:,} {invoice.odometer_unit}".strip() if invoice.odometer is not None else ""
    contact = [line for line in (invoice.customer_email, invoice.customer_phone) if line]
    vehicle = [part for part in (*invoice.vehicle_text.split(", "), odometer and f"Odometer {odometer}") if part]
    columns = [
        [_text("Customer", LABEL), _text(invoice.customer_name, STRONG), *(_text(line, TEXT) for line in contact)],
        [_text("Vehicle", LABEL), *(_text(line, TEXT) for line in vehicle)],
        [_facts(document.facts)],
    ]
    widths = (WIDTH * 0.32, WIDTH * 0.3, WIDTH * 0.38)
    return Table([columns], colWidths=widths, style=[*_PLAIN, ("RIGHTPADDING", (0, 0), (1, 0), 4 * mm)])


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[_text(label, LABEL), _text(value, NUMBER)] for label, value in facts]
    return Table(rows, colWidths=(WIDTH * 0.16, WIDTH * 0.22), style=[*_PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), 1)])


def _table(lines: Sequence[PrintedLine]) -> Table:
    """The lines under their jobs. The head is repeated on every page, and a job's heading does not stand alone."""
    heads = ("Description", "Quantity", "Unit price", "Tax", "Amount")
    rows: list[list[Any]] = [[_text(head, LABEL if head == heads[0] else LABEL_NUMBER) for head in heads]]
    style: list[Any] = [
        *_PLAIN,
        ("TOPPADDING", (0, 0), (-1, -1), 2.2 * mm / 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2 * mm / 2),
        ("LEFTPADDING", (0, 0), (0, -1), 2 * mm),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 2 * mm),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, ACCENT),
        ("LINEBELOW", (0, -1), (-1, -1), 0.8, ACCENT),
    ]
    for job, of_job in groupby(lines, key=lambda line: line.job):
        heading = len(rows)
        rows.append([_text(job, STRONG), "", "", "", ""])
        style += [
            ("SPAN", (0, heading), (-1, heading)),
            ("BACKGROUND", (0, heading), (-1, heading), TINT),
            ("NOSPLIT", (0, heading), (-1, heading + 1)),
        ]
        rows += [_row(line) for line in of_job]
    return Table(rows, colWidths=COLUMNS, repeatRows=1, style=style)


def _row(line: PrintedLine) -> list[Any]:
    description = [_text(line.description, TEXT)]
    if line.sku:
        description.append(_text(line.sku, SMALL))
    return [
        description,
        _text(f"{_short(line.quantity)} {line.unit}".strip(), NUMBER),
        _text(_money(line.unit_price), NUMBER),
        _text(f"{_short(line.tax_rate)} %", NUMBER),
        _text(_money(line.amounts.net), NUMBER),
    ]


def _sums(document: Document) -> Table:
    total = total_of(line.amounts for line in document.lines)
    rows = [[_text("Subtotal", TEXT), _text(_money(total.net), NUMBER)]]
    for rate, amounts in _taxes(document.lines):
        label = f"Tax {_short(rate)} % on {_money(amounts.net)}"
        rows.append([_text(label, TEXT), _text(_money(amounts.tax), NUMBER)])
    taxed = len(rows)
    *others, (label, amount) = document.sums
    for name, value in others:
        first = len(rows) == taxed
        rows.append([_text(name, STRONG if first else TEXT), _text(_money(value), STRONG_NUMBER if first else NUMBER)])
    rows.append([_text(label, DUE), _text(_money(amount), DUE_NUMBER)])
    style = [
        *_PLAIN,
        ("TOPPADDING", (0, 0), (-1, -1), 1 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1 * mm),
        ("LEFTPADDING", (0, 0), (0, -1), 2 * mm),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 2 * mm),
        ("LINEABOVE", (0, taxed), (-1, taxed), 0.5, RULE),
        ("BACKGROUND", (0, -1), (-1, -1), TINT),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
    return Table(rows, colWidths=(52 * mm, 34 * mm), hAlign="RIGHT", style=style)


def _taxes(lines: Sequence[PrintedLine]) -> list[tuple[Decimal, Amounts]]:
    """Net and tax by rate, the lowest first."""
    by_rate = sorted(lines, key=lambda line: line.tax_rate)
    groups = groupby(by_rate, key=lambda line: line.tax_rate)
    return [(rate, total_of(line.amounts for line in of_rate)) for rate, of_rate in groups]


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")


def _short(number: Decimal) -> str:
    """Without zeros at the end: 1.500 -> 1.5, 20.00 -> 20."""
    return f"{number:,f}".rstrip("0").rstrip(".") if "." in str(number) else f"{number:,f}"


_PLAIN: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
