"""Invoices and credit notes of sales on paper (`common.pdf`), and the public history of a listing (`cars.pdf`)."""

from __future__ import annotations

from collections.abc import Sequence

from reportlab.lib.units import mm

from auctions.models import CreditNote, Invoice
from auctions.services.history import PublicHistory
from cars.pdf import Seal, Sheet, history_pdf, mileage, named_vehicle, vin_facts
from common import pdf

# The one in the middle is the sums': descriptions reach over it.
COLUMNS = (pdf.Column("Description"), pdf.Column("", 66 * mm), pdf.Column("Amount", 30 * mm))


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as issued, and what was paid and credited by now. Reads its lines and its order's number."""
    facts = [
        ("Date of invoice", pdf.day(invoice.issued_at)),
        ("Payable by", pdf.day(invoice.due_at)),
        ("Order", invoice.order.order_number),
        ("Status", invoice.get_status_display().capitalize()),
    ]
    lines, taxes = [], []
    for line in invoice.lines.all():
        if line.kind == "tax":
            taxes.append((line.description, line.amount))
        else:
            lines.append(pdf.Row([pdf.text(line.description), pdf.money(line.amount)]))
    subtotals = [("Subtotal", invoice.subtotal), *taxes]
    note = f"Please give {invoice.number} with your payment." if invoice.balance > 0 else ""
    return _render("Invoice", invoice.number, facts, invoice, lines, subtotals, _sums_of(invoice), note)


def _sums_of(invoice: Invoice) -> pdf.Sums:
    """They add up also while something of what was paid is on its way back."""
    *sums, result = pdf.balance_sums(invoice)
    return [*sums, *([("Being refunded", invoice.going_back)] if invoice.going_back else []), result]


def credit_note_pdf(note: CreditNote) -> bytes:
    """A credit note. Reads its invoice and the order's number."""
    invoice = note.invoice
    facts = [
        ("Date of credit note", pdf.day(note.issued_at)),
        ("For invoice", invoice.number),
        ("Date of invoice", pdf.day(invoice.issued_at)),
        ("Order", invoice.order.order_number),
    ]
    lines = [pdf.Row([pdf.text(note.reason), pdf.money(note.amount)])]
    sums = [(f"Credited {invoice.currency}", note.amount)]
    return _render("Credit note", note.number, facts, invoice, lines, [], sums)


def _render(
    title: str,
    number: str,
    facts: Sequence[tuple[str, str]],
    invoice: Invoice,
    rows: Sequence[pdf.Row],
    subtotals: pdf.Sums,
    sums: pdf.Sums,
    note: str = "",
) -> bytes:
    """What the two kinds of paper have in common."""
    blocks = (
        pdf.Block("Buyer", invoice.buyer_name, [*invoice.buyer_address.splitlines(), invoice.buyer_email]),
        pdf.Block("Vehicle", *pdf.named(invoice.vehicle_text.split(", "))),
    )
    return pdf.render(pdf.Document(title, number, blocks, facts, COLUMNS, rows, subtotals, sums, note))


def public_history_pdf(public: PublicHistory, *, number: str, fingerprint: str, address: str) -> bytes:
    """What everybody may know of the past of a listed vehicle."""
    listing = public.listing
    lines = [f"VIN {listing.vin}" if listing.vin else "No VIN on record"]
    if listing.exterior_color:
        lines.append(f"Colour {listing.exterior_color}")
    facts = [
        ("Issued on", pdf.day(public.issued_at)),
        ("Listing", f"{listing.pk}, {listing.get_status_display().lower()}"),
    ]
    if public.sale_price is not None:
        facts.append(("Sold at auction for", f"{pdf.money(public.sale_price)} {listing.currency}"))
    title = " ".join(part for part in (listing.get_title_type_display(), listing.title_state) if part)
    stated = f"{mileage(listing.mileage, 'mi')}, {listing.get_odometer_status_display().lower()}"
    sheet = Sheet(
        title="Vehicle history",
        block=pdf.Block("Vehicle", named_vehicle(listing), lines),
        facts=facts,
        identity=[("Title, as stated", title), ("Mileage, as stated", stated), *vin_facts(public.vin_decode)],
        history=public.history,
        notes=() if public.shared else ("The seller does not share the history of this vehicle.",),
    )
    advice = "Anybody finds this history there, and its fingerprint is the same until something new happens."
    return history_pdf(sheet, Seal(number, fingerprint, address, advice))
