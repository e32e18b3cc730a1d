"""/api/workshop/invoices/{id}/pdf and credit-notes/{id}/pdf: the bytes, and what a reader finds in them."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.utils import timezone
from reportlab.pdfbase.ttfonts import TTFontFace
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import pages
from tests.workshop.factories import CustomerFactory, FeeLineFactory, LabourLineFactory, PartLineFactory
from tests.workshop.invoices import completed_ticket, finished_job, issued_invoice, line_of
from workshop.models import Invoice
from workshop.pdf import invoice_pdf
from workshop.services.credit_notes import issue_credit_note
from workshop.services.payments import record_payment

pytestmark = pytest.mark.django_db
NAME = "Zoë Παπαδοπούλου, Иван Петров"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def invoice(user: User) -> Invoice:
    return issued_invoice(customer=CustomerFactory(user=user, name=NAME))


def path(invoice: Invoice) -> str:
    return f"/api/workshop/invoices/{invoice.pk}/pdf"


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
        NAME,
        f"VIN {invoice.ticket.vin} Odometer 182,950 km",
        f"Repair order {invoice.ticket.number}",
        "Labour, Max 1.5 h 60.00 20 % 90.00",
        "Oil filter OF-1 2 piece 10.00 20 % 20.00",
        "Subtotal 115.00 Tax 20 % on 115.00 23.00 Total USD 138.00 Amount due USD 138.00",
        "Page 1 of 1",
    ):
        assert part in text, text


def test_the_same_invoice_is_the_same_bytes_until_it_is_paid(client: APIClient, invoice: Invoice, user: User) -> None:
    first = client.get(path(invoice))
    again = client.get(path(invoice), HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    record_payment(invoice=invoice, amount=Decimal("38.00"), method="cash", actor=user, now=timezone.now())
    paid = client.get(path(invoice), HTTP_IF_NONE_MATCH=first["ETag"])
    assert paid.status_code == 200
    assert "Total USD 138.00 Paid \N{MINUS SIGN}38.00 Amount due USD 100.00" in pages(paid.content)[0]


def test_a_long_one_repeats_the_head_and_numbers_its_pages() -> None:
    ticket = completed_ticket()
    for number in range(30):
        job = finished_job(ticket, title=f"Job {number}", tax_rate=Decimal(number % 3))
        LabourLineFactory(job=job)
        PartLineFactory(job=job)
    found = pages(invoice_pdf(issued_invoice(ticket)))
    assert len(found) > 2
    for number, text in enumerate(found, start=1):
        assert "Description Quantity Unit price Tax Amount" in text
        assert f"Page {number} of {len(found)}" in text
    assert "Amount due USD" in found[-1]


def test_more_tax_rates_than_a_page_holds_are_printed() -> None:
    ticket = completed_ticket()
    for number in range(60):
        FeeLineFactory(job=finished_job(ticket, tax_rate=Decimal(number) / 100))
    assert "Tax 0.59 % on 5.00" in " ".join(pages(invoice_pdf(issued_invoice(ticket))))


def test_peoples_text_is_no_markup_and_fetches_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        image = f'<img src="http://127.0.0.1:{trap.getsockname()[1]}/x.png"/>'
        ticket = completed_ticket(customer__name=f"</para>{image}")
        PartLineFactory(job=finished_job(ticket, title=image), name=image, sku="<b>", unit="&amp;")
        (text,) = pages(invoice_pdf(issued_invoice(ticket)))
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert text.replace(" ", "").count(image.replace(" ", "")) == 3
    assert "<b> 2 &amp;" in text


def test_extremes_fit_on_paper() -> None:
    ticket = completed_ticket(customer__name="W" * 200)
    for _ in range(3):
        job = finished_job(ticket, title="W" * 200)
        PartLineFactory(
            job=job,
            name="漢字\x0b🚗" * 50,
            sku="W" * 64,
            unit="W" * 16,
            quantity=Decimal("99999.999"),
            price=Decimal(9999),
        )
    assert pages(invoice_pdf(issued_invoice(ticket)))


def test_threads_do_not_mix_their_documents(invoice: Invoice) -> None:
    """Fonts are shared by all; each document counts the glyphs that it uses."""
    other = issued_invoice(customer=CustomerFactory(name="Ğüneş Ωmega"))
    loaded = [Invoice.objects.prefetch_related("lines").select_related("ticket").get(pk=i.pk) for i in (invoice, other)]
    expected = [invoice_pdf(one) for one in loaded]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(invoice_pdf, loaded * 8)) == expected * 8


def test_glyphs_are_read_by_one_thread_at_a_time(invoice: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the schedule: while one thread reads a font's file, no other comes to it."""
    loaded = Invoice.objects.prefetch_related("lines").select_related("ticket").get(pk=invoice.pk)
    at_the_file, read = Barrier(2, timeout=0.2), TTFontFace.makeSubset

    def met() -> bool:
        try:
            at_the_file.wait()
        except BrokenBarrierError:  # Nobody else came. It stays broken, so that only the first reader waits.
            return False
        return True

    meetings: list[bool] = []
    monkeypatch.setattr(TTFontFace, "makeSubset", lambda *args: meetings.append(met()) or read(*args))
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(invoice_pdf, [loaded] * 2))) == 1
    assert meetings
    assert not any(meetings)


def test_errors_are_json_whatever_is_accepted(
    client: APIClient, as_user: Any, other_user: User, invoice: Invoice
) -> None:
    for accepted in ("application/pdf", "application/json", "text/html,*/*;q=0.8"):
        assert client.get(path(invoice), HTTP_ACCEPT=accepted)["Content-Type"] == "application/pdf"
    assert client.get(path(invoice), HTTP_ACCEPT="image/png").status_code == 406
    refused = as_user(other_user).get(path(invoice), HTTP_ACCEPT="application/pdf")
    assert (refused.status_code, refused["Content-Type"]) == (404, "application/json")
    assert refused.json()["errors"][0]["code"] == "not_found"


def test_a_credit_note_is_printed_too(client: APIClient, as_user: Any, other_user: User, invoice: Invoice) -> None:
    lines: Any = [{"line": line_of(invoice, "part").pk, "quantity": Decimal(1)}]
    note = issue_credit_note(invoice=invoice, lines=lines, reason="One <b> only.", actor=other_user, now=timezone.now())
    url = f"/api/workshop/credit-notes/{note.pk}/pdf"
    answer = client.get(url)
    (text,) = pages(answer.content)
    assert f"Credit note {note.number}" in text
    assert f"For invoice {invoice.number}" in text
    assert "Credited USD 12.00 Reason: One <b> only." in text
    assert client.get(url, HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304
    assert as_user(other_user).get(url).status_code == 404
