"""POST /api/workshop/service-tickets/{id}/invoice: what is frozen, under which number, and when it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Notification, User
from cars.models import Vehicle
from tests.answers import error
from tests.factories import UserFactory, VehicleFactory
from tests.workshop.factories import CustomerFactory, FeeLineFactory, JobFactory, PartLineFactory, TicketFactory
from tests.workshop.invoices import completed_ticket, finished_job, issued_invoice
from workshop.models import Customer, DocumentSequence, Invoice, Mechanic, PartLine, ServiceTicket
from workshop.services.invoicing import AlreadyInvoiced, TotalTooLarge, issue_invoice

pytestmark = pytest.mark.django_db
NEW_YEAR = datetime(2027, 1, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def path(ticket: ServiceTicket) -> str:
    return f"/api/workshop/service-tickets/{ticket.pk}/invoice"


def test_finished_work_becomes_an_invoice(client: APIClient) -> None:
    ticket = completed_ticket()
    answer = client.post(path(ticket))
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["subtotal"], shown["tax_total"], shown["total"]) == ("115.00", "23.00", "138.00")
    assert (shown["status"], shown["paid"], shown["balance"], shown["currency"]) == ("open", "0.00", "138.00", "USD")
    assert [(line["description"], line["quantity"], line["net"]) for line in shown["lines"]] == [
        ("Labour, Max", "1.500", "90.00"),
        ("Oil filter", "2.000", "20.00"),
        ("Disposal of old oil", "1.000", "5.00"),
    ]
    assert client.get(answer["Location"]).json() == shown
    ticket.refresh_from_db()
    assert ticket.status == "invoiced"
    assert ticket.events.first().new == "invoiced"


def test_it_stays_as_it_was_whatever_changes_later(client: APIClient) -> None:
    ticket = completed_ticket(vehicle=VehicleFactory(make="Honda", model="Accord", year=2003, plate="FC 2003"))
    before = client.post(path(ticket)).json()
    assert before["vehicle"].startswith("2003 Honda Accord, plate FC 2003, VIN ")
    PartLine.objects.update(price=99, cost=1, name="Gold filter")
    Mechanic.objects.update(display_name="Somebody Else")
    ticket.jobs.update(title="Other", tax_rate=0)
    Customer.objects.update(name="Somebody Else", email="else@example.com")
    Vehicle.objects.update(make="Ford", plate="X", mileage_unit="mi")
    assert client.get(f"/api/workshop/invoices/{before['id']}").json() == before


def test_only_finished_jobs_are_invoiced(client: APIClient) -> None:
    ticket = completed_ticket()
    for state in ("declined", "cancelled", "proposed"):
        FeeLineFactory(job=JobFactory(ticket=ticket, state=state))
    assert client.post(path(ticket)).json()["total"] == "138.00"


def test_taxes_are_per_line_and_rounded_half_up(client: APIClient) -> None:
    ticket = TicketFactory(status="completed", odometer_out=1)
    for amount in ("0.05", "0.15"):
        FeeLineFactory(job=finished_job(ticket, tax_rate=Decimal("10.00")), amount=Decimal(amount))
    shown = client.post(path(ticket)).json()
    assert [(line["net"], line["tax"]) for line in shown["lines"]] == [("0.05", "0.01"), ("0.15", "0.02")]
    assert (shown["subtotal"], shown["tax_total"], shown["total"]) == ("0.20", "0.03", "0.23")


def test_numbers_count_up_within_a_year_and_begin_anew(client: APIClient, settings: Any) -> None:
    settings.DEFAULT_USER_TIMEZONE = "America/New_York"  # Where it is still the 31st of December at 3 o'clock UTC.
    actor = UserFactory()
    issue = [issue_invoice(ticket=completed_ticket(), actor=actor, now=NEW_YEAR).number for _ in range(2)]
    assert issue == ["INV-2026-000001", "INV-2026-000002"]
    settings.DEFAULT_USER_TIMEZONE = "Europe/Athens"
    assert issue_invoice(ticket=completed_ticket(), actor=actor, now=NEW_YEAR).number == "INV-2027-000001"


def test_a_refused_invoice_takes_no_number() -> None:
    ticket = completed_ticket()
    PartLineFactory(job=ticket.jobs.get(), quantity=Decimal("999999999"), price=Decimal("99.00"))
    with pytest.raises(TotalTooLarge):
        issued_invoice(ticket)
    with pytest.raises(AlreadyInvoiced):
        issued_invoice(issued_invoice().ticket)
    assert DocumentSequence.objects.get(kind="invoice").last == 1
    ticket.refresh_from_db()
    assert ticket.status == "completed"


def test_a_second_invoice_is_409_and_names_the_first(client: APIClient) -> None:
    ticket = completed_ticket()
    first = client.post(path(ticket)).json()
    second = client.post(path(ticket))
    assert (second.status_code, error(second)["code"]) == (409, "already_invoiced")
    assert error(second)["meta"] == {"invoice": first["id"], "number": first["number"]}


def test_a_repeated_post_with_a_key_makes_one_invoice(client: APIClient) -> None:
    ticket = completed_ticket()
    answers = [client.post(path(ticket), HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0]["Location"] == answers[1]["Location"]
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("status", ["draft", "authorised", "in_progress", "review", "declined", "cancelled"])
def test_only_completed_tickets_are_invoiced(client: APIClient, status: str) -> None:
    answer = client.post(path(TicketFactory(status=status)))
    assert (answer.status_code, error(answer)["code"]) == (409, "invalid_transition")


def test_there_is_no_invoice_without_work(client: APIClient) -> None:
    answer = client.post(path(TicketFactory(status="completed", odometer_out=1)))
    assert (answer.status_code, error(answer)["code"]) == (409, "nothing_to_invoice")


def test_an_invoice_over_nothing_is_paid_at_once(client: APIClient) -> None:
    ticket = TicketFactory(status="completed", odometer_out=1)
    FeeLineFactory(job=finished_job(ticket, title="Recall"), amount=Decimal(0))
    assert client.post(path(ticket)).json()["status"] == "paid"
    ticket.refresh_from_db()
    assert ticket.status == "paid"


def test_the_customer_is_told_once(client: APIClient, user: User) -> None:
    ticket = completed_ticket(customer=CustomerFactory(user=user))
    number = client.post(path(ticket)).json()["number"]
    message = Notification.objects.get(user=user)
    assert message.title == f"Invoice {number} over 138.00 USD"
    assert message.data["ticket"] == ticket.pk


def test_who_may_and_who_may_not(as_user: Any, make_user: Any, user: User, other_user: User) -> None:
    ticket = completed_ticket(customer=CustomerFactory(user=user))
    assert as_user(user).post(path(ticket)).status_code == 403
    assert as_user(other_user).post(path(ticket)).status_code == 404
    assert as_user(make_user(perms=["workshop.view_serviceticket"])).post(path(ticket)).status_code == 403
    assert APIClient().post(path(ticket)).status_code == 401
    assert as_user(make_user(roles=["finance"])).post(path(ticket)).status_code == 201


def test_a_body_is_refused(client: APIClient) -> None:
    assert client.post(path(completed_ticket()), {"total": "1.00"}).status_code == 400
