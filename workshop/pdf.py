"""Invoices and credit notes of the workshop on paper (`common.pdf`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from reportlab.lib.units import mm

from common import pdf
from common.money import Amounts, total_of
from workshop.models import CreditNote, Invoice, InvoiceLine

COLUMNS = (
    pdf.Column("Description"),
    pdf.Column("Quantity", 25 * mm),
    pdf.Column("Unit price", 24 * mm),
    pdf.Column("Tax", 17 * mm),
    pdf.Column("Amount", 30 * mm),
)


@dataclass(frozen=True)
class PrintedLine:
    """Some of a line of an invoice, which stands under the heading of its job."""

    line: InvoiceLine
    quantity: Decimal
    amounts: Amounts


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as issued, and what was paid and credited by now. Reads its lines and its ticket's number."""
    facts = [
        ("Date of invoice", pdf.day(invoice.issued_at)),
        ("Date of service", f"{invoice.service_date:%d %B %Y}"),
        ("Repair order", invoice.ticket.number),
        ("Status", invoice.get_status_display().capitalize()),
    ]
    lines = [PrintedLine(line, line.quantity, Amounts(line.net, line.tax)) for line in invoice.lines.all()]
    return _render("Invoice", invoice.number, facts, invoice, lines, list(pdf.balance_sums(invoice)))


def credit_note_pdf(note: CreditNote) -> bytes:
    """A credit note. Reads its lines, its invoice and the ticket's number."""
    invoice = note.invoice
    facts = [
        ("Date of credit note", pdf.day(note.issued_at)),
        ("For invoice", invoice.number),
        ("Date of invoice", pdf.day(invoice.issued_at)),
        ("Repair order", invoice.ticket.number),
    ]
    lines = [PrintedLine(line.invoice_line, line.quantity, Amounts(line.net, line.tax)) for line in note.lines.all()]
    sums = [(f"Credited {invoice.currency}", note.total)]
    return _render("Credit note", note.number, facts, invoice, lines, sums, f"Reason: {note.reason}")


def _render(
    title: str,
    number: str,
    facts: Sequence[tuple[str, str]],
    invoice: Invoice,
    lines: Sequence[PrintedLine],
    sums: pdf.Sums,
    note: str = "",
) -> bytes:
    """What the two kinds of paper have in common."""
    document = pdf.Document(
        title=title,
        number=number,
        blocks=(_customer(invoice), _vehicle(invoice)),
        facts=facts,
        columns=COLUMNS,
        rows=list(_rows(lines)),
        subtotals=list(_subtotals(lines)),
        sums=sums,
        note=note,
    )
    return pdf.render(document)


def _customer(invoice: Invoice) -> pdf.Block:
    contact = [line for line in (invoice.customer_email, invoice.customer_phone) if line]
    return pdf.Block("Customer", invoice.customer_name, contact)


def _vehicle(invoice: Invoice) -> pdf.Block:
    odometer = f"{invoice.odometer:,} {invoice.odometer_unit}".strip() if invoice.odometer is not None else ""
    parts = [part for part in (*invoice.vehicle_text.split(", "), odometer and f"Odometer {odometer}") if part]
    return pdf.Block("Vehicle", *pdf.named(parts))


def _rows(lines: Sequence[PrintedLine]) -> Iterable[pdf.Heading | pdf.Row]:
    """The lines under their jobs."""
    for job, of_job in groupby(lines, key=lambda printed: printed.line.job_title):
        yield pdf.Heading(job)
        yield from (_row(printed) for printed in of_job)


def _row(printed: PrintedLine) -> pdf.Row:
    line = printed.line
    description = [pdf.text(line.description)]
    if line.sku:
        description.append(pdf.text(line.sku, pdf.SMALL))
    cells = [
        description,
        pdf.text(f"{_short(printed.quantity)} {line.unit}".strip(), pdf.NUMBER),
        pdf.money(line.unit_price),
        f"{_short(line.tax_rate)} %",
        pdf.money(printed.amounts.net),
    ]
    return pdf.Row(cells)


def _subtotals(lines: Sequence[PrintedLine]) -> Iterable[tuple[str, Decimal]]:
    """The sum without taxes, and the taxes by rate, the lowest first."""
    yield "Subtotal", total_of(printed.amounts for printed in lines).net
    by_rate = sorted(lines, key=lambda printed: printed.line.tax_rate)
    for rate, of_rate in groupby(by_rate, key=lambda printed: printed.line.tax_rate):
        amounts = total_of(printed.amounts for printed in of_rate)
        yield f"Tax {_short(rate)} % on {pdf.money(amounts.net)}", amounts.tax


def _short(number: Decimal) -> str:
    """Without zeros at the end: 1.500 -> 1.5, 20.00 -> 20."""
    return f"{number:,f}".rstrip("0").rstrip(".") if "." in str(number) else f"{number:,f}"
