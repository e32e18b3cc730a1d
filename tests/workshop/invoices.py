"""Tickets that can be invoiced, and their invoices, for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import User
from tests.factories import UserFactory
from tests.workshop.factories import FeeLineFactory, JobFactory, LabourLineFactory, PartLineFactory, TicketFactory
from workshop.models import Invoice, InvoiceLine, Job, ServiceTicket
from workshop.services.credit_notes import Credited, issue_credit_note
from workshop.services.invoicing import issue_invoice
from workshop.services.payments import record_payment

TOTAL = Decimal("138.00")


def completed_ticket(**fields: Any) -> ServiceTicket:
    """One finished job at 20 % tax: 1.5 h for 90.00, two parts for 20.00 and a fee of 5.00; 138.00 with tax."""
    ticket: ServiceTicket = TicketFactory(status="completed", odometer_out=182_950, **fields)
    job = finished_job(ticket)
    LabourLineFactory(job=job, mechanic__display_name="Max")
    PartLineFactory(job=job, name="Oil filter", sku="OF-1", stock="consumed")
    FeeLineFactory(job=job)
    return ticket


def finished_job(ticket: ServiceTicket, **fields: Any) -> Job:
    job: Job = JobFactory(ticket=ticket, state="finished", finished_at=timezone.now(), **fields)
    return job


def issued_invoice(ticket: ServiceTicket | None = None, *, actor: User | None = None, **fields: Any) -> Invoice:
    """Of the ticket, or of a `completed_ticket` with such fields."""
    ticket = ticket or completed_ticket(**fields)
    return issue_invoice(ticket=ticket, actor=actor or UserFactory(), now=timezone.now())


def credited_invoice(*, actor: User, **fields: Any) -> Invoice:
    """One that was paid, and then credited for its parts: 24.00 are to be refunded."""
    invoice, now = issued_invoice(actor=actor, **fields), timezone.now()
    record_payment(invoice=invoice, amount=TOTAL, method="cash", actor=actor, now=now)
    lines: list[Credited] = [{"line": line_of(invoice, "part").pk, "quantity": Decimal(2)}]
    issue_credit_note(invoice=invoice, lines=lines, reason="Not fitted.", actor=actor, now=now)
    return invoice


def line_of(invoice: Invoice, kind: str) -> InvoiceLine:
    """The invoice's only line of a kind."""
    return invoice.lines.get(kind=kind)
