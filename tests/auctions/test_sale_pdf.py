"""/api/invoices/{id}/pdf and credit-notes/{id}/pdf: the bytes, and what a reader finds in them."""

from __future__ import annotations

import socket
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from auctions.models import Invoice
from auctions.pdf import invoice_pdf
from common.calendar import business_day
from tests.answers import pages
from tests.auctions.invoices import TAXED, VIN, buyer, credited, issued

pytestmark = pytest.mark.django_db
NAME = "Zoë Παπαδοπούλου"


@pytest.fixture
def invoice() -> Invoice:
    ada = buyer(first_name="Zoë", last_name="Παπαδοπούλου")
    return issued(buyer=ada, fee_schedule=TAXED, listing__vin=VIN)


@pytest.fixture
def client(as_user: Any, invoice: Invoice) -> APIClient:
    """The buyer's."""
    return as_user(invoice.order.buyer)


def path(invoice: Invoice) -> str:
    return f"/api/invoices/{invoice.pk}/pdf"


def test_it_is_sent_as_bytes_under_its_number(client: APIClient, invoice: Invoice) -> None:
    answer = client.get(path(invoice))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert answer.content.startswith(b"%PDF-")
    assert answer["Cache-Control"] == "no-store"


def test_it_says_what_the_invoice_says(client: APIClient, invoice: Invoice, settings: Any) -> None:
    settings.WORKSHOP_NAME, settings.WORKSHOP_DETAILS = "Northgate Motors", "12 Station Road\nTax no. 123"
    (text,) = pages(client.get(path(invoice)).content)
    for part in (
        "Northgate Motors 12 Station Road Tax no. 123",
        f"Invoice {invoice.number}",
        f"Buyer {NAME} 12 Elm Street Albany, NY 12207 US {invoice.buyer_email}",
        f"Vehicle 2018 Honda Accord VIN {VIN}",
        f"Date of invoice {business_day(invoice.issued_at):%d %B %Y}",
        f"Payable by {business_day(invoice.due_at):%d %B %Y}",
        f"Order {invoice.order.order_number}",
        "Status Open",
        "Hammer price, 2018 Honda Accord 15,000.00",
        "Buyer's premium 750.00",
        "Title processing 75.00",
        "Transport to 12 Elm Street, Albany 450.00",
        "Subtotal 16,275.00",
        "Sales tax NY 8.875 % 1,437.75",
        "Total USD 17,712.75",
        "Amount due USD 17,712.75",
        f"Please give {invoice.number} with your payment.",
        "Page 1 of 1",
    ):
        assert part in text, (part, text)


def test_the_same_invoice_is_the_same_bytes_until_it_is_paid(client: APIClient, invoice: Invoice) -> None:
    first = client.get(path(invoice))
    assert client.get(path(invoice)).content == first.content
    again = client.get(path(invoice), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    credited(invoice, "712.75")
    Invoice.objects.filter(pk=invoice.pk).update(paid=Decimal("17100.00"), status="paid")
    paid = client.get(path(invoice), headers={"If-None-Match": first["ETag"]})
    (text,) = pages(paid.content)
    minus = "\N{MINUS SIGN}"
    assert f"Credited {minus}712.75 Paid {minus}17,100.00 In your favour USD 100.00" in text
    assert "Please give" not in text


def test_peoples_text_is_no_markup_and_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("The network was asked.")

    name = '<img src="http://169.254.169.254/"/> & <b>'
    invoice = issued(buyer=buyer(first_name=name, last_name=""))
    monkeypatch.setattr(socket, "create_connection", refuse)
    (text,) = pages(invoice_pdf(invoice))
    assert "".join(name.split()) in "".join(text.split())


def test_extremes_fit_on_paper() -> None:
    invoice = issued(buyer=buyer(first_name="N" * 150, last_name="M" * 149, address_line1="W" * 200))
    invoice.vehicle_text = "V" * 300
    invoice.subtotal = invoice.total = Decimal("9999999999999.99")
    invoice.paid = Decimal("0.01")
    (text,) = pages(invoice_pdf(invoice))
    assert "9,999,999,999,999.98" in text


def test_a_credit_note_is_printed_too(client: APIClient, invoice: Invoice) -> None:
    note = credited(invoice, "250.00", "A scratch & a dent, <not> in the report.")
    answer = client.get(f"/api/credit-notes/{note.pk}/pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="{note.number}.pdf"'
    (text,) = pages(answer.content)
    for part in (
        f"Credit note {note.number}",
        f"For invoice {invoice.number}",
        "A scratch & a dent, <not> in the report. 250.00",
        "Credited USD 250.00",
    ):
        assert part in text, (part, text)


@pytest.mark.parametrize("accept", ["application/pdf", "application/json", "*/*"])
def test_errors_are_json_whatever_is_accepted(as_user: Any, invoice: Invoice, accept: str) -> None:
    """The seller is no party to it."""
    answer = as_user(invoice.order.seller).get(path(invoice), headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
