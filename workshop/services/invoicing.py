"""Invoices: a completed ticket becomes a frozen snapshot with a number.

Lock order: the ticket, its invoice, and the sequence of numbers last. Whoever holds a sequence makes all others who
need a number wait, so nothing is decided after it was locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common.calendar import business_day
from common.errors import Conflict
from common.money import ZERO, Amounts, money_text, total_of
from common.numbering import next_number
from workshop.models import DocumentSequence, FeeLine, Invoice, InvoiceLine, Job, LabourLine, PartLine, ServiceTicket
from workshop.pricing import Line, amounts_of_line, lines_of
from workshop.services.messages import INVOICE_ISSUED, tell_customer
from workshop.services.states import lock_ticket, move_ticket

PREFIXES = {DocumentSequence.Kind.INVOICE: "INV", DocumentSequence.Kind.CREDIT_NOTE: "CN"}
MOST = Decimal("9999999999.99")  # What the columns hold.
# What an invoice's status makes of its ticket; otherwise the ticket is invoiced and stays so.
_TICKET_STATUS = {
    Invoice.Status.PAID: ServiceTicket.Status.PAID,
    Invoice.Status.VOID: ServiceTicket.Status.COMPLETED,
}


class AlreadyInvoiced(Conflict):
    """The ticket has an invoice that is not void; `meta` names it."""

    code = "already_invoiced"
    detail = "This ticket has an invoice."


class NothingToInvoice(Conflict):
    """No job of the ticket was finished, or its jobs have no lines."""

    code = "nothing_to_invoice"
    detail = "No finished job of this ticket has a line."


class TotalTooLarge(Conflict):
    """More money than a document can name."""

    code = "total_too_large"
    detail = f"The total exceeds {MOST:,}."


class InvoiceVoid(Conflict):
    """A credit note took the whole invoice back."""

    code = "invoice_void"
    detail = "This invoice is void."


@transaction.atomic
def issue_invoice(*, ticket: ServiceTicket, actor: User, now: datetime) -> Invoice:
    """Freeze the finished jobs of a completed ticket as an invoice, move the ticket to invoiced and tell the customer.
    An invoice over nothing is paid at once.

    Raises AlreadyInvoiced, InvalidTransition (not completed), NothingToInvoice, TotalTooLarge, NotFound.
    """
    ticket = lock_ticket(ticket.pk)
    present = ticket.invoices.exclude(status=Invoice.Status.VOID).first()
    if present is not None:
        raise AlreadyInvoiced(meta={"invoice": present.pk, "number": present.number})
    move_ticket(ticket, ServiceTicket.Status.INVOICED, actor=actor, now=now)
    lines = list(_frozen_lines(ticket))
    if not lines:
        raise NothingToInvoice
    amounts = total_of(Amounts(line.net, line.tax) for line in lines)
    if amounts.gross > MOST:
        raise TotalTooLarge
    invoice = _snapshot(ticket, amounts)
    invoice.issued_at, invoice.issued_by = now, actor
    invoice.year = business_day(now).year
    invoice.sequence, invoice.number = give_number(kind=DocumentSequence.Kind.INVOICE, year=invoice.year)
    invoice.save(force_insert=True)
    for line in lines:
        line.invoice = invoice
    InvoiceLine.objects.bulk_create(lines)
    settle_invoice(invoice, actor=actor, now=now)
    _tell(invoice, now=now)
    return invoice


def lock_invoice(invoice: Invoice) -> Invoice:
    """The invoice as it is now, its ticket's row locked before its own; `ticket` is the locked row. Raises NotFound."""
    ticket = lock_ticket(invoice.ticket_id)
    locked = Invoice.objects.select_for_update(of=("self",), no_key=True).get(pk=invoice.pk)
    locked.ticket = ticket
    return locked


def settle_invoice(invoice: Invoice, *, actor: User, now: datetime, void: bool = False) -> None:
    """Save a locked invoice after `paid` or `credited` changed, and bring its status and its ticket's in line with
    them. `void` ends it; a void invoice stays void, and its ticket is none of its business any more."""
    before = invoice.status
    invoice.status = Invoice.Status.VOID if void else _status_of(invoice)
    invoice.save(update_fields=["status", "paid", "credited"])
    target = _TICKET_STATUS.get(Invoice.Status(invoice.status))
    if invoice.status != before and target is not None and invoice.ticket.status != target:
        move_ticket(invoice.ticket, target, actor=actor, now=now, note=invoice.number)


def give_number(*, kind: DocumentSequence.Kind, year: int) -> tuple[int, str]:
    """The next number of a year, as a count and as text; see `common.numbering`."""
    return next_number(DocumentSequence, kind=kind, year=year, prefix=PREFIXES[kind])


def _status_of(invoice: Invoice) -> Invoice.Status:
    if invoice.status == Invoice.Status.VOID:
        return Invoice.Status.VOID
    if invoice.balance <= 0:
        return Invoice.Status.PAID
    return Invoice.Status.PARTIALLY_PAID if invoice.paid else Invoice.Status.OPEN


def _snapshot(ticket: ServiceTicket, amounts: Amounts) -> Invoice:
    customer = ticket.customer
    return Invoice(
        ticket=ticket,
        customer=customer,
        customer_name=customer.name,
        customer_email=customer.email,
        customer_phone=customer.phone,
        vehicle_text=_vehicle_text(ticket),
        odometer=ticket.odometer_out,
        odometer_unit=ticket.odometer_unit,
        service_date=ticket.service_date,
        currency=settings.DEFAULT_CURRENCY,
        subtotal=amounts.net,
        tax_total=amounts.tax,
        total=amounts.gross,
        paid=ZERO,
        credited=ZERO,
    )


def _vehicle_text(ticket: ServiceTicket) -> str:
    """`2003 Honda Accord EX, plate FC 2003, VIN 1HG...`, as far as it is known."""
    vehicle = ticket.vehicle
    vin = ticket.vin or (vehicle.vin if vehicle else "") or ""
    parts = [f"VIN {vin}"] if vin else []
    if vehicle is not None:
        named = " ".join(str(word) for word in (vehicle.year, vehicle.make, vehicle.model, vehicle.trim) if word)
        parts = [part for part in (named, vehicle.plate and f"plate {vehicle.plate}", *parts) if part]
    return ", ".join(parts)[:300]


def _frozen_lines(ticket: ServiceTicket) -> Iterator[InvoiceLine]:
    jobs = ticket.jobs.filter(state=Job.State.FINISHED).order_by("pk")
    position = 0
    for job in jobs.prefetch_related("labour_lines__mechanic", "part_lines", "fee_lines"):
        for line in lines_of(job):
            position += 1
            frozen = _frozen(line)
            frozen.position, frozen.job_title, frozen.tax_rate = position, job.title, job.tax_rate
            frozen.net, frozen.tax = amounts_of_line(line, job.tax_rate)
            yield frozen


def _frozen(line: Line) -> InvoiceLine:
    if isinstance(line, LabourLine):
        return InvoiceLine(
            kind=InvoiceLine.Kind.LABOUR,
            description=f"Labour, {line.mechanic.display_name}",
            quantity=line.hours,
            unit="h",
            unit_price=line.rate,
        )
    if isinstance(line, PartLine):
        return InvoiceLine(
            kind=InvoiceLine.Kind.PART,
            description=line.name,
            sku=line.sku,
            quantity=line.quantity,
            unit=line.unit,
            unit_price=line.price,
            unit_cost=line.cost,
        )
    return _frozen_fee(line)


def _frozen_fee(line: FeeLine) -> InvoiceLine:
    return InvoiceLine(
        kind=InvoiceLine.Kind.FEE, description=line.title, quantity=Decimal(1), unit="", unit_price=line.amount
    )


def _tell(invoice: Invoice, *, now: datetime) -> None:
    tell_customer(
        customer=invoice.customer,
        kind=INVOICE_ISSUED,
        title=f"Invoice {invoice.number} over {money_text(invoice.total, invoice.currency)}",
        body=f"It is for the work of {invoice.service_date:%d %B %Y} on your vehicle: {invoice.vehicle_text}.",
        data={"invoice": invoice.pk, "ticket": invoice.ticket_id},
        dedupe_key=f"invoice:{invoice.pk}",
        now=now,
    )
