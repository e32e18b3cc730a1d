"""Credit notes: how an invoice is corrected, which itself never changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import User
from common.calendar import business_day
from common.errors import Conflict, Unprocessable
from common.money import ZERO, Amounts, priced, total_of
from workshop.models import CreditNote, CreditNoteLine, DocumentSequence, Invoice
from workshop.services.invoicing import InvoiceVoid, give_number, lock_invoice, settle_invoice


class Credited(TypedDict):
    """How much of which line of the invoice (its id) is taken back."""

    line: int
    quantity: Decimal


class UnknownLine(Unprocessable):
    """No line of this invoice."""

    code = "does_not_exist"
    detail = "This invoice has no such line."


class LineTwice(Unprocessable):
    """A line is named once, with all that is taken back of it."""

    code = "line_repeated"
    detail = "This line is named more than once."


class CreditExceedsLine(Conflict):
    """More than is left of a line; `meta.lines` names every such line and what is left."""

    code = "credit_exceeds_line"
    detail = "More would be credited than is left of the invoice's lines."


@transaction.atomic
def issue_credit_note(
    *, invoice: Invoice, lines: Sequence[Credited], reason: str, actor: User, now: datetime
) -> CreditNote:
    """Take back some of an invoice's lines. When nothing of its total is left it is void, and its ticket is completed
    again, to be corrected and invoiced anew; what was paid can then be refunded. Parts do not return to the shelf.

    Raises InvoiceVoid, UnknownLine, LineTwice, CreditExceedsLine, NotFound.
    """
    invoice = lock_invoice(invoice)
    if invoice.status == Invoice.Status.VOID:
        raise InvoiceVoid
    credited = _credit_lines(invoice, lines)
    amounts = total_of(Amounts(line.net, line.tax) for line in credited)
    invoice.credited += amounts.gross
    settle_invoice(invoice, actor=actor, now=now, void=invoice.credited == invoice.total)
    year = business_day(now).year
    sequence, number = give_number(kind=DocumentSequence.Kind.CREDIT_NOTE, year=year)
    note = CreditNote.objects.create(
        number=number,
        year=year,
        sequence=sequence,
        invoice=invoice,
        reason=reason,
        subtotal=amounts.net,
        tax_total=amounts.tax,
        total=amounts.gross,
        issued_at=now,
        issued_by=actor,
    )
    for line in credited:
        line.credit_note = note
    CreditNoteLine.objects.bulk_create(credited)
    return note


def _credit_lines(invoice: Invoice, asked: Sequence[Credited]) -> list[CreditNoteLine]:
    present = {line.pk: line for line in _lines_with_credit(invoice)}
    seen: set[int] = set()
    short, result = [], []
    for index, entry in enumerate(asked):
        line = present.get(entry["line"])
        if line is None:
            raise UnknownLine(attr=f"lines.{index}.line")
        if line.pk in seen:
            raise LineTwice(attr=f"lines.{index}.line")
        seen.add(line.pk)
        left = line.quantity - (line.credited_quantity or 0)
        if entry["quantity"] > left:
            short.append({"line": line.pk, "quantity": entry["quantity"], "left": left})
        net, tax = _share(line, entry["quantity"], left)
        result.append(CreditNoteLine(invoice_line=line, quantity=entry["quantity"], net=net, tax=tax))
    if short:
        raise CreditExceedsLine(attr="lines", meta={"lines": short})
    return result


def _lines_with_credit(invoice: Invoice) -> QuerySet[Any]:
    """The invoice's lines with what was taken back of each: `credited_quantity`, `credited_net`, `credited_tax`."""
    sums = {f"credited_{name}": Sum(f"credit_note_lines__{name}") for name in ("quantity", "net", "tax")}
    return invoice.lines.annotate(**sums)


def _share(line: Any, quantity: Decimal, left: Decimal) -> Amounts:
    """What `quantity` of a line comes to. The last of it takes what rounding left over, so that all credit notes of a
    line together are the line."""
    rest = Amounts(line.net - (line.credited_net or ZERO), line.tax - (line.credited_tax or ZERO))
    if quantity == left:
        return rest
    part = priced(quantity, line.unit_price, line.tax_rate)
    return Amounts(min(part.net, rest.net), min(part.tax, rest.tax))
