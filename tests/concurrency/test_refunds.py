"""Refunds and payouts under load: never more than a payment back, each decision once, no car and no payout out of a
dispute. What reads without the lock is the control."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from auctions.models import CreditNote, GatePass, Invoice, Order, Payment, Payout, Refund, SettlementEvent
from auctions.providers.base import Refunded
from auctions.services import balances, payments, payouts, refunds, settling
from auctions.services.balances import Account
from auctions.services.orders import dispute_order
from auctions.services.payouts import hold_payout, make_payout, pay_payout
from auctions.services.refunds import (
    RefundExceedsPayment,
    approve_refund,
    ask_for_refund,
    finish_refund,
    reject_refund,
    send_refunds,
)
from auctions.services.settling import lock_order
from common.errors import InvalidTransition
from tests.auctions.factories import PaymentFactory
from tests.auctions.orders import TOTAL, invoiced_order
from tests.auctions.paying import report_of
from tests.auctions.refunding import StandIn, approved, paid, requested, send
from tests.concurrency.race import race
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

AT_ONCE = 20
DONE = Refunded(provider_ref="re_1", status="done")
IN_TRANSIT = Refunded(provider_ref="re_1", status="in_transit")


@pytest.fixture
def facts() -> dict[str, Any]:
    return {"actor": UserFactory(), "now": timezone.now()}


def kinds(results: list[Any]) -> Counter[type]:
    return Counter(type(result) for result in results)


def asking(payment: Payment, amount: str) -> Callable[[], Refund]:
    return partial(
        ask_for_refund,
        payment_id=payment.pk,
        amount=Decimal(amount),
        reason="A scratch.",
        actor=payment.order.buyer,
        now=timezone.now(),
    )


def ending(refund: Refund, *, succeeded: bool) -> Callable[[], bool]:
    def end() -> bool:
        with transaction.atomic():
            account = refunds.lock_account(refund.order_id)
            return finish_refund(account, refund, succeeded=succeeded, actor=None, now=timezone.now())

    return end


def read_account(order_id: int) -> Account:
    order = Order.objects.select_related("listing").get(pk=order_id)
    return Account(order.listing, order, Invoice.objects.filter(order_id=order_id).first())


def unlock(monkeypatch: pytest.MonkeyPatch, *, meet_at: str) -> None:
    """All is read and not locked; both have read the payment or the refund before one of them writes."""
    everybody = threading.Barrier(2)

    def reading(model: type[Payment] | type[Refund], meets: bool) -> Callable[[int], Any]:
        def read(pk: int) -> Any:
            row = model.objects.get(pk=pk)
            if meets:
                everybody.wait(timeout=30)
            return row

        return read

    monkeypatch.setattr(refunds, "lock_account", read_account)
    monkeypatch.setattr(refunds, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(refunds, "_lock_payment", reading(Payment, meet_at == "payment"))
    monkeypatch.setattr(refunds, "_lock_refund", reading(Refund, meet_at == "refund"))


def check_books(payment: Payment) -> Payment:
    """Reserved, paid and credited are what the rows say, and never more than came in."""
    payment = Payment.objects.get(pk=payment.pk)
    invoice = Invoice.objects.get(order=payment.order_id)
    mine = list(payment.refunds.exclude(status="rejected"))
    assert sum(row.amount for row in mine) <= payment.amount
    assert payment.refund_reserved == sum(row.amount for row in mine if row.status != "requested")
    assert invoice.paid == payment.amount - sum(row.amount for row in mine if row.status == "done")
    assert invoice.credited == sum((note.amount for note in CreditNote.objects.filter(invoice=invoice)), Decimal(0))
    return payment


# --- Never more than came in


def test_twenty_requests_at_once_are_never_more_than_the_payment() -> None:
    payment = paid()
    results = race([asking(payment, "100.00")] * AT_ONCE)
    assert kinds(results) == {Refund: 13, RefundExceedsPayment: 7}, results
    check_books(payment)


def test_without_the_locks_they_are_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each finds the payment whole."""
    payment = paid()
    unlock(monkeypatch, meet_at="payment")
    results = race([asking(payment, "1000.00")] * 2)
    assert kinds(results) == {Refund: 2}, results
    assert sum(row.amount for row in payment.refunds.all()) > payment.amount


@pytest.mark.parametrize("provider", ["manual", "sandbox"])
def test_twenty_approvals_at_once_all_count(facts: dict[str, Any], provider: str) -> None:
    """Every one of them changes payment and invoice; that of a wire takes a number too."""
    payment = paid(provider=provider)
    rows = [requested(payment, "66.25") for _ in range(AT_ONCE)]
    results = race([partial(approve_refund, refund_id=row.pk, **facts) for row in rows])
    assert kinds(results) == {Refund: AT_ONCE}, results
    assert check_books(payment).refund_reserved == TOTAL
    numbers = CreditNote.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, AT_ONCE + 1) if provider == "manual" else [])
    assert not GatePass.objects.filter(revoked_at=None).exists()


def test_without_the_locks_approvals_are_lost(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both add to what nobody had reserved."""
    payment = paid(provider="sandbox")
    rows = [requested(payment, "600.00"), requested(payment, "600.00")]
    unlock(monkeypatch, meet_at="payment")
    results = race([partial(approve_refund, refund_id=row.pk, **facts) for row in rows])
    assert kinds(results) == {Refund: 2}, results
    assert Payment.objects.get().refund_reserved == Decimal("600.00")


# --- One decision


def decide(refund: Refund, facts: dict[str, Any]) -> list[Any]:
    return race(
        [
            partial(approve_refund, refund_id=refund.pk, **facts),
            partial(reject_refund, refund_id=refund.pk, reason="No.", **facts),
        ]
    )


def test_of_an_approval_and_a_rejection_one_counts(facts: dict[str, Any]) -> None:
    for _ in range(8):
        payment = paid()
        refund = requested(payment)
        assert kinds(decide(refund, facts)) == {Refund: 1, InvalidTransition: 1}
        refund.refresh_from_db()
        expected = Decimal("100.00") if refund.status == "done" else Decimal(0)
        assert check_books(payment).refund_reserved == expected


def test_without_the_locks_both_count(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the money of a rejected refund may be reserved."""
    refund = requested(paid(provider="sandbox"))
    unlock(monkeypatch, meet_at="refund")
    assert kinds(decide(refund, facts)) == {Refund: 2}


def test_twenty_approvals_of_one_refund_are_one(facts: dict[str, Any]) -> None:
    payment = paid()
    refund = requested(payment)
    results = race([partial(approve_refund, refund_id=refund.pk, **facts)] * AT_ONCE)
    assert kinds(results) == {Refund: 1, InvalidTransition: AT_ONCE - 1}
    assert check_books(payment).refund_reserved == Decimal("100.00")


# --- One end


def in_transit(monkeypatch: pytest.MonkeyPatch) -> Refund:
    refund = approved(paid(provider="sandbox"))
    send(monkeypatch, IN_TRANSIT)
    refund.refresh_from_db()
    return refund


def test_twenty_reports_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    refund = in_transit(monkeypatch)
    assert Counter(race([ending(refund, succeeded=True)] * AT_ONCE)) == {True: 1, False: AT_ONCE - 1}
    check_books(refund.payment)
    assert CreditNote.objects.count() == 1


def test_reports_that_contradict_leave_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        refund = in_transit(monkeypatch)
        assert Counter(race([ending(refund, succeeded=True), ending(refund, succeeded=False)])) == {True: 1, False: 1}
        check_books(refund.payment)
        Refund.objects.update(provider_ref="")


def test_without_the_locks_only_constraints_stop_the_second_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both have seen it on its way, and one credit note per refund is all that the database allows."""
    refund = in_transit(monkeypatch)
    unlock(monkeypatch, meet_at="refund")
    assert kinds(race([ending(refund, succeeded=True)] * 2)) == {bool: 1, IntegrityError: 1}


def test_two_sweeps_at_once_ask_under_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)
    provider = StandIn()
    provider.answer = DONE
    monkeypatch.setattr(refunds, "provider_named", lambda name: provider)
    race([partial(send_refunds, now=timezone.now())] * 4)
    assert set(provider.keys) == {f"refund-{refund.pk}-1"}
    check_books(payment)
    assert CreditNote.objects.count() == 1


# --- Beside the payment of the rest


def paying(order: Order, amount: str) -> Callable[[], bool]:
    """The webhook of a card that went through."""
    payment = PaymentFactory(order=order, amount=Decimal(amount))
    return partial(payments.apply_report, provider="sandbox", report=report_of(payment), now=timezone.now())


def at_of(subject: str, row: Order | Refund, new: str) -> int:
    """Its place in the history."""
    return SettlementEvent.objects.get(subject=subject, subject_id=row.pk, new=new).pk


def test_an_order_is_paid_before_a_refund_is_approved_or_not_with_its_money(facts: dict[str, Any]) -> None:
    """Whoever is first: a refund of a paid order, which is credited, or one of an order that goes on owing it."""
    for _ in range(8):
        order = invoiced_order()
        refund = requested(paid(Decimal("500.00"), order=order, provider="sandbox"), "500.00")
        results = race([partial(approve_refund, refund_id=refund.pk, **facts), paying(order, "825.00")])
        assert not [result for result in results if isinstance(result, Exception)], results
        order.refresh_from_db()
        if order.status == "paid":
            assert at_of("order", order, "paid") < at_of("refund", refund, "approved")
        invoice = Invoice.objects.get(order=order)
        expected = ("paid", Decimal(0)) if order.status == "paid" else ("partially_paid", Decimal(500))
        assert (invoice.status, invoice.balance) == expected


def test_without_the_locks_it_is_paid_with_what_goes_back(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the payment knows of no refund."""
    order = invoiced_order()
    refund = requested(paid(Decimal("500.00"), order=order, provider="sandbox"), "500.00")
    reckon, reckoned, is_approved = balances.status_of, threading.Event(), threading.Event()

    def slowly(invoice: Invoice, *, now: Any) -> Any:
        status = reckon(invoice, now=now)
        reckoned.set()
        is_approved.wait(timeout=30)
        return status

    def approve() -> None:
        reckoned.wait(timeout=30)
        approve_refund(refund_id=refund.pk, **facts)
        is_approved.set()

    monkeypatch.setattr(balances, "status_of", slowly)
    for module in (refunds, payments):
        monkeypatch.setattr(module, "lock_account", read_account)
    results = race([approve, paying(order, "825.00")])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert at_of("refund", refund, "approved") < at_of("order", order, "paid")


def given_up_beside_the_rest(monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]) -> tuple[Order, list[Any]]:
    """A refund that failed is given up while the rest is paid that is owed without it."""
    order = invoiced_order()
    refund = approved(paid(Decimal("1000.00"), order=order, provider="sandbox"), "500.00")
    send(monkeypatch, Refunded(provider_ref="", status="failed"))
    give_up = partial(reject_refund, refund_id=refund.pk, reason="It stays.", **facts)
    return order, [give_up, paying(order, "325.00")]


def test_a_refund_that_is_given_up_beside_the_payment_of_the_rest_leaves_nothing_open(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(8):
        order, both = given_up_beside_the_rest(monkeypatch, facts)
        results = race(both)
        assert not [result for result in results if isinstance(result, Exception)], results
        order.refresh_from_db()
        invoice = Invoice.objects.get(order=order)
        assert (order.status, invoice.status, invoice.paid, invoice.balance) == ("paid", "paid", TOTAL, 0)


def test_without_the_locks_a_covered_order_stays_unpaid(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the payment reckons with the refund, and the end of the refund without the payment."""
    order, both = given_up_beside_the_rest(monkeypatch, facts)
    reckon, both_know = balances.status_of, threading.Barrier(2)

    def together(invoice: Invoice, *, now: Any) -> Any:
        status = reckon(invoice, now=now)
        both_know.wait(timeout=30)
        return status

    monkeypatch.setattr(balances, "status_of", together)
    for module in (refunds, payments):
        monkeypatch.setattr(module, "lock_account", read_account)
    results = race(both)
    assert not [result for result in results if isinstance(result, Exception)], results
    order.refresh_from_db()
    assert order.status == "awaiting_payment"


# --- Beside a dispute


def test_a_refund_that_is_done_beside_a_dispute_gives_no_pass_back(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        refund = in_transit(monkeypatch)
        results = race(
            [
                ending(refund, succeeded=True),
                partial(dispute_order, order_id=refund.order_id, reason="A scratch.", **facts),
            ]
        )
        assert not [result for result in results if isinstance(result, Exception)], results
        order = Order.objects.get(pk=refund.order_id)
        assert order.status == "disputed"
        assert not order.gate_passes.filter(revoked_at=None).exists()
        check_books(refund.payment)
        Refund.objects.update(provider_ref="")


def test_without_the_locks_a_disputed_order_has_a_pass(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the refund knows an order that was not disputed."""
    refund = in_transit(monkeypatch)
    has_read, disputed = threading.Event(), threading.Event()

    def end() -> bool:
        with transaction.atomic():
            account = read_account(refund.order_id)
            has_read.set()
            disputed.wait(timeout=30)
            return finish_refund(account, refund, succeeded=True, actor=None, now=timezone.now())

    def dispute() -> None:
        has_read.wait(timeout=30)
        dispute_order(order_id=refund.order_id, reason="A scratch.", **facts)
        disputed.set()

    results = race([end, dispute])
    assert not [result for result in results if isinstance(result, Exception)], results
    order = Order.objects.get(pk=refund.order_id)
    assert order.status == "disputed"
    assert order.gate_passes.filter(revoked_at=None).exists()


# --- Payouts


@transaction.atomic
def due() -> Payout:
    order = paid().order
    return make_payout(lock_order(order.pk), actor=None, now=timezone.now())


def hold(payout: Payout) -> None:
    with transaction.atomic():
        hold_payout(payouts.lock_order(payout.order_id), actor=None, now=timezone.now(), reason="A scratch.")


def pay_and_hold(payout: Payout, facts: dict[str, Any]) -> list[Any]:
    return race([partial(pay_payout, payout_id=payout.pk, reference="W-1", **facts), partial(hold, payout)])


def test_a_payout_is_paid_or_held(facts: dict[str, Any]) -> None:
    for _ in range(8):
        payout = due()
        first, second = pay_and_hold(payout, facts)
        payout.refresh_from_db()
        assert second is None
        assert (payout.status, type(first)) in {("paid", Payout), ("held", InvalidTransition)}
        assert (payout.paid_at is None) == (payout.status == "held")


def test_without_the_locks_only_the_constraint_keeps_them_apart(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both have seen that it is due, and both write."""
    payout = due()
    everybody = threading.Barrier(2)

    class Unlocked:
        @staticmethod
        def filter(**facts: Any) -> Any:
            rows = list(Payout.objects.filter(**facts))
            everybody.wait(timeout=30)
            return type("Rows", (), {"first": lambda self: rows[0]})()

        @staticmethod
        def get(pk: int) -> Payout:
            row = Payout.objects.get(pk=pk)
            everybody.wait(timeout=30)
            return row

    monkeypatch.setattr(payouts, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(payouts, "_locked", Unlocked)
    results = pay_and_hold(payout, facts)
    events = settling.SettlementEvent.objects.filter(subject="payout").exclude(new="due")
    assert events.count() == 2 or kinds(results)[IntegrityError] == 1, results


def test_twenty_payments_of_a_payout_are_one(facts: dict[str, Any]) -> None:
    payout = due()
    results = race([partial(pay_payout, payout_id=payout.pk, reference=f"W-{n}", **facts) for n in range(AT_ONCE)])
    assert kinds(results) == {Payout: 1, InvalidTransition: AT_ONCE - 1}
