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
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, HRFlowable, PageTemplate, Paragraph, Spacer, Table

from common.calendar import business_day
from common.money import Amounts, total_of
from workshop.models import CreditNote, Invoice

REGULAR, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
for _name in (REGULAR, BOLD):
    registerFont(TTFont(_name, Path(__file__).parent / "fonts" / f"{_name}.ttf"))

INK, QUIET, ACCENT, TINT, RULE = (HexColor(f"#{code}") for code in ("1b2430", "5b6673", "1f4e79", "eef3f8", "c6d0da"))
MARGIN, FOOT = 18 * mm, 22 * mm
WIDTH = A4[0] - 2 * MARGIN
LEADING = 1.35
KEPT = 12  # Sums on the page of the last line; many tax rates may make more than a page.
COLUMNS = (WIDTH - 96 * mm, 25 * mm, 24 * mm, 17 * mm, 30 * mm)


def _style(name: str, size: float, *, bold: bool = False, color: Any = INK, right: bool = False) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * LEADING,
        textColor=color,
        **({"alignment": TA_RIGHT} if right else {}),
    )


TEXT, NUMBER = _style("text", 9), _style("number", 9, right=True)
STRONG = _style("strong", 9, bold=True)
SMALL = _style("small", 7.5, color=QUIET)
ISSUER = _style("issuer", 15, bold=True, color=ACCENT)
TITLE = _style("title", 20, color=ACCENT, right=True)
SUBTITLE = _style("subtitle", 10, bold=True, right=True)

_PLAIN: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
_TABLE = [
    *_PLAIN,
    ("TOPPADDING", (0, 0), (-1, -1), 1.1 * mm),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1.1 * mm),
    ("LEFTPADDING", (0, 0), (0, -1), 2 * mm),
    ("RIGHTPADDING", (-1, 0), (-1, -1), 2 * mm),
    ("FONT", (0, 0), (-1, -1), REGULAR, 9, 9 * LEADING),
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ("FONTSIZE", (0, 0), (-1, 0), 7.5),
    ("TEXTCOLOR", (0, 0), (-1, 0), QUIET),
    ("LINEBELOW", (0, 0), (-1, 0), 0.8, ACCENT),
]


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
        ("Status", invoice.get_status_display().capitalize()),
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
    title = f"{document.title} {document.number}"
    frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - MARGIN - FOOT, *[0] * 4)
    template = BaseDocTemplate(
        target,
        pagesize=A4,
        pageTemplates=[PageTemplate(frames=[frame])],
        title=title,
        author=settings.WORKSHOP_NAME,
        subject=title,
        creator="Forecourt",
        lang="en",
        invariant=1,
    )

    def numbered(*args: Any, **kwargs: Any) -> NumberedCanvas:
        return NumberedCanvas(*args, foot=f"{settings.WORKSHOP_NAME}  ·  {title}", **kwargs)

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
    yield _table(document)
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
        [_text("Customer", SMALL), _text(invoice.customer_name, STRONG), *(_text(line, TEXT) for line in contact)],
        [_text("Vehicle", SMALL), *(_text(line, TEXT) for line in vehicle)],
        [_facts(document.facts)],
    ]
    widths = (WIDTH * 0.32, WIDTH * 0.3, WIDTH * 0.38)
    return Table([columns], colWidths=widths, style=[*_PLAIN, ("RIGHTPADDING", (0, 0), (1, 0), 4 * mm)])


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[_text(label, SMALL), _text(value, NUMBER)] for label, value in facts]
    return Table(rows, colWidths=(WIDTH * 0.16, WIDTH * 0.22), style=[*_PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), 1)])


def _table(document: Document) -> Table:
    """The lines under their jobs, and the sums. The head is repeated on every page; no heading of a job and no sums
    stand alone. Cells that cannot need a second line are plain strings, which are laid out ten times as fast."""
    rows: list[list[Any]] = [["Description", "Quantity", "Unit price", "Tax", "Amount"]]
    style: list[Any] = [*_TABLE]
    for job, of_job in groupby(document.lines, key=lambda line: line.job):
        heading = len(rows)
        rows.append([_text(job, STRONG), "", "", "", ""])
        style += [
            ("SPAN", (0, heading), (-1, heading)),
            ("BACKGROUND", (0, heading), (-1, heading), TINT),
            ("NOSPLIT", (0, heading), (-1, heading + 1)),
        ]
        rows += [_row(line) for line in of_job]
    last = len(rows) - 1
    rows += [["", label, "", "", _money(amount)] for label, amount in _sums(document)]
    style += _style_of_sums(last + 1, total=len(rows) - len(document.sums), end=len(rows) - 1)
    return Table(rows, colWidths=COLUMNS, repeatRows=1, style=style)


def _row(line: PrintedLine) -> list[Any]:
    description = [_text(line.description, TEXT)]
    if line.sku:
        description.append(_text(line.sku, SMALL))
    return [
        description,
        _text(f"{_short(line.quantity)} {line.unit}".strip(), NUMBER),
        _money(line.unit_price),
        f"{_short(line.tax_rate)} %",
        _money(line.amounts.net),
    ]


def _sums(document: Document) -> Iterable[tuple[str, Decimal]]:
    """What stands below the lines: the sums by tax rate, and the document's own."""
    yield "Subtotal", total_of(line.amounts for line in document.lines).net
    for rate, amounts in _taxes(document.lines):
        yield f"Tax {_short(rate)} % on {_money(amounts.net)}", amounts.tax
    yield from document.sums


def _style_of_sums(first: int, *, total: int, end: int) -> list[Any]:
    """Of the rows from `first` to `end`, of which those from `total` on are the document's own."""
    return [
        ("NOSPLIT", (0, first - 1), (-1, min(first - 1 + KEPT, end))),
        ("LINEBELOW", (0, first - 1), (-1, first - 1), 0.8, ACCENT),
        ("ALIGN", (1, first), (1, end), "LEFT"),
        ("LEFTPADDING", (1, first), (1, end), 2 * mm),
        ("FONTNAME", (1, total), (-1, end), BOLD),
        ("LINEABOVE", (1, total), (-1, total), 0.5, RULE),
        ("FONTSIZE", (1, end), (-1, end), 11),
        ("BOTTOMPADDING", (1, end), (-1, end), 1.7 * mm),
        ("TEXTCOLOR", (1, end), (-1, end), ACCENT),
        ("BACKGROUND", (1, end), (-1, end), TINT),
    ]


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
