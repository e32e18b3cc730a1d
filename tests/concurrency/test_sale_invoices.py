"""Invoices of sales under load: one per order, and numbers without gaps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from auctions.models import Invoice, Order, SaleSequence
from auctions.services import invoicing
from auctions.services.balances import Account
from auctions.services.invoicing import AlreadyInvoiced, invoice_order
from auctions.services.numbers import Numbered
from tests.auctions.factories import OrderFactory
from tests.concurrency.race import errors, race

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8


@pytest.fixture
def facts() -> dict[str, Any]:
    return {"actor": None, "now": timezone.now()}


def issue(order: Order, facts: dict[str, Any]) -> Callable[[], Invoice]:
    return partial(invoice_order, order_id=order.pk, **facts)


def sequences() -> list[int]:
    return sorted(Invoice.objects.values_list("sequence", flat=True))


def test_twenty_invoices_at_once_have_no_gaps(facts: dict[str, Any]) -> None:
    """Half of the orders are asked for twice: who comes second takes no number."""
    orders = [OrderFactory() for _ in range(20)]
    results = race([issue(order, facts) for order in [*orders, *orders[:10]]])
    assert errors(results) == [AlreadyInvoiced] * 10
    assert sequences() == list(range(1, 21))
    assert SaleSequence.objects.get().last == 20


def test_a_number_whose_transaction_fails_is_given_again(facts: dict[str, Any]) -> None:
    """Every second one fails after it has its number, while the others wait for it."""

    def fail(order: Order) -> None:
        with transaction.atomic():
            invoice_order(order_id=order.pk, **facts)
            raise ZeroDivisionError

    orders = [OrderFactory() for _ in range(20)]
    actions: list[Callable[[], Any]] = [
        partial(fail, order) if place % 2 else issue(order, facts) for place, order in enumerate(orders)
    ]
    assert errors(race(actions)) == [ZeroDivisionError] * 10
    assert sequences() == list(range(1, 11))


@pytest.mark.postgres
def test_without_the_lock_numbers_clash(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all count up from the same number, and the unique number lets one through."""
    invoice_order(order_id=OrderFactory().pk, **facts)
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(kind: Any, *, now: datetime) -> Numbered:
        rows = SaleSequence.objects.filter(kind=kind, year=now.year)
        number = rows.get().last + 1
        all_have_it.wait(timeout=30)
        rows.update(last=number)
        return Numbered(now.year, number, f"SINV-{now.year}-{number:06d}")

    monkeypatch.setattr(invoicing, "give_number", only_read)
    actions = [issue(OrderFactory(), facts) for _ in range(AT_ONCE)]
    assert len(errors(race(actions))) == AT_ONCE - 1


def test_an_order_is_invoiced_once(facts: dict[str, Any]) -> None:
    order = OrderFactory()
    assert errors(race([issue(order, facts)] * AT_ONCE)) == [AlreadyInvoiced] * (AT_ONCE - 1)
    assert sequences() == [1]


@pytest.mark.postgres
def test_without_the_lock_the_constraint_refuses(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all see an order without an invoice. The constraint keeps the money right, and nobody is told what
    is the matter."""
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(order_id: int) -> Account:
        order = Order.objects.select_related("listing").get(pk=order_id)
        invoice = Invoice.objects.filter(order=order).first()
        all_have_it.wait(timeout=30)
        return Account(order.listing, order, invoice)

    monkeypatch.setattr(invoicing, "lock_account", only_read)
    found = errors(race([issue(OrderFactory(), facts)] * AT_ONCE))
    assert len(found) == AT_ONCE - 1
    assert AlreadyInvoiced not in found


def test_of_two_who_ask_for_it_one_gets_201(as_user: Any, make_user: Any) -> None:
    """Two of finance at once, by the API."""
    order = OrderFactory()
    clients = [as_user(make_user(roles=["finance"])) for _ in range(2)]
    answers: list[Any] = race([partial(client.post, f"/api/orders/{order.pk}/invoice") for client in clients])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    (refused,) = [answer for answer in answers if answer.status_code == 409]
    assert refused.json()["errors"][0]["code"] == "already_invoiced"
    assert refused.json()["errors"][0]["meta"]["invoice"] == Invoice.objects.get().pk
