"""/api/workshop/invoices/{id}/credit-notes and /api/workshop/credit-notes/{id}: correcting what was invoiced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import CustomerFactory, PartLineFactory, TicketFactory
from tests.workshop.invoices import finished_job, issued_invoice, line_of
from workshop.models import CreditNote, CreditNoteLine, DocumentSequence, Invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["finance"]))


@pytest.fixture
def invoice(user: User) -> Invoice:
    return issued_invoice(customer=CustomerFactory(user=user))


def path(invoice: Invoice) -> str:
    return f"/api/workshop/invoices/{invoice.pk}/credit-notes"


def body(invoice: Invoice, **quantities: str) -> dict[str, Any]:
    lines = [{"line": line_of(invoice, kind).pk, "quantity": quantity} for kind, quantity in quantities.items()]
    return {"lines": lines, "reason": "Not fitted."}


def test_some_of_a_line_is_credited(client: APIClient, invoice: Invoice) -> None:
    answer = client.post(path(invoice), body(invoice, part="1"))
    assert answer.status_code == 201, answer.content
    note = answer.json()
    assert (note["subtotal"], note["tax_total"], note["total"]) == ("10.00", "2.00", "12.00")
    assert note["number"] == f"CN-{invoice.year}-000001"
    assert client.get(answer["Location"]).json() == note
    shown = client.get(f"/api/workshop/invoices/{invoice.pk}").json()
    assert (shown["status"], shown["credited"], shown["balance"]) == ("open", "12.00", "126.00")
    assert [line["credited_quantity"] for line in shown["lines"]] == ["0.000", "1.000", "0.000"]


def test_more_than_is_left_of_lines_is_409_and_names_them_all(client: APIClient, invoice: Invoice) -> None:
    client.post(path(invoice), body(invoice, part="1.5"))
    refused = client.post(path(invoice), body(invoice, part="0.501", labour="1.501", fee="1"))
    assert (refused.status_code, error(refused)["code"]) == (409, "credit_exceeds_line")
    assert error(refused)["meta"]["lines"] == [
        {"line": line_of(invoice, "part").pk, "quantity": "0.501", "left": "0.500"},
        {"line": line_of(invoice, "labour").pk, "quantity": "1.501", "left": "1.500"},
    ]
    assert CreditNote.objects.count() == 1
    assert DocumentSequence.objects.get(kind="credit_note").last == 1


def test_crumbs_of_a_line_add_up_to_the_line(client: APIClient) -> None:
    ticket = TicketFactory(status="completed", odometer_out=1)
    job = finished_job(ticket, tax_rate=Decimal("19.00"))
    PartLineFactory(job=job, quantity=Decimal("1.000"), price=Decimal("0.05"))
    PartLineFactory(job=job, quantity=Decimal("7.000"), price=Decimal("0.01"))
    invoice = issued_invoice(ticket)
    first = invoice.lines.first()
    assert first is not None
    for quantity in ("0.3", "0.3", "0.3", "0.1"):
        lines = [{"line": first.pk, "quantity": quantity}]
        assert client.post(path(invoice), {"lines": lines, "reason": "Crumbs."}).status_code == 201
    credited = CreditNoteLine.objects.filter(invoice_line=first)
    assert (sum(line.net for line in credited), sum(line.tax for line in credited)) == (first.net, first.tax)


def test_a_full_credit_makes_it_void_and_the_ticket_can_be_invoiced_anew(client: APIClient, invoice: Invoice) -> None:
    client.post(path(invoice), body(invoice, part="2"))
    assert client.post(path(invoice), body(invoice, labour="1.5", fee="1")).status_code == 201
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.credited, invoice.ticket.status) == ("void", invoice.total, "completed")
    assert error(client.post(path(invoice), body(invoice, part="1")))["code"] == "invoice_void"
    again = client.post(f"/api/workshop/service-tickets/{invoice.ticket_id}/invoice")
    assert again.json()["number"] == f"INV-{invoice.year}-000002"


def test_a_credit_that_settles_the_rest_makes_it_paid(client: APIClient, invoice: Invoice) -> None:
    client.post(f"/api/workshop/invoices/{invoice.pk}/payments", {"amount": "114.00", "method": "cash"})
    client.post(path(invoice), body(invoice, part="2"))
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.balance, invoice.ticket.status) == ("paid", 0, "paid")


def test_a_paid_invoice_is_credited_in_full(client: APIClient, invoice: Invoice) -> None:
    client.post(f"/api/workshop/invoices/{invoice.pk}/payments", {"amount": "138.00", "method": "cash"})
    client.post(path(invoice), body(invoice, labour="1.5", part="2", fee="1"))
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.balance, invoice.ticket.status) == ("void", Decimal("-138.00"), "completed")


def test_a_line_of_another_invoice_is_422(client: APIClient, invoice: Invoice) -> None:
    other = line_of(issued_invoice(), "part")
    for line in (other.pk, 999_999):
        answer = client.post(path(invoice), {"lines": [{"line": line, "quantity": "1"}], "reason": "No."})
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
            422,
            "does_not_exist",
            "lines.0.line",
        )


def test_a_line_named_twice_is_422(client: APIClient, invoice: Invoice) -> None:
    twice = body(invoice, part="1")
    twice["lines"] *= 2
    answer = client.post(path(invoice), twice)
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, "line_repeated", "lines.1.line")


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [{"line": 1, "quantity": 0}]},
        {"lines": [{"line": 1, "quantity": "0.0001"}]},
        {"lines": [{"line": 1, "quantity": "1", "net": "1.00"}]},
        {"reason": ""},
        {"reason": "x" * 301},
        {"total": "1.00"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, invoice: Invoice, change: dict[str, Any]) -> None:
    assert client.post(path(invoice), body(invoice, part="1") | change).status_code == 400
    assert not CreditNote.objects.exists()


def test_a_repeated_post_with_a_key_credits_once(client: APIClient, invoice: Invoice) -> None:
    answers = [client.post(path(invoice), body(invoice, part="1"), HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert CreditNote.objects.count() == 1


def test_customers_read_their_own_and_issue_none(
    as_user: Any, user: User, other_user: User, client: APIClient, invoice: Invoice
) -> None:
    note = client.post(path(invoice), body(invoice, part="1")).json()
    assert as_user(user).get(path(invoice)).json()["results"] == [note]
    assert as_user(user).get(f"/api/workshop/credit-notes/{note['id']}").json() == note
    assert as_user(user).post(path(invoice), body(invoice, part="1")).status_code == 403
    assert as_user(other_user).post(path(invoice), body(invoice, part="1")).status_code == 404
    stranger = as_user(other_user)
    hidden, missing = (stranger.get(f"/api/workshop/credit-notes/{pk}") for pk in (note["id"], 999_999))
    assert (hidden.status_code, hidden.content) == (404, missing.content)


def test_the_number_of_queries_does_not_grow_with_the_notes(
    client: APIClient, invoice: Invoice, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    client.post(path(invoice), body(invoice, part="0.1"))
    with django_assert_max_num_queries(6) as queries:
        client.get(path(invoice))
    few = len(queries)
    for _ in range(4):
        client.post(path(invoice), body(invoice, part="0.1", labour="0.1"))
    with django_assert_num_queries(few):
        assert len(client.get(path(invoice)).json()["results"]) == 5
