"""Orders against everything that may come at the same moment: money, other decisions, the sweep. Whoever has the
account's locks sees what the other did. The controls read an account, wait until the other is done, and go on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from auctions.models import CreditNote, Invoice, Listing, Order, Payment, Payout, Refund, SettlementEvent
from auctions.providers.base import Report
from auctions.services import orders
from auctions.services.balances import Account
from auctions.services.orders import (
    MoneyReceived,
    cancel_order,
    chase_orders,
    choose_self_pickup,
    complete_order,
    dispute_order,
    resolve_dispute,
)
from auctions.services.payments import OrderNotPayable, apply_report, start_payment
from auctions.services.transport import DeliveryDecided, book_transport
from common.errors import InvalidTransition
from common.sweeps import SweepResult
from tests.auctions.factories import OrderFactory, PaymentFactory
from tests.auctions.orders import TOTAL, delivered_order, invoice_of, invoiced_order, paid_order, reread
from tests.auctions.test_orders import transport_of
from tests.concurrency.race import errors, race
from tests.factories import UserFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AT_ONCE = 8
ROUNDS = 5
Action = Callable[[], Any]


def staff() -> Any:
    return UserFactory(is_superuser=True)


def paying(order: Order) -> Action:
    """The whole of it, by wire."""
    wire = {"provider": "manual", "amount": TOTAL, "reference": "W-1"}
    return partial(start_payment, order_id=order.pk, actor=staff(), now=timezone.now(), **wire)


def cancelling(order: Order) -> Action:
    return partial(cancel_order, order_id=order.pk, actor=staff(), reason="Both agreed.", now=timezone.now())


def disputing(order: Order) -> Action:
    return partial(dispute_order, order_id=order.pk, actor=order.buyer, reason="Another.", now=timezone.now())


def completing(order: Order) -> Action:
    return partial(complete_order, order_id=order.pk, actor=staff(), now=timezone.now())


def resolving(order: Order, outcome: str) -> Action:
    return partial(resolve_dispute, order_id=order.pk, actor=staff(), outcome=outcome, now=timezone.now())


def defaulting(order: Order) -> Action:
    return partial(chase_orders, now=order.default_at)


def overdue_order() -> Order:
    order = invoiced_order()
    Order.objects.filter(pk=order.pk).update(status="overdue")
    Invoice.objects.filter(order=order).update(status="overdue")  # Else the sweep marks it, if it comes to it in time.
    return reread(order)


def disputed_order() -> Order:
    order = delivered_order(title="sent")
    disputing(order)()
    return reread(order)


def money_in(order: Order) -> Decimal:
    return sum((payment.amount for payment in Payment.objects.filter(order=order, status="succeeded")), Decimal(0))


def assert_sale_is_whole(order: Order) -> None:
    """The invoice counts what its rows say, and order, listing and invoice tell the same."""
    order, invoice = reread(order), invoice_of(order)
    credited = sum((note.amount for note in CreditNote.objects.filter(invoice=invoice)), Decimal(0))
    assert (invoice.paid, invoice.credited) == (money_in(order), credited)
    listing = Listing.objects.get(pk=order.listing_id).status
    expected = {"paid": ("paid", "sold"), "cancelled": ("void", "active"), "defaulted": ("void", "active")}
    assert (invoice.status, listing) == expected[order.status]


def while_it_waits(monkeypatch: pytest.MonkeyPatch, slow: Action, quick: Action) -> list[Any]:
    """`slow` reads an account without its locks; then `quick` does all of its work; then `slow` goes on."""
    has_read, is_done = threading.Event(), threading.Event()
    lock_account = orders.lock_account

    def only_read(order_id: int) -> Account:
        if threading.current_thread().name != "slow":
            return lock_account(order_id)
        order = Order.objects.select_related("listing").get(pk=order_id)
        account = Account(order.listing, order, Invoice.objects.filter(order_id=order_id).first())
        has_read.set()
        assert is_done.wait(timeout=30)
        return account

    def go_slow() -> Any:
        threading.current_thread().name = "slow"
        return slow()

    def go_after() -> Any:
        assert has_read.wait(timeout=30)
        try:
            return quick()
        finally:
            is_done.set()

    monkeypatch.setattr(orders, "lock_account", only_read)
    return race([go_slow, go_after])


# --- Against money


def test_cancel_by_pay_either_the_money_or_the_end_is_first() -> None:
    for _ in range(ROUNDS):
        order = invoiced_order()
        results = race([cancelling(order), paying(order)])
        status = reread(order).status
        assert errors(results) == [OrderNotPayable if status == "cancelled" else MoneyReceived], results
        assert_sale_is_whole(order)


def test_without_the_lock_a_cancelled_order_forgets_its_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    order = invoiced_order()
    results = while_it_waits(monkeypatch, cancelling(order), paying(order))
    assert errors(results) == []
    assert (reread(order).status, invoice_of(order).paid, money_in(order)) == ("cancelled", 0, TOTAL)


def test_default_by_pay_either_the_money_or_the_end_is_first() -> None:
    for _ in range(ROUNDS):
        order = overdue_order()
        results = race([defaulting(order), paying(order)])
        status = reread(order).status
        assert errors(results) == ([OrderNotPayable] if status == "defaulted" else []), results
        assert results[0] == SweepResult(status == "defaulted", 0)
        assert_sale_is_whole(order)


def test_without_the_lock_a_paid_order_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    order = overdue_order()
    results = while_it_waits(monkeypatch, defaulting(order), paying(order))
    assert (errors(results), results[0]) == ([], SweepResult(1, 0))
    assert (reread(order).status, money_in(order)) == ("defaulted", TOTAL)


def test_default_by_a_report_of_success_the_payment_that_was_on_its_way_wins() -> None:
    for _ in range(ROUNDS):
        order = overdue_order()
        payment = PaymentFactory(order=order, provider_ref=f"sb_{order.pk}")
        report = Report(
            event_id="e", kind="payment", subject="payment", provider_ref=payment.provider_ref, status="succeeded",
            amount=TOTAL, currency="USD",
        )  # fmt: skip
        told = partial(apply_report, provider="sandbox", report=report, now=timezone.now())
        results: list[Any] = race([defaulting(order), told])
        assert results == [SweepResult(0, 0), True]
        assert reread(order).status == "paid"
        assert_sale_is_whole(order)


# --- The sweep against itself


def test_eight_sweeps_end_each_order_once() -> None:
    found = [overdue_order() for _ in range(4)]
    now: datetime = max(order.default_at for order in found)
    results: list[Any] = race([partial(chase_orders, now=now)] * AT_ONCE)
    assert (sum(result.done for result in results), sum(result.failed for result in results)) == (4, 0), results
    assert SettlementEvent.objects.filter(subject="order", new="defaulted").count() == 4
    assert sorted(CreditNote.objects.values_list("sequence", flat=True)) == [1, 2, 3, 4]
    for order in found:
        assert_sale_is_whole(order)


# --- Decisions against each other


def test_dispute_by_complete_a_dispute_stays_open() -> None:
    """Completed first, it can be disputed still; disputed first, it is not completed."""
    for _ in range(ROUNDS):
        order = delivered_order()
        results = race([disputing(order), completing(order)])
        order = reread(order)
        assert order.status == "disputed", results
        assert errors(results) == ([] if order.disputed_from == "completed" else [InvalidTransition]), results
        assert Payout.objects.get(order=order).status == "held"


def test_without_the_lock_a_disputed_order_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    order = delivered_order()
    assert errors(while_it_waits(monkeypatch, completing(order), disputing(order))) == []
    assert (reread(order).status, Payout.objects.get().status) == ("completed", "held")


def test_eight_disputes_are_one() -> None:
    order = paid_order()
    results = race([disputing(order)] * AT_ONCE)
    assert errors(results) == [InvalidTransition] * (AT_ONCE - 1)
    assert SettlementEvent.objects.filter(new="disputed").count() == 1


@pytest.mark.parametrize("outcomes", [("refund", "refund"), ("back", "refund"), ("back", "back")])
def test_resolve_by_resolve_one_decides(outcomes: tuple[str, str]) -> None:
    for _ in range(ROUNDS):
        order = disputed_order()
        results = race([resolving(order, outcome) for outcome in outcomes])
        assert errors(results) == [InvalidTransition], results
        undone = reread(order).status == "refunded"
        assert undone or reread(order).status == "delivered"
        assert Refund.objects.filter(order=order).count() == CreditNote.objects.filter(invoice__order=order).count()
        assert Refund.objects.filter(order=order).exists() == undone
        assert Payout.objects.get(order=order).status == ("cancelled" if undone else "due")


def test_without_the_lock_an_invoice_is_credited_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    order = disputed_order()
    results = while_it_waits(monkeypatch, resolving(order, "refund"), resolving(order, "refund"))
    assert errors(results) == []
    assert [note.amount for note in CreditNote.objects.all()] == [TOTAL, TOTAL]


def test_a_choice_by_a_booking_the_delivery_is_decided_once() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        quoted = transport_of(order, status="quoted", quoted_price=Decimal(450))
        facts = {"actor": order.buyer, "now": timezone.now()}
        results = race(
            [
                partial(choose_self_pickup, order_id=order.pk, **facts),
                partial(book_transport, transport_id=quoted.pk, **facts),
            ]
        )
        by_carrier = reread(order).delivery == "transport"
        assert Counter(errors(results)) == {DeliveryDecided if by_carrier else InvalidTransition: 1}, results
        assert invoice_of(order).total == (TOTAL + 450 if by_carrier else TOTAL)
