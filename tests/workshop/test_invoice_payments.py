"""Payments and refunds of an invoice: /api/workshop/invoices/{id}/payments and /refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import CustomerFactory
from tests.workshop.invoices import issued_invoice, line_of
from workshop.models import Invoice, Payment
from workshop.services.credit_notes import issue_credit_note

pytestmark = pytest.mark.django_db


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def client(as_user: Any, advisor: User) -> APIClient:
    return as_user(advisor)


@pytest.fixture
def invoice(user: User) -> Invoice:
    return issued_invoice(customer=CustomerFactory(user=user))


def path(invoice: Invoice, what: str = "payments") -> str:
    return f"/api/workshop/invoices/{invoice.pk}/{what}"


def credit(invoice: Invoice, kind: str, quantity: str, actor: User) -> None:
    lines = [{"line": line_of(invoice, kind).pk, "quantity": Decimal(quantity)}]
    issue_credit_note(invoice=invoice, lines=lines, reason="Sorry.", actor=actor, now=timezone.now())  # type: ignore[arg-type]


def test_it_is_paid_in_parts(client: APIClient, advisor: User, invoice: Invoice) -> None:
    answer = client.post(path(invoice), {"amount": "100.00", "method": "card", "reference": "T-1"})
    assert answer.status_code == 201, answer.content
    assert answer.json()["amount"] == "100.00"
    assert answer.json()["received_by"] == advisor.pk
    invoice.refresh_from_db()
    assert (invoice.status, invoice.balance, invoice.ticket.status) == ("partially_paid", Decimal("38.00"), "invoiced")
    assert client.post(path(invoice), {"amount": 38, "method": "cash"}).status_code == 201
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.paid, invoice.ticket.status) == ("paid", Decimal("138.00"), "paid")


def test_more_than_is_owed_is_409_and_says_how_much_is(client: APIClient, invoice: Invoice) -> None:
    client.post(path(invoice), {"amount": "100.00", "method": "cash"})
    refused = client.post(path(invoice), {"amount": "38.01", "method": "cash"})
    assert (refused.status_code, error(refused)["code"]) == (409, "payment_exceeds_balance")
    assert (error(refused)["attr"], error(refused)["meta"]) == ("amount", {"balance": "38.00"})
    assert Payment.objects.count() == 1


def test_a_paid_invoice_takes_no_more(client: APIClient, invoice: Invoice) -> None:
    client.post(path(invoice), {"amount": "138.00", "method": "cash"})
    refused = client.post(path(invoice), {"amount": "0.01", "method": "cash"})
    assert error(refused)["meta"] == {"balance": "0.00"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount": "1.00"},
        {"method": "cash"},
        {"amount": 0, "method": "cash"},
        {"amount": "-1.00", "method": "cash"},
        {"amount": "1.001", "method": "cash"},
        {"amount": "1.00", "method": "barter"},
        {"amount": "1.00", "method": "cash", "reference": "x" * 65},
        {"amount": "1.00", "method": "cash", "received_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, invoice: Invoice, body: dict[str, Any]) -> None:
    assert client.post(path(invoice), body).status_code == 400
    assert client.post(path(invoice, "refunds"), body).status_code == 400
    assert not Payment.objects.exists()


def test_a_repeated_post_with_a_key_pays_once(client: APIClient, invoice: Invoice) -> None:
    body = {"amount": "50.00", "method": "card"}
    answers = [client.post(path(invoice), body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert Invoice.objects.get().paid == Decimal("50.00")


def test_customers_read_their_payments_but_not_who_took_them(
    as_user: Any, user: User, client: APIClient, invoice: Invoice
) -> None:
    client.post(path(invoice), {"amount": "50.00", "method": "card"})
    (row,) = as_user(user).get(path(invoice)).json()["results"]
    assert (row["amount"], row["method"], row["received_by"]) == ("50.00", "card", None)


@pytest.mark.parametrize("what", ["payments", "refunds"])
def test_who_may_and_who_may_not(
    as_user: Any, make_user: Any, user: User, other_user: User, invoice: Invoice, what: str
) -> None:
    body = {"amount": "1.00", "method": "cash"}
    assert as_user(user).post(path(invoice, what), body).status_code == 403
    assert as_user(make_user(perms=["workshop.view_invoice"])).post(path(invoice, what), body).status_code == 403
    assert as_user(other_user).post(path(invoice, what), body).status_code == 404
    assert as_user(make_user(roles=["mechanic"])).post(path(invoice, what), body).status_code == 404
    assert not Payment.objects.exists()


def test_there_is_nothing_to_refund_without_a_credit_note(client: APIClient, invoice: Invoice) -> None:
    client.post(path(invoice), {"amount": "138.00", "method": "cash"})
    refused = client.post(path(invoice, "refunds"), {"amount": "0.01", "method": "cash"})
    assert (refused.status_code, error(refused)["code"]) == (409, "refund_exceeds_credit")
    assert error(refused)["meta"] == {"refundable": "0.00"}


def test_what_was_paid_and_credited_is_refunded(client: APIClient, advisor: User, invoice: Invoice) -> None:
    client.post(path(invoice), {"amount": "138.00", "method": "cash"})
    credit(invoice, "part", "2", advisor)
    assert client.get(f"/api/workshop/invoices/{invoice.pk}").json()["balance"] == "-24.00"
    answer = client.post(path(invoice, "refunds"), {"amount": "24.00", "method": "bank_transfer"})
    assert (answer.status_code, answer.json()["amount"]) == (201, "-24.00")
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.paid, invoice.balance) == ("paid", Decimal("114.00"), 0)
    assert invoice.ticket.status == "paid"


def test_a_void_invoice_is_refunded_but_takes_no_money(client: APIClient, advisor: User, invoice: Invoice) -> None:
    client.post(path(invoice), {"amount": "60.00", "method": "cash"})
    for kind, quantity in (("labour", "1.5"), ("part", "2"), ("fee", "1")):
        credit(invoice, kind, quantity, advisor)
    assert error(client.post(path(invoice), {"amount": "1.00", "method": "cash"}))["code"] == "invoice_void"
    replacement = issued_invoice(invoice.ticket)
    assert client.post(path(invoice, "refunds"), {"amount": "60.00", "method": "cash"}).status_code == 201
    invoice.refresh_from_db()
    replacement.ticket.refresh_from_db()
    assert (invoice.status, invoice.paid, replacement.ticket.status) == ("void", 0, "invoiced")
