"""Invoices under load: numbers without gaps, and money that comes in once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.concurrency.race import errors, race
from tests.factories import UserFactory
from tests.workshop.invoices import TOTAL, completed_ticket, issued_invoice, line_of
from workshop.models import CreditNote, DocumentSequence, Invoice, Payment
from workshop.services import credit_notes, invoicing, payments
from workshop.services.credit_notes import issue_credit_note
from workshop.services.invoicing import AlreadyInvoiced, InvoiceVoid, issue_invoice
from workshop.services.payments import PaymentExceedsBalance, RefundExceedsCredit, record_payment, record_refund

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8


@pytest.fixture
def facts() -> dict[str, Any]:
    return {"actor": UserFactory(), "now": timezone.now()}


def pay(invoice: Invoice, amount: str, actor: User, now: Any) -> Callable[[], Payment]:
    return partial(record_payment, invoice=invoice, amount=Decimal(amount), method="cash", actor=actor, now=now)


def credit(invoice: Invoice, kind: str, quantity: str, actor: User, now: Any) -> Callable[[], CreditNote]:
    lines: Any = [{"line": line_of(invoice, kind).pk, "quantity": Decimal(quantity)}]
    return partial(issue_credit_note, invoice=invoice, lines=lines, reason="Sorry.", actor=actor, now=now)


def money_in(invoice: Invoice) -> Decimal:
    return sum((payment.amount for payment in invoice.payments.all()), Decimal(0))


def test_twenty_invoices_at_once_have_no_gaps(facts: dict[str, Any]) -> None:
    """Half of the tickets are asked for twice: who comes second takes no number."""
    tickets = [completed_ticket() for _ in range(20)]
    results = race([partial(issue_invoice, ticket=ticket, **facts) for ticket in [*tickets, *tickets[:10]]])
    assert errors(results) == [AlreadyInvoiced] * 10
    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, 21))
    assert DocumentSequence.objects.get().last == 20


@pytest.mark.postgres
def test_without_the_lock_numbers_clash(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all count up from the same number, and the unique number lets one through."""
    issued_invoice()
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(*, kind: Any, year: int) -> tuple[int, str]:
        number = DocumentSequence.objects.get(kind=kind, year=year).last + 1
        all_have_it.wait(timeout=30)
        DocumentSequence.objects.filter(kind=kind, year=year).update(last=number)
        return number, f"INV-{year}-{number:06d}"

    monkeypatch.setattr(invoicing, "give_number", only_read)
    tickets = [completed_ticket() for _ in range(AT_ONCE)]
    assert len(errors(race([partial(issue_invoice, ticket=ticket, **facts) for ticket in tickets]))) == AT_ONCE - 1


def test_of_two_who_take_the_whole_amount_one_does(facts: dict[str, Any]) -> None:
    invoice = issued_invoice()
    assert errors(race([pay(invoice, str(TOTAL), **facts)] * 2)) == [PaymentExceedsBalance]
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid, money_in(invoice), invoice.ticket.status) == ("paid", TOTAL, TOTAL, "paid")


def test_of_twenty_payments_as_many_are_taken_as_are_owed(facts: dict[str, Any]) -> None:
    invoice = issued_invoice()
    results = race([pay(invoice, "23.00", **facts)] * 20)
    assert errors(results) == [PaymentExceedsBalance] * 14
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid, money_in(invoice)) == ("paid", TOTAL, TOTAL)


def only_read(invoice: Invoice, all_have_it: threading.Barrier) -> Invoice:
    """In place of `lock_invoice`: all have the invoice, none has its lock."""
    found = Invoice.objects.select_related("ticket").get(pk=invoice.pk)
    all_have_it.wait(timeout=30)
    return found


@pytest.mark.postgres
def test_without_the_lock_more_is_taken_than_is_owed(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(payments, "lock_invoice", partial(only_read, all_have_it=threading.Barrier(AT_ONCE)))
    invoice = issued_invoice()
    assert errors(race([pay(invoice, "100.00", **facts)] * AT_ONCE)) == []
    invoice.refresh_from_db()
    assert money_in(invoice) > TOTAL
    assert invoice.paid != money_in(invoice)


def test_a_credit_and_a_payment_settle_whoever_is_first(facts: dict[str, Any]) -> None:
    """Of 138.00, 114.00 are paid and 24.00 credited; a payment over all can only come before the credit."""
    for _ in range(5):
        invoice = issued_invoice()
        results = race([credit(invoice, "part", "2", **facts), pay(invoice, "114.00", **facts)])
        assert errors(results) == []
        invoice.refresh_from_db()
        assert (invoice.status, invoice.balance, invoice.ticket.status) == ("paid", 0, "paid")


def test_a_void_invoice_was_not_paid_after_it_was_voided(facts: dict[str, Any]) -> None:
    invoice = issued_invoice()
    lines: Any = [{"line": line.pk, "quantity": line.quantity} for line in invoice.lines.all()]
    void = partial(issue_credit_note, invoice=invoice, lines=lines, reason="All of it.", **facts)
    results = race([void, *[pay(invoice, "138.00", **facts)] * 3])
    refused = set(errors(results))
    assert refused <= {InvoiceVoid, PaymentExceedsBalance}
    invoice.refresh_from_db()
    assert (invoice.status, invoice.credited, invoice.ticket.status) == ("void", TOTAL, "completed")
    assert invoice.paid == money_in(invoice)
    assert -invoice.balance == invoice.paid


def test_a_line_is_credited_once(facts: dict[str, Any]) -> None:
    invoice = issued_invoice()
    results = race([credit(invoice, "part", "2", **facts)] * AT_ONCE)
    assert len(errors(results)) == AT_ONCE - 1
    assert [note.sequence for note in CreditNote.objects.all()] == [1]


@pytest.mark.postgres
def test_without_the_lock_a_line_is_credited_again(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: only the number is still given one after the other."""
    monkeypatch.setattr(credit_notes, "lock_invoice", partial(only_read, all_have_it=threading.Barrier(AT_ONCE)))
    invoice = issued_invoice()
    race([credit(invoice, "part", "2", **facts)] * AT_ONCE)
    assert CreditNote.objects.count() > 1


def test_a_refund_goes_out_once(facts: dict[str, Any]) -> None:
    invoice = issued_invoice()
    pay(invoice, str(TOTAL), **facts)()
    credit(invoice, "part", "2", **facts)()
    refund = partial(record_refund, invoice=invoice, amount=Decimal("24.00"), method="cash", **facts)
    assert errors(race([refund] * AT_ONCE)) == [RefundExceedsCredit] * (AT_ONCE - 1)
    invoice.refresh_from_db()
    assert (invoice.balance, money_in(invoice)) == (0, Decimal("114.00"))
