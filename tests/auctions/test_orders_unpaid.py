"""The sweep of orders that nobody pays: overdue, then defaulted."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from auctions import tasks
from auctions.models import CreditNote, Listing, Order, SettlementEvent
from auctions.services import orders, transport
from auctions.services.invoicing import invoice_order
from auctions.services.orders import chase_orders
from common.sweeps import SweepResult
from tests.auctions.factories import OrderFactory, PaymentFactory
from tests.auctions.orders import TOTAL, invoice_of, invoiced_order, paid_order, pay, reread
from tests.auctions.test_orders import transport_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def overdue_order(now: datetime, **fields: Any) -> Order:
    """Defaulting at `now`."""
    order = invoiced_order(**fields)
    due_at = now - timedelta(days=7)
    Order.objects.filter(pk=order.pk).update(status="overdue", payment_due_at=due_at, default_at=now)
    return reread(order)


def test_an_order_becomes_overdue_when_its_time_has_come(now: datetime) -> None:
    order = invoiced_order()
    due_at = order.payment_due_at
    assert chase_orders(now=due_at - SECOND) == SweepResult(0, 0)
    assert chase_orders(now=due_at) == SweepResult(1, 0)
    assert (reread(order).status, invoice_of(order).status) == ("overdue", "overdue")
    event = SettlementEvent.objects.get(subject="order")
    assert (event.old, event.new, event.actor, event.at) == ("awaiting_payment", "overdue", None, due_at)
    assert chase_orders(now=due_at) == SweepResult(0, 0)


def test_an_order_without_an_invoice_is_chased_too(now: datetime) -> None:
    order = OrderFactory(payment_due_at=now, default_at=now + SECOND)
    chase_orders(now=now)
    assert reread(order).status == "overdue"
    chase_orders(now=now + SECOND)
    assert reread(order).status == "defaulted"
    assert not CreditNote.objects.exists()


def test_what_stays_unpaid_comes_to_nothing(now: datetime) -> None:
    order = overdue_order(now)
    asked = transport_of(order)
    assert chase_orders(now=now - SECOND) == SweepResult(0, 0)
    assert chase_orders(now=now) == SweepResult(1, 0)
    assert (reread(order).status, invoice_of(order).status) == ("defaulted", "void")
    assert Listing.objects.get(pk=order.listing_id).status == "active"
    asked.refresh_from_db()
    assert asked.status == "cancelled"
    assert CreditNote.objects.get().amount == TOTAL
    assert chase_orders(now=now + SECOND) == SweepResult(0, 0)


@pytest.mark.parametrize(("transport", "is_late"), [("quote_requested", False), ("quoted", True), ("cancelled", True)])
@pytest.mark.parametrize("status", ["awaiting_payment", "overdue"])
def test_nobody_is_late_who_waits_for_a_quote(now: datetime, status: str, transport: str, is_late: bool) -> None:
    order = OrderFactory(status=status, payment_due_at=now - SECOND, default_at=now)
    transport_of(order, status=transport, quoted_price=Decimal(450) if transport == "quoted" else None)
    chase_orders(now=now)
    assert reread(order).status == ("defaulted" if is_late else status)


@pytest.mark.parametrize("status", ["awaiting_payment", "overdue"])
def test_who_asks_for_another_quote_is_late_all_the_same(now: datetime, status: str) -> None:
    order = OrderFactory(status=status, payment_due_at=now - SECOND, default_at=now)
    transport_of(order, status="cancelled")
    transport_of(order)
    chase_orders(now=now)
    assert reread(order).status == "defaulted"


def test_one_who_asks_again_holds_nobody_else_up(now: datetime) -> None:
    again, waiting = OrderFactory.create_batch(2, payment_due_at=now, default_at=now + SECOND)
    transport_of(again, status="cancelled")
    for order in (again, waiting):
        transport_of(order)
    chase_orders(now=now)
    assert (reread(again).status, reread(waiting).status) == ("overdue", "awaiting_payment")


def test_nobody_puts_the_default_off_for_ever(now: datetime) -> None:
    """By asking for a quote, taking it back once it is there, and asking again, each day."""
    order = OrderFactory(payment_due_at=now + timedelta(hours=1), default_at=now + timedelta(days=2))
    facts: dict[str, Any] = {"order_id": order.pk, "delivery_address": "1 Main Street", "actor": order.buyer}
    days = 0
    while reread(order).status != "defaulted" and days < 30:
        asked_at = now + timedelta(days=days)
        asked = transport.request_transport(**facts, now=asked_at)
        chase_orders(now=asked_at + timedelta(hours=20))
        if reread(order).status != "defaulted":
            answer: dict[str, Any] = {"transport_id": asked.pk, "now": asked_at + timedelta(hours=21)}
            transport.quote_transport(**answer, quoted_price=Decimal(450), actor=UserFactory())
            transport.cancel_transport(**answer, actor=order.buyer)
        days += 1
    # The first wait cost less than a day, for which there was one more.
    assert days == 4


def test_whose_transport_was_asked_for_at_the_last_moment_is_not_late(now: datetime) -> None:
    """The sweep had chosen the order before; under the lock it looks again."""
    order = OrderFactory(payment_due_at=now, default_at=now)
    transport_of(order)
    assert not orders._become_overdue(order.pk, now=now)
    Order.objects.update(status="overdue")
    assert not orders._default(order.pk, now=now)
    order.transport_orders.update(status="cancelled")
    transport_of(order)
    assert orders._default(order.pk, now=now)


def test_an_invoice_of_an_overdue_order_becomes_overdue_too(now: datetime) -> None:
    order = OrderFactory(status="overdue", payment_due_at=now - SECOND, default_at=now + timedelta(days=7))
    invoice = invoice_order(order_id=order.pk, actor=None, now=now)
    assert chase_orders(now=invoice.due_at - SECOND) == SweepResult(0, 0)
    assert chase_orders(now=invoice.due_at) == SweepResult(1, 0)
    assert (reread(order).status, invoice_of(order).status) == ("overdue", "overdue")
    assert chase_orders(now=invoice.due_at) == SweepResult(0, 0)


def test_an_invoice_that_was_paid_meanwhile_is_let_alone(now: datetime) -> None:
    """The sweep had chosen it before; under the lock it looks again."""
    order = paid_order()
    assert not orders._mark_invoice_overdue(invoice_of(order).pk, now=now + timedelta(days=30))
    assert invoice_of(order).status == "paid"


def test_a_sweep_that_comes_late_takes_both_steps(now: datetime) -> None:
    order = OrderFactory(payment_due_at=now - SECOND, default_at=now)
    assert chase_orders(now=now) == SweepResult(2, 0)
    assert reread(order).status == "defaulted"


def test_a_payment_that_is_being_processed_holds_the_default_up(now: datetime) -> None:
    order = overdue_order(now)
    payment = PaymentFactory(order=order)
    assert chase_orders(now=now) == SweepResult(0, 0)
    payment.status = "failed"
    payment.save()
    assert chase_orders(now=now) == SweepResult(1, 0)


def test_a_part_that_was_paid_stays_as_a_credit(now: datetime) -> None:
    order = overdue_order(now)
    pay(order, Decimal("25.00"))
    chase_orders(now=now)
    invoice = invoice_of(order)
    assert (reread(order).status, invoice.status, invoice.balance) == ("defaulted", "void", Decimal("-25.00"))


def test_money_that_comes_after_the_default_is_a_credit(now: datetime) -> None:
    order = overdue_order(now)
    chase_orders(now=now)
    pay(order)
    assert (reread(order).status, invoice_of(order).balance) == ("defaulted", -TOTAL)
    assert Listing.objects.get(pk=order.listing_id).status == "active"


def test_paid_and_disputed_orders_are_let_alone(now: datetime) -> None:
    order, long_after = paid_order(), now + timedelta(days=365)
    OrderFactory(status="disputed", disputed_from="paid", paid_at=now)
    assert chase_orders(now=long_after) == SweepResult(0, 0)
    assert reread(order).status == "paid"


def test_a_listing_that_went_elsewhere_is_not_touched(now: datetime) -> None:
    """It cannot while the order lives; the sweep does not rely on it."""
    order = overdue_order(now)
    Listing.objects.update(status="sold")
    assert chase_orders(now=now) == SweepResult(1, 0)
    assert Listing.objects.get(pk=order.listing_id).status == "sold"


def test_one_that_cannot_be_ended_does_not_stop_the_others(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = overdue_order(now), overdue_order(now)
    release = orders.release_listing

    def broken(order: Order, *args: Any, **kwargs: Any) -> None:
        if order.pk == bad.pk:
            raise RuntimeError
        release(order, *args, **kwargs)

    monkeypatch.setattr(orders, "release_listing", broken)
    assert chase_orders(now=now) == SweepResult(1, 1)
    assert (reread(bad).status, reread(good).status) == ("overdue", "defaulted")


def test_the_task_sweeps_by_the_clock_of_the_database(now: datetime) -> None:
    order = OrderFactory(payment_due_at=now - timedelta(minutes=1))
    tasks.chase_orders()
    assert reread(order).status == "overdue"
