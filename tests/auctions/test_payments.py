"""Paying for orders: /api/orders/{id}/payments and /api/payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import IdempotencyRecord, User
from auctions.models import GatePass, Invoice, Order, Payment, SettlementEvent, TitleTransfer
from auctions.services.payments import end_stale
from tests.answers import error
from tests.auctions.factories import OrderFactory, PaymentFactory
from tests.auctions.paying import FINANCE, TOTAL, invoice_for, pay
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(user: User) -> Invoice:
    return invoice_for(user)


@pytest.fixture
def buyer(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def wire(client: APIClient, invoice: Invoice, amount: Any = TOTAL, **more: Any) -> Any:
    return pay(client, invoice, amount, "manual", **{"reference": "WIRE 1", **more})


def figures(invoice: Invoice) -> tuple[str, Decimal, str]:
    invoice = Invoice.objects.select_related("order").get(pk=invoice.pk)
    return invoice.status, invoice.paid, invoice.order.status


# --- Wires


def test_a_wire_is_money_at_once(finance_client: APIClient, invoice: Invoice) -> None:
    answer = wire(finance_client, invoice, "1000.00")
    assert answer.status_code == 201, answer.content
    assert (answer.json()["status"], answer.json()["action"], answer.json()["reference"]) == (
        "succeeded", None, "WIRE 1",
    )  # fmt: skip
    assert answer["Location"].endswith(f"/api/payments/{answer.json()['id']}")
    assert figures(invoice) == ("partially_paid", Decimal("1000.00"), "awaiting_payment")


def test_what_is_paid_in_full_is_sold(finance_client: APIClient, invoice: Invoice) -> None:
    wire(finance_client, invoice, "1000.00")
    assert not TitleTransfer.objects.exists()
    wire(finance_client, invoice, "325.00")
    assert figures(invoice) == ("paid", TOTAL, "paid")
    order = Order.objects.select_related("listing").get()
    assert (order.listing.status, order.paid_at is not None) == ("sold", True)
    assert TitleTransfer.objects.filter(order=order).exists()
    assert GatePass.objects.filter(order=order, revoked_at=None).exists()


def test_too_much_by_wire_is_the_buyers_credit(finance_client: APIClient, invoice: Invoice) -> None:
    assert wire(finance_client, invoice, "1500.00").status_code == 201
    assert figures(invoice) == ("paid", Decimal("1500.00"), "paid")
    assert Invoice.objects.get().balance == Decimal("-175.00")
    assert wire(finance_client, invoice, "0.01").status_code == 201


def test_a_wire_needs_its_reference(finance_client: APIClient, invoice: Invoice) -> None:
    refused = wire(finance_client, invoice, reference="")
    assert (refused.status_code, error(refused)["code"], error(refused)["attr"]) == (
        422, "reference_required", "reference",
    )  # fmt: skip
    assert not Payment.objects.exists()


def test_a_wire_is_recorded_once(finance_client: APIClient, invoice: Invoice) -> None:
    first = wire(finance_client, invoice, "300.00").json()["id"]
    again = wire(finance_client, invoice, "300.00")
    assert (again.status_code, error(again)["code"], error(again)["attr"]) == (409, "duplicate_payment", "reference")
    assert error(again)["meta"] == {"existing_id": first}
    assert figures(invoice)[1] == Decimal("300.00")
    assert wire(finance_client, invoice, "301.00").status_code == 201
    assert wire(finance_client, invoice, "300.00", reference="WIRE 2").status_code == 201
    elsewhere = invoice_for(UserFactory())
    assert wire(finance_client, elsewhere, "300.00").status_code == 201


def test_the_database_refuses_a_wire_twice(invoice: Invoice) -> None:
    PaymentFactory(order=invoice.order, provider="manual", reference="WIRE 1", amount=Decimal("5.00"))
    with pytest.raises(IntegrityError, match=r"sale_payment_wire|UNIQUE"), transaction.atomic():
        PaymentFactory(order=invoice.order, provider="manual", reference="WIRE 1", amount=Decimal("5.00"))


def test_the_order_remembers_who_took_which_payment(finance_client: APIClient, invoice: Invoice) -> None:
    wire(finance_client, invoice, "1000.00")
    events = SettlementEvent.objects.filter(subject="payment").order_by("id")
    assert [(event.old, event.new) for event in events] == [("", "created"), ("created", "succeeded")]
    assert events[1].details == {"amount": "1000.00", "currency": "USD", "provider": "manual", "reference": "WIRE 1"}
    assert events[1].actor is not None


# --- Cards


def test_a_card_is_on_its_way_until_the_provider_reports(buyer: APIClient, invoice: Invoice) -> None:
    answer = pay(buyer, invoice)
    assert answer.status_code == 201, answer.content
    payment = Payment.objects.get()
    assert (answer.json()["status"], answer.json()["action"]) == ("processing", None)
    assert answer.json()["provider_ref"] == payment.provider_ref == f"sbp_{payment.pk}"
    assert figures(invoice) == ("open", Decimal(0), "awaiting_payment")


def test_a_card_pays_what_is_owed_and_not_on_its_way(
    buyer: APIClient, finance_client: APIClient, invoice: Invoice
) -> None:
    wire(finance_client, invoice, "300.00")
    refused = pay(buyer, invoice, "1025.01")
    assert (refused.status_code, error(refused)["code"]) == (409, "payment_exceeds_balance")
    assert (error(refused)["attr"], error(refused)["meta"]) == ("amount", {"balance": "1025.00"})
    assert pay(buyer, invoice, "1000.00").status_code == 201
    assert error(pay(buyer, invoice, "25.01"))["meta"] == {"balance": "25.00"}
    assert pay(buyer, invoice, "25.00").status_code == 201
    assert error(pay(buyer, invoice, "0.01"))["meta"] == {"balance": "0.00"}


def test_a_failed_attempt_stands_in_nobodys_way(buyer: APIClient, invoice: Invoice) -> None:
    PaymentFactory(order=invoice.order, status="failed")
    PaymentFactory(order=invoice.order, status="cancelled")
    assert pay(buyer, invoice).status_code == 201


def test_an_overpaid_order_takes_no_card(buyer: APIClient, finance_client: APIClient, invoice: Invoice) -> None:
    wire(finance_client, invoice, "1500.00")
    assert error(pay(buyer, invoice, "1.00"))["meta"] == {"balance": "0.00"}


# --- What is refused


def test_without_an_invoice_nothing_is_owed_yet(buyer: APIClient, finance_client: APIClient, user: User) -> None:
    order = OrderFactory(buyer=user)
    for client, provider in ((buyer, "sandbox"), (finance_client, "manual")):
        body = {"provider": provider, "amount": "1.00", "reference": "W"}
        refused = client.post(f"/api/orders/{order.pk}/payments", body)
        assert (refused.status_code, error(refused)["code"]) == (409, "not_invoiced")


@pytest.mark.parametrize("status", ["cancelled", "defaulted", "refunded"])
def test_a_sale_that_came_to_nothing_is_not_paid(
    buyer: APIClient, finance_client: APIClient, invoice: Invoice, status: str
) -> None:
    Order.objects.update(status=status)
    for refused in (pay(buyer, invoice, "1.00"), wire(finance_client, invoice)):
        assert (refused.status_code, error(refused)["code"]) == (409, "order_not_payable")
        assert error(refused)["meta"] == {"status": status}


def test_a_provider_that_is_off_takes_nothing(buyer: APIClient, invoice: Invoice, settings: Any) -> None:
    settings.PAYMENT_PROVIDERS = ["manual"]
    refused = pay(buyer, invoice)
    assert (refused.status_code, error(refused)["code"], error(refused)["attr"]) == (422, "provider_off", "provider")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provider": "sandbox"},
        {"amount": "1.00"},
        {"provider": "paypal", "amount": "1.00"},
        {"provider": "sandbox", "amount": 0},
        {"provider": "sandbox", "amount": "-1.00"},
        {"provider": "sandbox", "amount": "1.001"},
        {"provider": "sandbox", "amount": "1.00", "reference": "x" * 65},
        {"provider": "sandbox", "amount": "1.00", "status": "succeeded"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(buyer: APIClient, invoice: Invoice, body: dict[str, Any]) -> None:
    assert buyer.post(f"/api/orders/{invoice.order_id}/payments", body).status_code == 400
    assert not Payment.objects.exists()


# --- Who may


def test_who_may_pay_and_who_may_not(
    as_user: Any, make_user: Any, user: User, other_user: User, invoice: Invoice, finance_client: APIClient
) -> None:
    seller, clerk = as_user(invoice.order.seller), as_user(make_user(perms=["auctions.view_order"]))
    moderator = as_user(make_user(roles=["moderator"]))
    for provider in ("sandbox", "manual"):
        for client, status in ((seller, 403), (clerk, 403), (moderator, 403), (as_user(other_user), 404)):
            assert pay(client, invoice, "1.00", provider, reference="W").status_code == status
    assert wire(as_user(user), invoice).status_code == 403
    assert pay(finance_client, invoice).status_code == 403
    assert APIClient().post(f"/api/orders/{invoice.order_id}/payments", {}).status_code == 401
    assert not Payment.objects.exists()


def test_payments_are_between_the_buyer_and_the_house(
    as_user: Any, make_user: Any, buyer: APIClient, other_user: User, invoice: Invoice, finance_client: APIClient
) -> None:
    payment = PaymentFactory(order=invoice.order)
    seller, moderator = as_user(invoice.order.seller), as_user(make_user(roles=["moderator"]))
    for client in (buyer, finance_client):
        assert [row["id"] for row in client.get("/api/payments").json()["results"]] == [payment.pk]
        assert client.get(f"/api/payments/{payment.pk}").status_code == 200
    for client in (seller, moderator, as_user(other_user)):
        assert client.get("/api/payments").json()["results"] == []
        assert client.get(f"/api/payments/{payment.pk}").status_code == 404


# --- Repetition


def test_a_repeated_post_with_a_key_pays_once(buyer: APIClient, finance_client: APIClient, invoice: Invoice) -> None:
    answers = [pay(buyer, invoice, "100.00", key="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert len({wire(finance_client, invoice, "50.00", key="w").json()["id"] for _ in range(2)}) == 1
    assert Payment.objects.count() == 2
    assert figures(invoice)[1] == Decimal("50.00")


def test_the_key_of_a_refused_post_is_free(buyer: APIClient, invoice: Invoice) -> None:
    assert pay(buyer, invoice, "9999.00", key="k").status_code == 409
    assert not IdempotencyRecord.objects.exists()


# --- Lists


def test_the_list_is_filtered(finance_client: APIClient, invoice: Invoice) -> None:
    first = PaymentFactory(order=invoice.order)
    second = PaymentFactory(provider="manual", provider_ref="", status="succeeded", amount=Decimal("5.00"))

    def found(**query: Any) -> list[int]:
        answer = finance_client.get("/api/payments", query)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert found() == [second.pk, first.pk]
    assert found(order=invoice.order_id) == [first.pk]
    assert found(provider="manual") == found(status="succeeded") == [second.pk]
    assert found(ordering="-amount") == [first.pk, second.pk]
    tomorrow = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found(created_after=tomorrow) == []
    assert len(found(created_before=tomorrow)) == 2
    assert finance_client.get("/api/payments", {"status": "paid"}).status_code == 400
    assert finance_client.get("/api/payments", {"payer": "1"}).status_code == 400


def test_the_number_of_queries_does_not_grow_with_the_list(
    finance_client: APIClient, invoice: Invoice, django_assert_max_num_queries: Any
) -> None:
    PaymentFactory.create_batch(3, order=invoice.order)
    finance_client.get("/api/payments")
    with django_assert_max_num_queries(6):
        finance_client.get("/api/payments")
    PaymentFactory.create_batch(10, order=invoice.order)
    with django_assert_max_num_queries(6):
        assert len(finance_client.get("/api/payments").json()["results"]) == 13


# --- What nobody goes on with


def test_attempts_that_nobody_goes_on_with_are_ended(invoice: Invoice) -> None:
    now = timezone.now()
    left_behind = PaymentFactory(order=invoice.order, status="created", provider_ref="")
    fresh = PaymentFactory(order=invoice.order, status="requires_action")
    under_way = PaymentFactory(order=invoice.order)
    assert end_stale(now=now).done == 0
    assert end_stale(now=now + timedelta(minutes=16)).done == 1
    left_behind.refresh_from_db()
    assert left_behind.status == "cancelled"
    assert end_stale(now=now + timedelta(hours=23, minutes=59)).done == 0
    assert end_stale(now=now + timedelta(days=1, minutes=1)).done == 2
    fresh.refresh_from_db()
    under_way.refresh_from_db()
    # The sandbox was asked, and has taken the card.
    assert (fresh.status, under_way.status, figures(invoice)[1]) == ("cancelled", "succeeded", TOTAL)


def test_attempts_to_pay_what_is_not_owed_any_more_are_ended(finance_client: APIClient, invoice: Invoice) -> None:
    waiting = PaymentFactory(order=invoice.order, status="requires_action")
    wire(finance_client, invoice)
    assert end_stale(now=timezone.now()).done == 1
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"


def test_finance_is_who_may(make_user: Any, as_user: Any, invoice: Invoice) -> None:
    """By permission, not by the name of a role."""
    assert wire(as_user(make_user(perms=FINANCE)), invoice).status_code == 201
