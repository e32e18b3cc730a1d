"""What the workshop hands out of a person's data, and what stays of them when they leave."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import notify_address
from tests.answers import error
from tests.workshop.factories import CustomerFactory, JobFactory, LabourLineFactory, MechanicFactory, TicketFactory
from workshop.models import Customer, Invoice, InvoiceLine, Mechanic, Payment, ServiceTicket, TicketEvent, TimeEntry
from workshop.services import messages

pytestmark = pytest.mark.django_db
ME, COPY = "/api/auth/me", "/api/auth/me/export"
Status = ServiceTicket.Status


@pytest.fixture
def customer(user: User) -> Customer:
    return CustomerFactory(user=user, name="Alice Smith", email=user.email, phone="030 1", notes="Pays late.")


def ticket_of(customer: Customer, status: str = Status.PAID, **fields: Any) -> ServiceTicket:
    return TicketFactory(customer=customer, status=status, odometer_out=100, **fields)


def invoice_of(ticket: ServiceTicket, number: int = 1, status: str = Invoice.Status.PAID) -> Invoice:
    paid = Decimal(12) if status == Invoice.Status.PAID else Decimal(0)
    return Invoice.objects.create(
        number=f"INV-2026-{number:06d}",
        year=2026,
        sequence=number,
        ticket=ticket,
        customer=ticket.customer,
        customer_name=ticket.customer.name,
        customer_email=ticket.customer.email,
        service_date=date(2026, 11, 25),
        currency="USD",
        status=status,
        subtotal=10,
        tax_total=2,
        total=12,
        paid=paid,
    )


def test_the_copy_holds_customer_tickets_invoices_and_decisions(as_user: Any, user: User, customer: Customer) -> None:
    job = JobFactory(ticket=ticket_of(customer), title="New brakes", state="finished")
    JobFactory(ticket=job.ticket, title="Only thought of")
    TicketEvent.objects.create(ticket=job.ticket, job=job, kind="job_state", new="authorised", via="link")
    TicketEvent.objects.create(ticket=job.ticket, job=job, kind="job_state", new="authorised", via="staff")
    invoice = invoice_of(job.ticket)
    line = {"invoice": invoice, "position": 1, "kind": "fee", "job_title": "x", "description": "Tow", "unit": "piece"}
    InvoiceLine.objects.create(**line, quantity=1, unit_price=10, unit_cost=7, tax_rate=20, net=10, tax=2)
    Payment.objects.create(invoice=invoice, amount=12, method="card")
    data = as_user(user).get(COPY).json()["apps"]["workshop"]
    assert (data["customer"]["name"], data["customer"]["phone"]) == ("Alice Smith", "030 1")
    assert data["tickets"][0]["number"] == job.ticket.number
    assert data["tickets"][0]["jobs"] == [{"title": "New brakes", "state": "finished"}]
    assert (data["invoices"][0]["number"], data["invoices"][0]["total"]) == (invoice.number, "12.00")
    assert data["invoices"][0]["lines"][0]["description"] == "Tow"
    assert data["invoices"][0]["payments"][0]["amount"] == "12.00"
    assert [row["job__title"] for row in data["estimate_decisions"]] == ["New brakes"]


def test_the_copy_holds_nobody_else_and_nothing_that_is_staffs(
    as_user: Any, user: User, other_user: User, customer: Customer
) -> None:
    ticket_of(customer)
    ticket_of(CustomerFactory(user=other_user, name="Bob"), description="Bob's brakes")
    text = as_user(user).get(COPY).content.decode()
    assert "Bob" not in text
    assert "Pays late." not in text
    assert "unit_cost" not in text


def test_a_mechanics_copy_holds_their_clocks(as_user: Any, user: User) -> None:
    mechanic = MechanicFactory(user=user, display_name="Mia")
    entry = {"job": JobFactory(), "started_at": timezone.now(), "ended_at": timezone.now()}
    TimeEntry.objects.create(mechanic=mechanic, **entry)
    TimeEntry.objects.create(mechanic=MechanicFactory(), **entry)
    data = as_user(user).get(COPY).json()["apps"]["workshop"]
    assert (data["mechanic"]["display_name"], len(data["time_entries"])) == ("Mia", 1)


def test_who_was_never_here_has_an_empty_share(as_user: Any, user: User) -> None:
    data = as_user(user).get(COPY).json()["apps"]["workshop"]
    assert not any(data.values())


@pytest.mark.parametrize(
    "status", [status for status in Status if status not in (Status.PAID, Status.DECLINED, Status.CANCELLED)]
)
def test_nobody_leaves_while_a_ticket_is_open(as_user: Any, user: User, customer: Customer, status: str) -> None:
    held = {"hold_reason": "parts", "held_from": "authorised"} if status == Status.ON_HOLD else {}
    ticket = ticket_of(customer, status, **held)
    answer = as_user(user).delete(ME)
    assert (answer.status_code, error(answer)["code"]) == (409, "ticket_still_open")
    assert error(answer)["meta"] == {"tickets": [ticket.number]}
    customer.refresh_from_db()
    assert (customer.user, customer.name) == (user, "Alice Smith")


@pytest.mark.parametrize("status", [Invoice.Status.OPEN, Invoice.Status.PARTIALLY_PAID])
def test_nobody_leaves_before_they_have_paid(as_user: Any, user: User, customer: Customer, status: str) -> None:
    invoice = invoice_of(ticket_of(customer, Status.INVOICED), status=status)
    answer = as_user(user).delete(ME)
    assert (answer.status_code, error(answer)["code"]) == (409, "invoice_unpaid")
    assert error(answer)["meta"] == {"invoices": [invoice.number]}
    assert User.objects.get(pk=user.pk).is_active


def test_of_a_customer_stays_a_row_without_the_person(as_user: Any, user: User, customer: Customer) -> None:
    invoice_of(ticket_of(customer))
    assert as_user(user).delete(ME).status_code == 204
    assert not User.objects.filter(pk=user.pk).exists()
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Deleted customer", f"deleted-customer-{customer.pk}@deleted.invalid")
    assert (customer.phone, customer.notes, customer.user) == ("", "", None)


def test_invoices_keep_what_they_say(as_user: Any, user: User, customer: Customer) -> None:
    invoice = invoice_of(ticket_of(customer))
    as_user(user).delete(ME)
    invoice.refresh_from_db()
    assert (invoice.customer_name, invoice.customer_email) == ("Alice Smith", "alice@example.com")


def test_a_customer_without_tickets_goes_altogether(as_user: Any, user: User, customer: Customer) -> None:
    assert as_user(user).delete(ME).status_code == 204
    assert not Customer.objects.exists()


def test_what_was_mailed_to_the_walk_in_of_old_goes_too(as_user: Any, user: User, customer: Customer) -> None:
    Customer.objects.update(email="alice.smith@example.com")
    for address in ("alice.smith@example.com", user.email, "somebody.else@example.com"):
        notify_address(address=address, kind=messages.INVOICE_ISSUED, title="Your invoice")
    as_user(user).delete(ME)
    assert [row.address for row in Notification.objects.all()] == ["somebody.else@example.com"]


def test_others_stay_as_they_are(as_user: Any, user: User, other_user: User, customer: Customer) -> None:
    theirs, mechanic = CustomerFactory(user=other_user), MechanicFactory()
    as_user(user).delete(ME)
    assert Customer.objects.get() == theirs
    assert Mechanic.objects.get().display_name == mechanic.display_name


def test_a_mechanic_who_worked_stays_without_a_name(as_user: Any, user: User) -> None:
    mechanic = MechanicFactory(user=user, display_name="Mia", skills=["brakes"])
    LabourLineFactory(mechanic=mechanic)
    assert as_user(user).delete(ME).status_code == 204
    mechanic.refresh_from_db()
    assert (mechanic.display_name, mechanic.skills, mechanic.active) == ("Former mechanic", [], False)
    assert User.objects.get(pk=user.pk).anonymised_at is not None


def test_a_mechanic_who_never_worked_goes_altogether(as_user: Any, user: User) -> None:
    MechanicFactory(user=user)
    assert as_user(user).delete(ME).status_code == 204
    assert not Mechanic.objects.exists()
    assert not User.objects.filter(pk=user.pk).exists()


def test_a_mechanic_does_not_leave_while_the_clock_is_running(as_user: Any, user: User) -> None:
    mechanic = MechanicFactory(user=user)
    TimeEntry.objects.create(mechanic=mechanic, job=JobFactory(), started_at=timezone.now())
    answer = as_user(user).delete(ME)
    assert (answer.status_code, error(answer)["code"]) == (409, "mechanic_at_work")
    mechanic.refresh_from_db()
    assert mechanic.active
