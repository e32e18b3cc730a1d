"""Refunds on their way from an order that is not paid: what was promised back pays for nothing, however it ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from auctions.models import CreditNote, GatePass, Invoice, Order, Payment, Refund, SettlementEvent
from auctions.pdf import invoice_pdf
from auctions.providers.base import Refunded
from auctions.providers.sandbox import _event_of
from auctions.services.orders import chase_orders
from auctions.services.refunds import approve_refund, ask_for_refund, reject_refund, retry_refund
from auctions.tasks import send_refunds
from common.errors import InvalidTransition
from common.renderers import dump_json
from tests.answers import error, pages, refused
from tests.auctions.invoices import credited
from tests.auctions.orders import TOTAL, invoice_of, invoiced_order, reread
from tests.auctions.paying import deliver, event_of
from tests.auctions.paying import pay as pay_by
from tests.auctions.refunding import approved, has_pass, paid, report, requested, send, statuses
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

FIRST, REST = Decimal("500.00"), Decimal("825.00")


@pytest.fixture
def order() -> Order:
    return invoiced_order()


@pytest.fixture
def first(order: Order) -> Payment:
    """The part that was paid by card, and is to go back."""
    return paid(FIRST, order=order, provider="sandbox")


@pytest.fixture
def client(as_user: Any, order: Order) -> APIClient:
    """The buyer's."""
    return as_user(order.buyer)


def pay(client: APIClient, order: Order, amount: Decimal) -> None:
    """By card, and the sandbox reports that it went through."""
    answer = pay_by(client, invoice_of(order), amount)
    assert answer.status_code == 201, answer.content
    payment = Payment.objects.get(pk=answer.json()["id"])
    assert deliver(client, event_of(payment)).status_code == 200


def sent(payment: Payment, amount: Decimal = FIRST, reason: str = "A mistake.") -> Refund:
    """Approved, and taken over by the sandbox, which has not reported yet."""
    facts: dict[str, Any] = {"actor": UserFactory(), "now": timezone.now()}
    asked = ask_for_refund(payment_id=payment.pk, amount=amount, reason=reason, **facts)
    approve_refund(refund_id=asked.pk, actor=UserFactory(), now=timezone.now())
    send_refunds()
    return Refund.objects.get(pk=asked.pk, status="in_transit")


def reported(client: APIClient, refund: Refund) -> str:
    """What the sandbox's webhook makes of a refund."""
    refund.refresh_from_db()
    assert deliver(client, dump_json(_event_of(refund))).status_code == 200
    refund.refresh_from_db()
    return refund.status


def failed(monkeypatch: pytest.MonkeyPatch, payment: Payment, amount: Decimal = FIRST) -> Refund:
    refund = approved(payment, amount)
    send(monkeypatch, Refunded(provider_ref="re_1", status="failed", failure="Closed account."))
    return Refund.objects.get(pk=refund.pk, status="failed")


def state(order: Order) -> tuple[str, str, Decimal, Decimal, Decimal]:
    """Of the order and its invoice; what was paid, and is owed and credited."""
    invoice = invoice_of(order)
    return reread(order).status, invoice.status, invoice.paid, invoice.balance, invoice.credited


def owing(paid: Decimal, status: str = "partially_paid") -> tuple[str, str, Decimal, Decimal, Decimal]:
    return "awaiting_payment", status, paid, FIRST, Decimal(0)


SETTLED = ("paid", "paid", TOTAL, Decimal(0), Decimal(0))


# --- It is no discount


def test_a_refund_that_is_done_before_the_rest_is_paid(client: APIClient, order: Order, first: Payment) -> None:
    refund = sent(first)
    assert reported(client, refund) == "done"
    pay(client, order, REST)
    assert state(order) == owing(REST)
    pay(client, order, FIRST)
    assert state(order) == SETTLED


def test_a_refund_that_is_done_after_the_rest_is_paid(client: APIClient, order: Order, first: Payment) -> None:
    """All of it is there for a moment, and some of it is not the house's any more."""
    refund = sent(first)
    pay(client, order, REST)
    assert state(order) == owing(TOTAL)
    assert not GatePass.objects.exists()
    assert reported(client, refund) == "done"
    assert state(order) == owing(REST)
    assert not CreditNote.objects.exists()
    pay(client, order, FIRST)
    assert state(order) == SETTLED
    assert has_pass(first)


def test_who_pays_it_all_beside_the_refund_has_bought_the_car(client: APIClient, order: Order, first: Payment) -> None:
    """The order is paid for good, and the car leaves when the refund is through."""
    refund = sent(first)
    pay(client, order, TOTAL)
    assert reread(order).status == "paid"
    assert not has_pass(first)
    assert reported(client, refund) == "done"
    assert state(order) == SETTLED
    assert not CreditNote.objects.exists()
    assert has_pass(first)


def test_a_refund_that_failed_is_promised_all_the_same(client: APIClient, order: Order, first: Payment) -> None:
    refund = sent(first, reason="decline")
    assert reported(client, refund) == "failed"
    pay(client, order, REST)
    assert state(order) == owing(TOTAL)
    retry_refund(refund_id=refund.pk, actor=UserFactory(), now=timezone.now())
    assert state(order) == owing(TOTAL)
    send_refunds()
    assert reported(client, refund) == "done"
    assert statuses(refund) == ["requested", "approved", "in_transit", "failed", "in_transit", "done"]
    assert state(order) == owing(REST)
    assert not CreditNote.objects.exists()


def test_several_refunds_are_owed_together(client: APIClient, order: Order, first: Payment) -> None:
    parts = [sent(first, Decimal("300.00")), sent(first, Decimal("200.00"))]
    pay(client, order, REST)
    for part in parts:
        assert state(order)[3] == FIRST
        assert reported(client, part) == "done"
    assert state(order) == owing(REST)


def test_what_is_only_asked_for_is_not_promised(client: APIClient, order: Order, first: Payment) -> None:
    refund = requested(first, FIRST)
    pay(client, order, REST)
    assert state(order) == SETTLED
    reject_refund(refund_id=refund.pk, reason="No.", actor=UserFactory(), now=timezone.now())
    assert state(order) == SETTLED


def test_a_credit_note_does_not_make_it_paid_either(client: APIClient, order: Order, first: Payment) -> None:
    sent(first)
    credited(invoice_of(order), "825.00")
    assert state(order) == ("awaiting_payment", "partially_paid", FIRST, FIRST, REST)


# --- What is owed


def test_as_much_may_be_paid_as_will_be_owed(client: APIClient, order: Order, first: Payment) -> None:
    sent(first)
    answer = pay_by(client, invoice_of(order), TOTAL + Decimal("0.01"))
    assert (refused(answer), error(answer)["meta"]) == ((409, "payment_exceeds_balance"), {"balance": "1325.00"})
    pay(client, order, REST)
    answer = pay_by(client, invoice_of(order), FIRST + Decimal("0.01"))
    assert (refused(answer), error(answer)["meta"]) == ((409, "payment_exceeds_balance"), {"balance": "500.00"})


def test_order_and_invoice_show_what_is_owed(client: APIClient, order: Order, first: Payment) -> None:
    sent(first)
    pay(client, order, REST)
    invoice = invoice_of(order)
    of_order = client.get(f"/api/orders/{order.pk}").json()["invoice"]
    whole, listed = client.get(f"/api/invoices/{invoice.pk}").json(), client.get("/api/invoices").json()["results"][0]
    for shown in (of_order, whole, listed):
        assert (shown["status"], shown["paid"], shown["balance"], shown["credit"]) == (
            "partially_paid", "1325.00", "500.00", "0.00",
        )  # fmt: skip


def test_the_paper_adds_up(client: APIClient, order: Order, first: Payment) -> None:
    sent(first)
    pay(client, order, REST)
    (text,) = pages(invoice_pdf(invoice_of(order)))
    assert "Paid \N{MINUS SIGN}1,325.00 Being refunded 500.00 Amount due USD 500.00" in text
    assert "Please give" in text


@pytest.mark.parametrize("path", ["orders", "invoices"])
def test_lists_cost_as_many_queries_for_many_as_for_one(finance_client: APIClient, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            assert finance_client.get(f"/api/{path}").status_code == 200
        return len(made)

    approved(paid(FIRST, provider="sandbox"))
    finance_client.get(f"/api/{path}")
    few = queries()
    for _ in range(3):
        approved(paid(FIRST, provider="sandbox"))
    assert queries() == few


# --- Its time


def test_it_is_overdue_and_defaults_as_any_other(client: APIClient, order: Order, first: Payment) -> None:
    refund = sent(first)
    pay(client, order, REST)
    chase_orders(now=order.payment_due_at)
    assert (reread(order).status, invoice_of(order).status) == ("overdue", "overdue")
    chase_orders(now=order.default_at)
    assert (reread(order).status, invoice_of(order).status) == ("defaulted", "void")
    assert reported(client, refund) == "done"
    assert (invoice_of(order).paid, CreditNote.objects.get().refund) == (REST, None)


def test_an_invoice_that_came_late_is_overdue_too(client: APIClient, order: Order, first: Payment) -> None:
    """The order was overdue before it was issued."""
    sent(first)
    pay(client, order, REST)
    Order.objects.update(status="overdue", default_at=timezone.now() + timedelta(days=60))
    chase_orders(now=invoice_of(order).due_at)
    assert state(order) == ("overdue", "overdue", TOTAL, FIRST, Decimal(0))


# --- The money stays


def test_when_finance_gives_a_failed_refund_up_the_order_is_paid(
    client: APIClient, finance_client: APIClient, order: Order, first: Payment
) -> None:
    refund = sent(first, reason="decline")
    pay(client, order, REST)
    assert reported(client, refund) == "failed"
    assert state(order) == owing(TOTAL)
    answer = finance_client.post(f"/api/refunds/{refund.pk}/reject", {"reason": "The buyer pays with it."})
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    assert state(order) == SETTLED
    assert has_pass(first)
    assert Payment.objects.get(pk=first.pk).refund_reserved == 0
    event = SettlementEvent.objects.get(subject="refund", new="rejected")
    assert (event.old, event.reason) == ("failed", "The buyer pays with it.")
    requested(first, FIRST)


def test_what_is_still_owed_without_it_stays_owed(monkeypatch: pytest.MonkeyPatch, order: Order) -> None:
    refund = failed(monkeypatch, paid(FIRST, order=order, provider="sandbox"))
    assert state(order)[3] == TOTAL
    reject_refund(refund_id=refund.pk, reason="No.", actor=UserFactory(), now=timezone.now())
    assert state(order) == ("awaiting_payment", "partially_paid", FIRST, REST, Decimal(0))


def test_the_car_of_a_paid_order_may_leave_again(monkeypatch: pytest.MonkeyPatch) -> None:
    payment = paid(provider="sandbox")
    refund = failed(monkeypatch, payment)
    assert not has_pass(payment)
    reject_refund(refund_id=refund.pk, reason="It was a mistake.", actor=UserFactory(), now=timezone.now())
    assert has_pass(payment)
    assert state(payment.order) == SETTLED


def test_a_refund_that_was_given_up_is_over(monkeypatch: pytest.MonkeyPatch, first: Payment) -> None:
    refund = failed(monkeypatch, first)
    facts: dict[str, Any] = {"actor": UserFactory(), "now": timezone.now()}
    reject_refund(refund_id=refund.pk, reason="No.", **facts)
    for again in (retry_refund, approve_refund):
        with pytest.raises(InvalidTransition):
            again(refund_id=refund.pk, **facts)
    assert not report(refund, succeeded=True, provider_ref="re_1")
    assert Invoice.objects.get().paid == FIRST


def test_what_is_on_its_way_cannot_be_given_up(first: Payment) -> None:
    refund = sent(first)
    with pytest.raises(InvalidTransition):
        reject_refund(refund_id=refund.pk, reason="No.", actor=UserFactory(), now=timezone.now())
    assert Payment.objects.get(pk=first.pk).refund_reserved == FIRST
