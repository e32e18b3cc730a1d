"""What is done to orders: self-pickup, cancel, dispute, resolve, complete."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import CreditNote, GatePass, Listing, Order, Payout, Refund, SettlementEvent, TransportOrder
from auctions.services.balances import credit_invoice, lock_account, take_money
from auctions.services.orders import complete_order, dispute_order, resolve_dispute
from auctions.services.refunds import approve_refund, ask_for_refund
from tests.answers import refused
from tests.auctions.factories import OrderFactory, PaymentFactory
from tests.auctions.orders import TOTAL, delivered_order, invoice_of, invoiced_order, paid_order, pay, reread
from tests.auctions.test_orders import transport_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

REASON = {"reason": "The engine is another one."}
BACK = {"outcome": "back"}
REFUND = {"outcome": "refund", **REASON}


def post(client: APIClient, order: Order, verb: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"/api/orders/{order.pk}/{verb}", body, format="json", **headers)


def done(client: APIClient, order: Order, verb: str, body: Any = None) -> dict[str, Any]:
    answer = post(client, order, verb, body)
    assert answer.status_code == 200, answer.content
    order.refresh_from_db()
    shown = client.get(f"/api/orders/{order.pk}").json()
    assert answer.json() == shown
    return shown


def meta(answer: Any) -> Any:
    return answer.json()["errors"][0]["meta"]


def events(order: Order) -> list[tuple[str, str]]:
    return list(SettlementEvent.objects.filter(order=order).order_by("id").values_list("subject", "new"))


def listing_status(order: Order) -> str:
    return Listing.objects.get(pk=order.listing_id).status


def refund_everything(order: Order) -> None:
    """The wire goes back, and a credit note says so."""
    asked = {"payment_id": order.payments.get().pk, "amount": TOTAL, "reason": "Sorry."}
    refund = ask_for_refund(actor=order.buyer, now=timezone.now(), **asked)
    approve_refund(refund_id=refund.pk, actor=UserFactory(), now=timezone.now())


# --- Self-pickup


def test_a_buyer_who_picks_the_car_up_gets_the_invoice(as_user: Any) -> None:
    order = OrderFactory()
    asked = transport_of(order)
    shown = done(as_user(order.buyer), order, "self-pickup")
    assert (shown["delivery"], shown["status"], shown["transport_order"]) == ("self_pickup", "awaiting_payment", None)
    assert (shown["invoice"]["total"], shown["invoice"]["status"]) == ("1325.00", "open")
    asked.refresh_from_db()
    assert asked.status == "cancelled"
    assert events(order) == [("transport_order", "cancelled"), ("order", "self_pickup"), ("invoice", "issued")]


def test_a_quote_is_cancelled_too_and_an_overdue_order_may_still_choose(as_user: Any) -> None:
    order = OrderFactory(status="overdue")
    asked = transport_of(order, status="quoted", quoted_price=Decimal("450.00"))
    assert done(as_user(order.buyer), order, "self-pickup")["invoice"]["total"] == "1325.00"
    asked.refresh_from_db()
    assert asked.status == "cancelled"


def test_delivery_is_chosen_once(as_user: Any) -> None:
    order = OrderFactory()
    client = as_user(order.buyer)
    done(client, order, "self-pickup")
    answer = post(client, order, "self-pickup")
    assert (refused(answer), meta(answer)) == ((409, "delivery_decided"), {"delivery": "self_pickup"})
    booked = OrderFactory(delivery="transport")
    assert refused(post(as_user(booked.buyer), booked, "self-pickup")) == (409, "delivery_decided")


@pytest.mark.parametrize("status", ["awaiting_payment", "paid"])
def test_an_order_that_finance_invoiced_before_is_not_invoiced_again(as_user: Any, status: str) -> None:
    """Also a paid one: its booked transport may have been cancelled, and the car is to be fetched still."""
    order = invoiced_order()
    if status == "paid":
        pay(order)
    Order.objects.update(delivery="")
    number = invoice_of(order).number
    shown = done(as_user(order.buyer), order, "self-pickup")
    assert (shown["invoice"]["number"], shown["status"], shown["delivery"]) == (number, status, "self_pickup")


@pytest.mark.parametrize("status", ["cancelled", "defaulted", "refunded", "delivered", "in_transit"])
def test_a_delivery_that_is_over_is_not_chosen(as_user: Any, status: str) -> None:
    order = OrderFactory(status=status)
    answer = post(as_user(order.buyer), order, "self-pickup")
    assert refused(answer) == (409, "invalid_transition")
    assert meta(answer) == {"from": status, "to": "self_pickup", "allowed": []}


def test_only_the_buyer_chooses(as_user: Any, finance_client: APIClient, make_user: Any) -> None:
    order = OrderFactory()
    assert post(as_user(order.seller), order, "self-pickup").status_code == 403
    assert post(finance_client, order, "self-pickup").status_code == 403
    assert post(as_user(make_user()), order, "self-pickup").status_code == 404
    assert refused(post(as_user(order.buyer), order, "self-pickup", {"x": 1})) == (400, "unknown_field")


def test_a_choice_that_is_sent_again_is_answered_again(as_user: Any) -> None:
    order = OrderFactory()
    client = as_user(order.buyer)
    first, again = (post(client, order, "self-pickup", HTTP_IDEMPOTENCY_KEY="pickup-1") for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert events(order).count(("order", "self_pickup")) == 1


# --- Cancel


@pytest.mark.parametrize("status", ["awaiting_payment", "overdue"])
def test_an_unpaid_order_is_cancelled_and_its_listing_free(finance_client: APIClient, status: str) -> None:
    order = OrderFactory(status=status)
    asked = transport_of(order)
    shown = done(finance_client, order, "cancel", REASON)
    assert (shown["status"], shown["invoice"], listing_status(order)) == ("cancelled", None, "active")
    asked.refresh_from_db()
    assert asked.status == "cancelled"
    assert SettlementEvent.objects.get(subject="order").reason == REASON["reason"]
    assert OrderFactory(listing=order.listing).pk


def test_its_invoice_is_voided_by_a_credit_note(finance_client: APIClient) -> None:
    order = invoiced_order()
    invoice = done(finance_client, order, "cancel", REASON)["invoice"]
    assert (invoice["status"], invoice["credited"], invoice["balance"]) == ("void", "1325.00", "0.00")
    note = CreditNote.objects.get()
    assert (note.amount, note.refund, note.reason) == (TOTAL, None, REASON["reason"])
    assert events(order)[-2:] == [("order", "cancelled"), ("credit_note", "issued")]


def test_an_order_with_money_is_not_cancelled(finance_client: APIClient) -> None:
    order = invoiced_order()
    pay(order, Decimal("25.00"))
    answer = post(finance_client, order, "cancel", REASON)
    assert (refused(answer), meta(answer)) == ((409, "money_received"), {"paid": "25.00"})
    pay(order, Decimal("1300.00"))
    assert refused(post(finance_client, order, "cancel", REASON)) == (409, "money_received")
    assert reread(order).status == "paid"


@pytest.mark.parametrize(
    ("status", "answer"), [("processing", 409), ("created", 409), ("requires_action", 200), ("failed", 200)]
)
def test_a_payment_on_its_way_keeps_the_order(finance_client: APIClient, status: str, answer: int) -> None:
    order = invoiced_order()
    PaymentFactory(order=order, status=status)
    found = post(finance_client, order, "cancel", REASON)
    assert found.status_code == answer
    assert answer == 200 or refused(found) == (409, "payment_in_progress")


def test_a_paid_order_is_cancelled_once_all_was_refunded(finance_client: APIClient) -> None:
    order = paid_order()
    refund_everything(order)
    shown = done(finance_client, order, "cancel", REASON)
    assert (shown["status"], shown["invoice"]["status"], shown["title_transfer"]["status"]) == (
        "cancelled",
        "void",
        "cancelled",
    )
    assert listing_status(order) == "sold"
    assert not GatePass.objects.filter(revoked_at=None).exists()
    assert CreditNote.objects.count() == 1


def test_money_that_came_and_went_leaves_the_rest_to_a_credit_note(finance_client: APIClient) -> None:
    order = invoiced_order()
    pay(order, Decimal("25.00"))
    with transaction.atomic():
        account = lock_account(order.pk)
        credit_invoice(account, Decimal("25.00"), reason="Refunded.", actor=None, now=timezone.now())
        take_money(account, Decimal("-25.00"), actor=None, now=timezone.now())
    assert done(finance_client, order, "cancel", REASON)["invoice"]["status"] == "void"
    assert list(CreditNote.objects.order_by("id").values_list("amount", flat=True)) == [25, 1300]


def test_the_sale_of_a_car_that_has_left_is_not_taken_back(finance_client: APIClient) -> None:
    order = paid_order()
    transport_of(order, status="assigned", quoted_price=1, carrier="Fast")
    Order.objects.update(status="transport_scheduled", delivery="transport")
    GatePass.objects.update(used_at=timezone.now())
    refund_everything(order)
    assert refused(post(finance_client, order, "cancel", REASON)) == (409, "gate_pass_used")
    assert reread(order).status == "transport_scheduled"


@pytest.mark.parametrize("status", ["in_transit", "delivered", "completed", "cancelled", "defaulted", "refunded"])
def test_it_may_be_too_late_to_cancel(finance_client: APIClient, status: str) -> None:
    assert refused(post(finance_client, OrderFactory(status=status), "cancel", REASON)) == (409, "invalid_transition")


def test_finance_alone_cancels_and_says_why(as_user: Any, make_user: Any, finance_client: APIClient) -> None:
    order = OrderFactory()
    for person in (order.buyer, order.seller, make_user(), make_user(roles=["moderator"])):
        assert post(as_user(person), order, "cancel", REASON).status_code == 403
    for body in ({}, {"reason": ""}, {"reason": 5}, {"reason": "x" * 501}, REASON | {"more": 1}):
        assert post(finance_client, order, "cancel", body).status_code == 400
    first, again = (post(finance_client, order, "cancel", REASON, HTTP_IDEMPOTENCY_KEY="cancel-1") for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert refused(post(finance_client, order, "cancel", REASON)) == (409, "invalid_transition")
    assert events(order) == [("order", "cancelled")]


# --- Dispute


def test_a_dispute_stops_the_car_and_the_payout(as_user: Any) -> None:
    order = paid_order()
    client = as_user(order.buyer)
    shown = done(client, order, "dispute", REASON)
    assert (shown["status"], order.disputed_from) == ("disputed", "paid")
    gate_pass = GatePass.objects.get()
    assert (gate_pass.revoked_at is None, gate_pass.revoked_reason) == (False, REASON["reason"])
    assert events(order)[-2:] == [("order", "disputed"), ("gate_pass", "revoked")]
    delivered = delivered_order()
    done(as_user(delivered.buyer), delivered, "dispute", REASON)
    assert Payout.objects.get().status == "held"


@pytest.mark.parametrize(
    "status", ["paid", "title_processing", "transport_scheduled", "in_transit", "delivered", "completed"]
)
def test_every_paid_order_can_be_disputed(finance_client: APIClient, status: str) -> None:
    order = OrderFactory(status=status)
    assert done(finance_client, order, "dispute", REASON)["status"] == "disputed"
    assert order.disputed_from == status


@pytest.mark.parametrize("status", ["awaiting_payment", "overdue", "cancelled", "defaulted", "refunded"])
def test_no_other_can_be_disputed(as_user: Any, status: str) -> None:
    order = OrderFactory(status=status)
    assert refused(post(as_user(order.buyer), order, "dispute", REASON)) == (409, "invalid_transition")


def test_nobody_disputes_twice(as_user: Any) -> None:
    order = paid_order()
    client = as_user(order.buyer)
    first, again = (post(client, order, "dispute", REASON, HTTP_IDEMPOTENCY_KEY="d-1") for _ in range(2))
    assert (first.status_code, again.json()) == (200, first.json())
    assert refused(post(client, order, "dispute", REASON)) == (409, "invalid_transition")


@pytest.mark.parametrize(("days", "status"), [(13, 200), (15, 409)])
def test_a_completed_order_can_be_disputed_for_two_weeks(as_user: Any, days: int, status: int) -> None:
    order = delivered_order()
    completed_at = timezone.now() - timedelta(days=days)
    complete_order(order_id=order.pk, actor=order.buyer, now=completed_at)
    answer = post(as_user(order.buyer), order, "dispute", REASON)
    assert answer.status_code == status
    assert status == 200 or refused(answer) == (409, "dispute_too_late")


def test_a_dispute_that_went_back_gives_no_new_two_weeks(as_user: Any, finance: User) -> None:
    order = delivered_order()
    first, later = timezone.now() - timedelta(days=15), timezone.now() - timedelta(days=5)
    complete_order(order_id=order.pk, actor=order.buyer, now=first)
    dispute_order(order_id=order.pk, actor=order.buyer, now=later, **REASON)
    resolve_dispute(order_id=order.pk, actor=finance, now=later, **BACK)
    assert reread(order).status == "completed"
    answer = post(as_user(order.buyer), order, "dispute", REASON)
    assert refused(answer) == (409, "dispute_too_late")
    assert meta(answer)["until"].startswith(f"{first + timedelta(days=14):%Y-%m-%dT%H:%M:%S}")


def test_buyer_and_finance_dispute_and_say_why(as_user: Any, make_user: Any) -> None:
    order = paid_order()
    assert post(as_user(order.seller), order, "dispute", REASON).status_code == 403
    assert post(as_user(make_user(roles=["moderator"])), order, "dispute", REASON).status_code == 403
    assert post(as_user(make_user()), order, "dispute", REASON).status_code == 404
    assert post(as_user(order.buyer), order, "dispute", {}).status_code == 400


# --- Resolve


@pytest.mark.parametrize("status", ["paid", "delivered"])
def test_a_dispute_goes_back_to_where_it_was(as_user: Any, finance_client: APIClient, status: str) -> None:
    order = paid_order() if status == "paid" else delivered_order()
    done(as_user(order.buyer), order, "dispute", REASON)
    shown = done(finance_client, order, "resolve", BACK)
    assert (shown["status"], order.disputed_from) == (status, "")
    if status == "paid":
        assert GatePass.objects.filter(revoked_at=None, used_at=None).count() == 1
    else:
        assert Payout.objects.get().status == "due"
        assert GatePass.objects.get().used_at is not None


def test_a_refund_undoes_the_sale(as_user: Any, finance_client: APIClient, finance: User) -> None:
    order = delivered_order(title="sent")
    done(as_user(order.buyer), order, "dispute", REASON)
    shown = done(finance_client, order, "resolve", REFUND)
    assert (shown["status"], shown["title_transfer"]["status"]) == ("refunded", "cancelled")
    invoice = shown["invoice"]
    assert (invoice["status"], invoice["credited"], invoice["credit"]) == ("void", "1325.00", "1325.00")
    refund = Refund.objects.get()
    assert (refund.amount, refund.status, refund.reason) == (TOTAL, "requested", REASON["reason"])
    assert refund.requested_by == finance
    assert Payout.objects.get().status == "cancelled"
    assert listing_status(order) == "sold"


def test_the_refund_of_an_undone_sale_credits_nothing_twice(as_user: Any, finance_client: APIClient) -> None:
    order = paid_order()
    done(as_user(order.buyer), order, "dispute", REASON)
    done(finance_client, order, "resolve", REFUND)
    approve_refund(refund_id=Refund.objects.get().pk, actor=UserFactory(), now=timezone.now())
    invoice = invoice_of(order)
    assert (invoice.status, invoice.paid, invoice.balance) == ("void", 0, 0)
    assert CreditNote.objects.get().amount == TOTAL
    assert not GatePass.objects.filter(revoked_at=None).exists()


def test_all_that_is_left_of_every_payment_is_asked_back(as_user: Any, finance_client: APIClient, user: User) -> None:
    order = invoiced_order()
    first, second = pay(order, Decimal("1000.00")), pay(order, Decimal("400.00"))
    PaymentFactory(order=order, status="failed")
    asked = {"order": order, "currency": "USD", "reason": "Earlier.", "payment": first}
    Refund.objects.create(amount=100, **asked)
    Refund.objects.create(amount=50, status="rejected", **asked)
    done(as_user(order.buyer), order, "dispute", REASON)
    done(finance_client, order, "resolve", {"outcome": "refund"})
    new = Refund.objects.exclude(reason="Earlier.").order_by("payment").values_list("payment", "amount", "reason")
    text = f"Order {order.order_number} is refunded."
    assert list(new) == [(first.pk, 900, text), (second.pk, 400, text)]


def test_a_transport_that_has_not_begun_is_cancelled_by_a_refund(as_user: Any, finance_client: APIClient) -> None:
    order, gone = paid_order(), paid_order()
    facts = {"quoted_price": 1, "carrier": "Fast"}
    planned = transport_of(order, status="assigned", **facts)
    under_way = transport_of(gone, status="in_transit", picked_up_at=timezone.now(), **facts)
    GatePass.objects.filter(order=gone).update(used_at=timezone.now())
    for each in (order, gone):
        done(finance_client, each, "dispute", REASON)
        done(finance_client, each, "resolve", REFUND)
    found = dict(TransportOrder.objects.values_list("pk", "status"))
    assert found == {planned.pk: "cancelled", under_way.pk: "in_transit"}


@pytest.mark.parametrize("body", [BACK, REFUND])
def test_only_a_dispute_is_resolved(finance_client: APIClient, body: dict[str, str]) -> None:
    for order in (OrderFactory(), paid_order(), OrderFactory(status="refunded")):
        answer = post(finance_client, order, "resolve", body)
        to = {"back": "back", "refund": "refunded"}[body["outcome"]]
        assert refused(answer) == (409, "invalid_transition")
        assert meta(answer) == {"from": order.status, "to": to, "allowed": []}


def test_finance_alone_resolves(as_user: Any, make_user: Any, finance_client: APIClient) -> None:
    order = paid_order()
    done(as_user(order.buyer), order, "dispute", REASON)
    for person in (order.buyer, order.seller, make_user(), make_user(roles=["moderator"])):
        assert post(as_user(person), order, "resolve", BACK).status_code == 403
    for body in ({}, {"outcome": "forward"}, {"outcome": None}, BACK | {"amount": "1.00"}):
        assert post(finance_client, order, "resolve", body).status_code == 400
    first, again = (post(finance_client, order, "resolve", REFUND, HTTP_IDEMPOTENCY_KEY="r-1") for _ in range(2))
    assert (first.status_code, again.json(), Refund.objects.count()) == (200, first.json(), 1)
    assert refused(post(finance_client, order, "resolve", REFUND)) == (409, "invalid_transition")


# --- Complete


def test_a_delivered_car_with_its_title_completes_the_order(as_user: Any, finance_client: APIClient) -> None:
    order = delivered_order()
    assert done(as_user(order.buyer), order, "complete")["status"] == "completed"
    assert events(order)[-1] == ("order", "completed")
    assert done(finance_client, delivered_order(), "complete")["status"] == "completed"


def test_without_the_title_it_is_not_completed(as_user: Any) -> None:
    order = delivered_order(title="sent")
    answer = post(as_user(order.buyer), order, "complete")
    assert (refused(answer), meta(answer)) == ((409, "title_not_completed"), {"status": "sent"})
    untitled = OrderFactory(status="delivered")
    answer = post(as_user(untitled.buyer), untitled, "complete")
    assert (refused(answer), meta(answer)) == ((409, "title_not_completed"), {"status": None})


@pytest.mark.parametrize("status", ["awaiting_payment", "paid", "in_transit", "completed", "refunded"])
def test_only_what_was_delivered_is_completed(finance_client: APIClient, status: str) -> None:
    assert refused(post(finance_client, OrderFactory(status=status), "complete")) == (409, "invalid_transition")


def test_a_dispute_is_not_completed(as_user: Any, finance_client: APIClient) -> None:
    order = delivered_order()
    done(as_user(order.buyer), order, "dispute", REASON)
    assert refused(post(finance_client, order, "complete")) == (409, "invalid_transition")


def test_buyer_and_finance_complete(as_user: Any, make_user: Any) -> None:
    order = delivered_order()
    assert post(as_user(order.seller), order, "complete").status_code == 403
    assert post(as_user(make_user()), order, "complete").status_code == 404
    client = as_user(order.buyer)
    first, again = (post(client, order, "complete", HTTP_IDEMPOTENCY_KEY="c-1") for _ in range(2))
    assert (first.status_code, again.json()) == (200, first.json())
