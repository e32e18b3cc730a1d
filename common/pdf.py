"""Documents on paper: A4, by reportlab, with an embedded font for Latin, Greek and Cyrillic.

Nothing here reads the clock: the same document is the same bytes, so that an ETag is a hash of them. All text of
people's goes through `text`, because reportlab takes paragraphs for markup, in which an image would be fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
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
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    HRFlowable,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from common.calendar import business_day

REGULAR, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
for _name in (REGULAR, BOLD):
    registerFont(TTFont(_name, Path(__file__).parent / "fonts" / f"{_name}.ttf"))

INK, QUIET, ACCENT, TINT, RULE = (HexColor(f"#{code}") for code in ("1b2430", "5b6673", "1f4e79", "eef3f8", "c6d0da"))
MARGIN, FOOT = 18 * mm, 22 * mm
WIDTH = A4[0] - 2 * MARGIN
LEADING = 1.35
# One document at a time: fonts are shared by all threads, and reportlab reads the glyphs of each through a single
# position in its file (MrBitBucket/reportlab-mirror#4). Two at once get wrong outlines, or a KeyError.
DRAWING = Lock()
KEPT = 12  # Sums on the page of the last line; many tax rates may make more than a page.


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
SECTION = _style("section", 11, bold=True, color=ACCENT)
SECTION.spaceBefore, SECTION.spaceAfter = 6 * mm, 1.5 * mm
SUBTITLE = _style("subtitle", 10, bold=True, right=True)

PLAIN: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
LISTED = [
    *PLAIN,
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

Sums = Sequence[tuple[str, Decimal]]


class Block(NamedTuple):
    """What stands over the table under a small label: who or what it is about. The `name` stands out."""

    label: str
    name: str
    lines: Sequence[str]


class Column(NamedTuple):
    """Of the table. The first takes the width that the others leave."""

    title: str
    width: float = 0


class Heading(NamedTuple):
    """A row over the rows that follow."""

    text: str


class Row(NamedTuple):
    """A row of the table. With fewer cells than there are columns the first one reaches over what is missing."""

    cells: Sequence[Any]


@dataclass(frozen=True)
class Document:
    """What is printed. `subtotals` and then `sums` stand below the table, labels with amounts; the last of the sums is
    what it is all about."""

    title: str
    number: str
    blocks: tuple[Block, Block]
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Heading | Row]
    subtotals: Sums
    sums: Sums
    note: str = ""


def render(document: Document) -> bytes:
    """The document under the letterhead of the settings."""
    return compose(title=document.title, number=document.number, story=_story(document))


def compose(*, title: str, number: str, story: Iterable[Flowable]) -> bytes:
    """A document of any contents, under the letterhead of the settings and with numbered pages."""
    target = BytesIO()
    name = f"{title} {number}"
    frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - MARGIN - FOOT, *[0] * 4)
    template = BaseDocTemplate(
        target,
        pagesize=A4,
        pageTemplates=[PageTemplate(frames=[frame])],
        title=name,
        author=settings.WORKSHOP_NAME,
        subject=name,
        creator="Forecourt",
        lang="en",
        invariant=1,
    )

    def numbered(*args: Any, **kwargs: Any) -> NumberedCanvas:
        return NumberedCanvas(*args, foot=f"{settings.WORKSHOP_NAME}  ·  {name}", **kwargs)

    contents = [*_letterhead(title, number), *story]
    with DRAWING:
        template.build(contents, canvasmaker=numbered)
    return target.getvalue()


def text(value: str, style: ParagraphStyle = TEXT) -> Paragraph:
    """Text as it is: no part of it is markup."""
    return Paragraph(escape(value), style)


def named(parts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The name and the lines of a block, for a text in parts of which the first stands for all."""
    return (parts[0], parts[1:]) if parts else ("", ())


def money(amount: Decimal) -> str:
    """In cents, with thousands apart and the minus sign of print."""
    return f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")


def day(moment: datetime) -> str:
    """`01 March 2026`, by the calendar of the business."""
    return f"{business_day(moment):%d %B %Y}"


def balance_sums(invoice: Any) -> Iterable[tuple[str, Decimal]]:
    """The total of an invoice, what was credited and paid by now, and what that leaves."""
    yield f"Total {invoice.currency}", invoice.total
    if invoice.credited:
        yield "Credited", -invoice.credited
    if invoice.paid:
        yield "Paid", -invoice.paid
    if invoice.balance < 0:
        yield f"In your favour {invoice.currency}", -invoice.balance
    else:
        yield f"Amount due {invoice.currency}", invoice.balance


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
    yield _blocks(document)
    yield Spacer(0, 7 * mm)
    yield _table(document)
    if document.note:
        yield Spacer(0, 6 * mm)
        yield text(document.note)


def _letterhead(title: str, number: str) -> Iterable[Flowable]:
    yield _head(title, number)
    yield Spacer(0, 4 * mm)
    yield HRFlowable(width="100%", thickness=1.2, color=ACCENT, spaceAfter=5 * mm)


def _head(title: str, number: str) -> Table:
    details = settings.WORKSHOP_DETAILS.splitlines()
    issuer = [text(settings.WORKSHOP_NAME, ISSUER), *(text(line, SMALL) for line in details)]
    named = [text(title, TITLE), Spacer(0, 2 * mm), text(number, SUBTITLE)]
    return Table([[issuer, named]], colWidths=(WIDTH * 0.5, WIDTH * 0.5), style=PLAIN)


def _blocks(document: Document) -> Table:
    columns: list[Any] = [
        [text(block.label, SMALL), *([text(block.name, STRONG)] if block.name else []), *map(text, block.lines)]
        for block in document.blocks
    ]
    widths = (WIDTH * 0.32, WIDTH * 0.3, WIDTH * 0.38)
    style = [*PLAIN, ("RIGHTPADDING", (0, 0), (1, 0), 4 * mm)]
    return Table([[*columns, [_facts(document.facts)]]], colWidths=widths, style=style)


def section(title: str) -> list[Flowable]:
    """A heading, on the next page where there is no room for something below it."""
    return [CondPageBreak(35 * mm), text(title, SECTION)]


def listing(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Table:
    """A plain table whose titles are repeated on every page; texts stand to the left. Exactly one column has no width
    of its own."""
    taken = sum(column.width for column in columns)
    widths = [column.width or WIDTH - taken for column in columns]
    style = [*LISTED, ("ALIGN", (0, 0), (-1, -1), "LEFT"), ("LINEBELOW", (0, 1), (-1, -1), 0.25, RULE)]
    return Table([[column.title for column in columns], *rows], colWidths=widths, repeatRows=1, style=style)


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[text(label, SMALL), text(value, NUMBER)] for label, value in facts]
    return Table(rows, colWidths=(WIDTH * 0.16, WIDTH * 0.22), style=[*PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), 1)])


def _table(document: Document) -> Table:
    """The rows under their headings, and the sums. The titles are repeated on every page; no heading and no sums stand
    alone. Cells that cannot need a second line are plain strings, which are laid out ten times as fast."""
    count = len(document.columns)
    rows: list[list[Any]] = [[column.title for column in document.columns]]
    style: list[Any] = [*LISTED]
    for row in document.rows:
        number = len(rows)
        if isinstance(row, Heading):
            rows.append([text(row.text, STRONG), *[""] * (count - 1)])
            style += [
                ("SPAN", (0, number), (-1, number)),
                ("BACKGROUND", (0, number), (-1, number), TINT),
                ("NOSPLIT", (0, number), (-1, number + 1)),
            ]
        else:
            description, *cells = row.cells
            missing = count - len(row.cells)
            rows.append([description, *[""] * missing, *cells])
            style += [("SPAN", (0, number), (missing, number))] if missing else []
    below = [*document.subtotals, *document.sums]
    style += _style_of_sums(len(rows), total=len(rows) + len(document.subtotals), end=len(rows) + len(below) - 1)
    rows += [["", label, *[""] * (count - 3), money(amount)] for label, amount in below]
    others = [column.width for column in document.columns[1:]]
    return Table(rows, colWidths=[WIDTH - sum(others), *others], repeatRows=1, style=style)


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
