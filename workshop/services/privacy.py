"""A person's share of the workshop: what it knows of them, and what stays when they leave."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model

from accounts.models import User
from accounts.notifications import forget_address
from common.errors import Conflict
from workshop import caches
from workshop.models import Customer, Invoice, Job, Mechanic, ServiceTicket, TicketEvent
from workshop.services.mechanics import has_worked, require_clock_stopped
from workshop.services.messages import NOWHERE

# A ticket in one of these is over; every other one is still somebody's promise.
SETTLED = (ServiceTicket.Status.PAID, ServiceTicket.Status.DECLINED, ServiceTicket.Status.CANCELLED)
UNPAID = (Invoice.Status.OPEN, Invoice.Status.PARTIALLY_PAID)


class TicketStillOpen(Conflict):
    """Somebody works for this person; `meta.tickets` names the tickets."""

    code = "ticket_still_open"
    detail = "There are open service tickets of yours. They have to be finished or cancelled first."


class InvoiceUnpaid(Conflict):
    """`meta.invoices` names the invoices."""

    code = "invoice_unpaid"
    detail = "There are invoices that you have not paid."


def claims_of(user: User) -> Mapping[str, Any]:
    """For clients' display, in the access token."""
    return {
        "customer_id": Customer.objects.filter(user=user).values_list("pk", flat=True).first(),
        "mechanic_id": Mechanic.objects.filter(user=user, active=True).values_list("pk", flat=True).first(),
    }


def export_person(user: User) -> dict[str, Any]:
    """What a person's data export says about them as customer and as mechanic."""
    mine = {"customer__user": user}
    decided = TicketEvent.objects.filter(
        ticket__customer__user=user, via=TicketEvent.Via.LINK, new__in=[Job.State.AUTHORISED, Job.State.DECLINED]
    )
    mechanic = Mechanic.objects.filter(user=user)
    return {
        "customer": Customer.objects.filter(user=user).values("id", "name", "email", "phone", "created_at").first(),
        "tickets": [_ticket(row) for row in ServiceTicket.objects.filter(**mine).prefetch_related("jobs")],
        "invoices": [_invoice(row) for row in Invoice.objects.filter(**mine).prefetch_related("lines", "payments")],
        "estimate_decisions": list(
            decided.filter(job__isnull=False).order_by("id").values("ticket_id", "job_id", "job__title", "new", "at")
        ),
        "mechanic": mechanic.values("id", "display_name", "skills", "active", "created_at").first(),
        "time_entries": [
            entry for row in mechanic for entry in row.time_entries.values("job_id", "started_at", "ended_at")
        ],
    }


def erase_person(user: User, *, now: datetime) -> bool:  # noqa: ARG001 - a share of accounts.registry
    """Take a person, whose row is locked, out of the workshop. Rows of customers and mechanics that others refer to
    stay without the person; invoices keep what they say, as the law on bookkeeping wants. True when such a mechanic
    still refers to the user.

    Raises TicketStillOpen, InvoiceUnpaid, MechanicAtWork.
    """
    customer = Customer.objects.select_for_update(of=("self",)).filter(user=user).first()
    if customer is not None:
        _erase_customer(customer)
    mechanic = Mechanic.objects.select_for_update(of=("self",)).filter(user=user).first()
    return mechanic is not None and _erase_mechanic(mechanic)


def _erase_customer(customer: Customer) -> None:
    open_tickets = customer.tickets.exclude(status__in=SETTLED)
    unpaid = customer.invoices.filter(status__in=UNPAID)
    # An issued invoice says more precisely what is missing than its ticket does.
    if invoices := list(unpaid.values_list("number", flat=True)):
        raise InvoiceUnpaid(meta={"invoices": invoices})
    if tickets := [ticket.number for ticket in open_tickets]:
        raise TicketStillOpen(meta={"tickets": tickets})
    forget_address(customer.email)
    if not (customer.tickets.exists() or customer.invoices.exists()):
        customer.delete()
        return
    customer.name = "Deleted customer"
    customer.email = f"deleted-customer-{customer.pk}{NOWHERE}"
    customer.phone = customer.notes = ""
    customer.user = None
    customer.save()


def _erase_mechanic(mechanic: Mechanic) -> bool:
    require_clock_stopped(mechanic)
    caches.leaderboard.bump_on_commit()
    if not has_worked(mechanic):
        mechanic.delete()
        return False
    mechanic.display_name = "Former mechanic"
    mechanic.skills = []
    mechanic.active = False
    mechanic.save()
    return True


def _ticket(ticket: ServiceTicket) -> dict[str, Any]:
    """What the customer sees of it: jobs that were only thought of are not among that."""
    named = ("number", "vin", "service_date", "description", "status", "odometer_in", "odometer_out", "created_at")
    shown = [job for job in ticket.jobs.all() if job.state != Job.State.PROPOSED]
    return _named(ticket, *named) | {"jobs": [_named(job, "title", "state") for job in shown]}


def _invoice(invoice: Invoice) -> dict[str, Any]:
    named = (
        "number", "issued_at", "customer_name", "customer_email", "customer_phone", "vehicle_text", "currency",
        "status", "subtotal", "tax_total", "total", "paid", "credited",
    )  # fmt: skip
    return _named(invoice, *named) | {
        "lines": [
            _named(line, "description", "quantity", "unit", "unit_price", "net", "tax") for line in invoice.lines.all()
        ],
        "payments": [_named(payment, "amount", "method", "received_at") for payment in invoice.payments.all()],
    }


def _named(row: Model, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
