"""Gate passes: when an order has one, who sees it, and that a car leaves once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import GatePass, Invoice, Order, Refund, SettlementEvent
from auctions.services import gate_passes
from auctions.services.orders import choose_self_pickup, dispute_order, resolve_dispute
from auctions.services.settling import lock_order
from tests.answers import refused
from tests.auctions.deliveries import history, paid_order, pass_for, pay, staff, transport_of
from tests.auctions.factories import BidderFactory, OrderFactory, PaymentFactory
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    return paid_order(buyer=BidderFactory())


@pytest.fixture
def gate(as_user: Any, make_user: Any) -> APIClient:
    """An attendant's."""
    return as_user(make_user(roles=["parking_attendant"]))


def use(client: APIClient, code: str, **headers: str) -> Any:
    return client.post(f"/api/gate-passes/{code}/use", headers=headers)


@transaction.atomic
def issue(order: Order) -> GatePass | None:
    return gate_passes.issue_pass(lock_order(order.pk), actor=None, now=timezone.now())


@transaction.atomic
def revoke(order: Order) -> None:
    gate_passes.revoke_pass(lock_order(order.pk), reason="A refund.", actor=None, now=timezone.now())


def refund_of(order: Order, status: str) -> Refund:
    payment = PaymentFactory(order=order, status="succeeded")
    done_at = timezone.now() if status == "done" else None
    given = {"amount": "10.00", "currency": "USD", "reason": "Too much.", "status": status, "done_at": done_at}
    return Refund.objects.create(order=order, payment=payment, **given)


# --- When there is one


def test_a_paid_order_has_a_pass(order: Order) -> None:
    gate_pass = pass_for(order)
    assert gate_pass.code.startswith("GP-")
    assert history(gate_pass, "gate_pass") == ["issued"]
    assert gate_pass.code not in str(list(SettlementEvent.objects.values_list("details", "reason")))


def test_an_unpaid_order_has_none() -> None:
    assert issue(OrderFactory()) is None


def test_a_pass_stays(order: Order) -> None:
    assert issue(order) == pass_for(order)
    assert GatePass.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        ("requested", True),
        ("rejected", True),
        ("done", True),
        ("approved", False),
        ("in_transit", False),
        ("failed", False),
    ],
)
def test_money_on_its_way_back_keeps_the_car(order: Order, status: str, stands: bool) -> None:
    refund_of(order, status)
    revoke(order)
    assert (issue(order) is not None) == stands


def test_an_order_that_owes_again_has_none(order: Order) -> None:
    revoke(order)
    Invoice.objects.filter(order=order).update(paid="1.00")
    assert issue(order) is None


def test_an_invoice_that_was_taken_back_pays_for_no_car(order: Order) -> None:
    revoke(order)
    invoice = Invoice.objects.get(order=order)
    Invoice.objects.filter(order=order).update(paid=0, credited=invoice.total, status="void")
    assert issue(order) is None


def test_a_dispute_takes_the_pass_and_gives_another(order: Order) -> None:
    first = pass_for(order)
    dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=timezone.now())
    assert issue(order) is None
    resolve_dispute(order_id=order.pk, actor=staff(), outcome="back", now=timezone.now())
    second = pass_for(order)
    first.refresh_from_db()
    assert (first.revoked_reason, first.code == second.code) == ("A dent.", False)
    assert history(first, "gate_pass") == ["issued", "revoked"]


def test_revoking_is_for_what_is_there_and_unused(order: Order) -> None:
    revoke(OrderFactory())
    gate_passes.use_pass(code=pass_for(order).code, actor=staff(), now=timezone.now())
    revoke(order)
    assert pass_for(order).used_at is not None


@pytest.mark.parametrize("facts", [{"revoked_at": None}, {"used_at": timezone.now(), "revoked_at": timezone.now()}])
def test_the_constraints_say_the_same(order: Order, facts: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        GatePass.objects.create(code="GP-OTHER", order=order, issued_at=timezone.now(), **facts)


# --- Who sees it


@pytest.mark.parametrize(
    ("who", "status"), [("buyer", 200), ("finance", 200), ("seller", 404), ("moderator", 404), ("stranger", 404)]
)
def test_the_buyer_and_finance_see_the_pass(as_user: Any, make_user: Any, order: Order, who: str, status: int) -> None:
    people: dict[str, User] = {"buyer": order.buyer, "seller": order.seller, "stranger": UserFactory()}
    client = as_user(people.get(who) or make_user(roles=[who]))
    answer = client.get(f"/api/orders/{order.pk}/gate-pass")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["code"] == pass_for(order).code
        assert set(answer.json()) == {"code", "issued_at", "used_at"}


def test_without_a_pass_there_is_none_to_see(as_user: Any, order: Order) -> None:
    client = as_user(order.buyer)
    revoke(order)
    assert client.get(f"/api/orders/{order.pk}/gate-pass").status_code == 404
    unpaid = OrderFactory(buyer=order.buyer)
    assert client.get(f"/api/orders/{unpaid.pk}/gate-pass").status_code == 404


def test_a_pass_takes_no_parameters(as_user: Any, order: Order, api: APIClient) -> None:
    assert as_user(order.buyer).get(f"/api/orders/{order.pk}/gate-pass?a=1").status_code == 400
    assert api.get(f"/api/orders/{order.pk}/gate-pass").status_code == 401


# --- Use


def test_a_buyer_fetches_the_car(gate: APIClient) -> None:
    order = OrderFactory()
    choose_self_pickup(order_id=order.pk, actor=order.buyer, now=timezone.now())
    pay(order)
    answer = use(gate, pass_for(order).code)
    shown = answer.json()
    assert (answer.status_code, shown["order_number"], shown["vehicle"]) == (
        200,
        order.order_number,
        "2018 Honda Accord",
    )
    assert "code" not in shown
    assert history(order, "order")[-3:] == ["paid", "title_processing", "delivered"]
    used = pass_for(order)
    assert (used.used_at is not None, used.used_by is not None) == (True, True)
    assert history(used, "gate_pass") == ["issued", "used"]


def test_a_buyer_who_had_not_decided_has_now(gate: APIClient) -> None:
    order = OrderFactory()
    asked = transport_of(order, "quoted")
    pay(order)
    assert use(gate, pass_for(order).code).json()["delivery"] == "self_pickup"
    order.refresh_from_db()
    asked.refresh_from_db()
    assert (order.delivery, order.status, asked.status) == ("self_pickup", "delivered", "cancelled")
    assert history(order, "order")[-3:] == ["self_pickup", "title_processing", "delivered"]


def test_a_carriers_pass_opens_the_gate_and_no_more(gate: APIClient) -> None:
    order = OrderFactory()
    row = transport_of(order, "assigned")
    assert use(gate, pass_for(order).code).status_code == 200
    order.refresh_from_db()
    row.refresh_from_db()
    assert (order.status, row.status) == ("transport_scheduled", "assigned")


def test_a_car_leaves_once(gate: APIClient, order: Order) -> None:
    code = pass_for(order).code
    assert use(gate, code).status_code == 200
    assert refused(use(gate, code)) == (409, "gate_pass_used")


def test_a_revoked_pass_opens_nothing(gate: APIClient, order: Order) -> None:
    code = pass_for(order).code
    revoke(order)
    assert refused(use(gate, code)) == (409, "gate_pass_revoked")
    assert Order.objects.get(pk=order.pk).status == "paid"


def test_a_code_that_nobody_has_is_404(gate: APIClient) -> None:
    for code in ("GP-00000000", "x", "GP-" + "0" * 60):
        assert use(gate, code).status_code == 404


def test_a_code_may_be_typed_small(gate: APIClient, order: Order) -> None:
    assert use(gate, pass_for(order).code.lower()).status_code == 200


def test_a_repeated_use_with_one_key_is_one(gate: APIClient, order: Order) -> None:
    first, again = (use(gate, pass_for(order).code, **{"Idempotency-Key": "g-1"}) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())


@pytest.mark.parametrize("who", ["buyer", "seller", "moderator", "mechanic"])
def test_only_those_at_the_gate_let_cars_out(as_user: Any, make_user: Any, order: Order, who: str) -> None:
    people: dict[str, User] = {"buyer": order.buyer, "seller": order.seller}
    client = as_user(people.get(who) or make_user(roles=[who]))
    assert use(client, pass_for(order).code).status_code == 403
    assert pass_for(order).used_at is None
