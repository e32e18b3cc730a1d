"""Payments for orders under load: money that comes in once, in the face of repeated and reordered webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from auctions.models import GatePass, Invoice, Listing, Order, Payment, SettlementEvent, TitleTransfer, WebhookEvent
from auctions.providers.sandbox import Sandbox
from auctions.services import payments, webhooks
from auctions.services.balances import Account
from auctions.services.orders import chase_orders
from auctions.services.payments import PaymentExceedsBalance, start_payment
from auctions.services.webhooks import process, store
from tests.auctions.factories import InvoiceFactory, PaymentFactory
from tests.auctions.paying import TOTAL, event_of
from tests.concurrency.race import errors, race

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8


def pay(invoice: Invoice, amount: Any) -> Callable[[], Payment]:
    facts: dict[str, Any] = {"order_id": invoice.order_id, "actor": invoice.order.buyer, "now": timezone.now()}
    return partial(start_payment, provider="sandbox", amount=Decimal(amount), **facts)


def received(payment: Payment, status: str = "succeeded", **more: Any) -> Callable[[], bool]:
    """Stores an event, and processes it, as the view does."""
    body = event_of(payment, status, **more).decode()
    now = timezone.now()

    def receive() -> bool:
        event = store(provider="sandbox", report=Sandbox().read(body), body=body, now=now)
        return process(event.pk, now=now)

    return receive


def only_read(order_id: int, all_have_it: threading.Barrier) -> Account:
    """In place of `lock_account`: all have the rows, none has their locks."""
    order = Order.objects.select_related("listing").get(pk=order_id)
    account = Account(order.listing, order, Invoice.objects.get(order_id=order_id))
    all_have_it.wait(timeout=30)
    return account


def money_in(invoice: Invoice) -> Decimal:
    succeeded = Payment.objects.filter(order=invoice.order_id, status="succeeded")
    amount: Decimal | None = succeeded.aggregate(sum=Sum("amount"))["sum"]
    return amount or Decimal(0)


def assert_paid_once(invoice: Invoice) -> None:
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid, money_in(invoice)) == ("paid", TOTAL, TOTAL)
    assert Order.objects.get(pk=invoice.order_id).status == "paid"
    for rows in (TitleTransfer.objects, GatePass.objects):
        assert rows.filter(order=invoice.order_id).count() == 1
    paid = SettlementEvent.objects.filter(order=invoice.order_id, new="paid", subject="order")
    assert paid.count() == 1


# --- The same webhook


def test_the_same_webhook_ten_times_at_once_counts_once() -> None:
    invoice = InvoiceFactory()
    results = race([received(PaymentFactory(order=invoice.order))] * 10)
    assert errors(results) == []
    assert sum(bool(result) for result in results) == 1
    assert_paid_once(invoice)
    assert list(WebhookEvent.objects.values_list("outcome", "attempts")) == [("applied", 1)]


def test_different_events_about_the_same_success_count_once() -> None:
    invoice = InvoiceFactory()
    payment = PaymentFactory(order=invoice.order)
    results = race([received(payment, id=f"evt_{number}") for number in range(AT_ONCE)])
    assert errors(results) == []
    assert_paid_once(invoice)
    assert sorted(WebhookEvent.objects.values_list("outcome", flat=True)) == ["applied", *["ignored"] * (AT_ONCE - 1)]


@pytest.mark.postgres
def test_without_the_locks_a_success_counts_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each event has its own row, so only the order's lock keeps them apart."""
    invoice = InvoiceFactory(subtotal=Decimal("99999.00"), total=Decimal("99999.00"))
    payment = PaymentFactory(order=invoice.order)
    barrier = threading.Barrier(AT_ONCE)
    monkeypatch.setattr(payments, "lock_account", partial(only_read, all_have_it=barrier))
    assert errors(race([received(payment, id=f"evt_{number}") for number in range(AT_ONCE)])) == []
    succeeded = SettlementEvent.objects.filter(subject="payment", new="succeeded")
    assert succeeded.count() > 1


@pytest.mark.postgres
def test_without_the_events_lock_two_process_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: of the same event more than one believes that it has it."""
    both_have_it = threading.Barrier(AT_ONCE)

    def only_found(event_id: Any) -> WebhookEvent | None:
        event = WebhookEvent.objects.filter(pk=event_id, processed_at=None).first()
        both_have_it.wait(timeout=30)
        return event

    monkeypatch.setattr(webhooks, "_lock", only_found)
    payment = PaymentFactory(order=InvoiceFactory().order)
    body = event_of(payment).decode()
    event = store(provider="sandbox", report=Sandbox().read(body), body=body, now=timezone.now())
    results = race([partial(process, event.pk, now=timezone.now())] * AT_ONCE)
    assert sum(result is True for result in results) > 1


def test_reordered_reports_end_the_same() -> None:
    for _ in range(5):
        invoice = InvoiceFactory()
        payment = PaymentFactory(order=invoice.order, status="requires_action")
        facts = {"amount": str(payment.amount)}
        reports = [received(payment, status, **facts) for status in ("succeeded", "processing", "requires_action")]
        assert errors(race(reports)) == []
        assert_paid_once(invoice)


# --- Two payments


def test_of_two_who_take_the_whole_amount_one_does() -> None:
    invoice = InvoiceFactory()
    assert errors(race([pay(invoice, TOTAL)] * 2)) == [PaymentExceedsBalance]
    assert Payment.objects.count() == 1


@pytest.mark.fault("F24", "twenty payments of one order", expected="as many as are owed")
def test_of_twenty_payments_as_many_are_taken_as_are_owed() -> None:
    invoice = InvoiceFactory()
    assert errors(race([pay(invoice, "265.00")] * 20)) == [PaymentExceedsBalance] * 15
    assert Payment.objects.aggregate(sum=Sum("amount"))["sum"] == TOTAL


@pytest.mark.postgres
def test_without_the_lock_more_is_taken_than_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all know of none of the others."""
    invoice = InvoiceFactory()
    reckoned, all_know = payments.under_way, threading.Barrier(AT_ONCE)

    def together(order: Order) -> Decimal:
        amount = reckoned(order)
        all_know.wait(timeout=30)
        return amount

    monkeypatch.setattr(payments, "lock_account", partial(only_read, all_have_it=threading.Barrier(AT_ONCE)))
    monkeypatch.setattr(payments, "under_way", together)
    assert errors(race([pay(invoice, TOTAL)] * AT_ONCE)) == []
    assert Payment.objects.count() == AT_ONCE


def test_parts_that_arrive_at_once_pay_the_order_once() -> None:
    invoice = InvoiceFactory()
    parts = [PaymentFactory(order=invoice.order, amount=Decimal("265.00")) for _ in range(5)]
    assert errors(race([received(part) for part in parts])) == []
    assert_paid_once(invoice)


@pytest.mark.postgres
def test_without_the_lock_parts_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each adds its part to the same sum."""
    invoice = InvoiceFactory()
    parts = [PaymentFactory(order=invoice.order, amount=Decimal("265.00")) for _ in range(5)]
    monkeypatch.setattr(payments, "lock_account", partial(only_read, all_have_it=threading.Barrier(5)))
    race([received(part) for part in parts])
    invoice.refresh_from_db()
    assert invoice.paid < money_in(invoice)


# --- Against the end of the sale


def test_a_payment_and_the_default_leave_nothing_half_done() -> None:
    """Whoever is first: paid, or defaulted with the money as the buyer's credit."""
    for _ in range(5):
        due = timezone.now() - timedelta(days=8)
        late = {"status": "overdue", "payment_due_at": due, "default_at": due + timedelta(days=7)}
        invoice = InvoiceFactory(**{f"order__{name}": value for name, value in late.items()})
        payment = PaymentFactory(order=invoice.order, status="requires_action")
        results = race([received(payment), partial(chase_orders, now=timezone.now())])
        assert errors(results) == []
        payment.refresh_from_db()
        invoice.refresh_from_db()
        order = Order.objects.get(pk=invoice.order_id)
        assert (payment.status, invoice.paid) == ("succeeded", TOTAL)
        listing = Listing.objects.get(pk=order.listing_id)
        assert (order.status, invoice.status, listing.status) in {
            ("paid", "paid", "sold"),
            ("defaulted", "void", "active"),
        }
