"""Refunds: never more than came in, reserved from their approval on, and credited when they are done."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import CreditNote, Invoice, Order, Payout, Refund, SettlementEvent
from auctions.services.balances import lock_account
from auctions.services.orders import MoneyReceived, cancel_order, dispute_order, resolve_dispute
from auctions.services.payouts import make_payout, pay_payout
from auctions.services.refunds import (
    RefundExceedsPayment,
    SecondPersonNeeded,
    approve_refund,
    reject_refund,
    request_refund,
    retry_refund,
)
from common.errors import InvalidTransition, NotFound
from tests.answers import error
from tests.auctions.factories import PaymentFactory
from tests.auctions.orders import TOTAL, invoiced_order
from tests.auctions.refunding import approved, figures, has_pass, paid, refunded, requested, statuses
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/api/refunds"


@pytest.fixture
def client(as_user: Any, finance: User) -> APIClient:
    return as_user(finance)


# --- Asking


def test_finance_asks_for_a_refund(client: APIClient, finance: User) -> None:
    payment = paid()
    answer = client.post(
        f"/api/payments/{payment.pk}/refunds", {"amount": "100.00", "reason": "A scratch."}, format="json"
    )
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert shown["status"] == "requested"
    assert (shown["amount"], shown["currency"], shown["reason"]) == ("100.00", "USD", "A scratch.")
    assert (shown["payment"], shown["order"], shown["requested_by"]) == (payment.pk, payment.order_id, finance.pk)
    assert client.get(answer["Location"]).json() == shown
    event = SettlementEvent.objects.get(subject="refund", subject_id=shown["id"])
    assert (event.old, event.new, event.reason, event.actor_id) == ("", "requested", "A scratch.", finance.pk)
    assert event.details == {"amount": "100.00", "currency": "USD", "payment": payment.pk}
    assert figures(payment) == ("1325.00", "0.00", "0.00")
    assert has_pass(payment)


def test_the_same_key_asks_once(client: APIClient) -> None:
    payment = paid()
    url, body = f"/api/payments/{payment.pk}/refunds", {"amount": "1000.00", "reason": "A scratch."}
    answers = [client.post(url, body, format="json", headers={"Idempotency-Key": "r-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Refund.objects.count() == 1


def test_all_that_is_asked_for_is_at_most_the_payment(client: APIClient) -> None:
    payment = paid()
    requested(payment, "1000.00")
    url = f"/api/payments/{payment.pk}/refunds"
    answer = client.post(url, {"amount": "325.01", "reason": "More."}, format="json")
    assert (answer.status_code, error(answer)["code"]) == (409, "refund_exceeds_payment")
    assert (error(answer)["attr"], error(answer)["meta"]) == ("amount", {"refundable": "325.00"})
    assert client.post(url, {"amount": "325.00", "reason": "More."}, format="json").status_code == 201


def test_what_was_rejected_may_be_asked_for_again() -> None:
    payment, finance = paid(), UserFactory()
    first = requested(payment, TOTAL)
    with pytest.raises(RefundExceedsPayment):
        requested(payment, "0.01")
    reject_refund(refund_id=first.pk, reason="No.", actor=finance, now=timezone.now())
    assert requested(payment, TOTAL).status == "requested"


@pytest.mark.parametrize("status", ["created", "requires_action", "processing", "failed", "cancelled"])
def test_only_money_that_came_in_goes_back(client: APIClient, status: str) -> None:
    payment = PaymentFactory(order=invoiced_order(), status=status)
    answer = client.post(f"/api/payments/{payment.pk}/refunds", {"amount": "1.00", "reason": "No."}, format="json")
    assert (answer.status_code, error(answer)["code"]) == (409, "invalid_transition")
    assert error(answer)["meta"] == {"from": status, "to": "refunded", "allowed": []}


@pytest.mark.parametrize(
    ("body", "status", "attr"),
    [
        ({"amount": "0.00", "reason": "Nothing."}, 422, "amount"),
        ({"amount": "-1.00", "reason": "Less."}, 400, "amount"),
        ({"amount": "1.001", "reason": "A bit."}, 400, "amount"),
        ({"amount": "1.00"}, 400, "reason"),
        ({"amount": "1.00", "reason": ""}, 400, "reason"),
        ({"amount": "1.00", "reason": "x" * 501}, 400, "reason"),
        ({"amount": "1.00", "reason": "Good.", "status": "done"}, 400, "status"),
    ],
)
def test_bad_input(client: APIClient, body: dict[str, Any], status: int, attr: str) -> None:
    answer = client.post(f"/api/payments/{paid().pk}/refunds", body, format="json")
    assert (answer.status_code, error(answer)["attr"]) == (status, attr)
    assert not Refund.objects.exists()


# --- Deciding


def test_a_wire_that_is_approved_is_back_at_once(client: APIClient) -> None:
    payment = paid()
    refund = requested(payment)
    answer = client.post(f"{URL}/{refund.pk}/approve")
    assert answer.status_code == 200, answer.content
    note = CreditNote.objects.get()
    shown = answer.json()
    assert (shown["status"], shown["attempt"], shown["credit_note"]) == ("done", 1, note.number)
    assert shown["done_at"] is not None
    assert statuses(refund) == ["requested", "approved", "in_transit", "done"]
    assert figures(payment) == ("1225.00", "100.00", "100.00")
    assert (note.refund_id, note.amount, note.reason) == (
        refund.pk,
        Decimal("100.00"),
        f"Refund {refund.pk}: A scratch.",
    )
    order = Order.objects.get(pk=payment.order_id)
    assert (order.status, order.invoice.status) == ("paid", "paid")
    assert list(order.gate_passes.order_by("id").values_list("revoked_reason", flat=True)) == [
        "A refund was approved.", "",
    ]  # fmt: skip


def test_who_asked_does_not_approve_above_the_limit(client: APIClient, finance: User, settings: Any) -> None:
    settings.REFUND_APPROVAL_LIMIT = Decimal("500.00")
    payment = paid()
    large, small = requested(payment, "500.01", by=finance), requested(payment, "500.00", by=finance)
    answer = client.post(f"{URL}/{large.pk}/approve")
    assert (answer.status_code, error(answer)["code"]) == (403, "second_person_needed")
    assert error(answer)["meta"] == {"limit": "500.00"}
    assert statuses(large) == ["requested"]
    assert figures(payment) == ("1325.00", "0.00", "0.00")
    assert has_pass(payment)
    assert client.post(f"{URL}/{small.pk}/approve").json()["status"] == "done"
    second = approve_refund(refund_id=large.pk, actor=UserFactory(), now=timezone.now())
    assert second.status == "done"
    assert figures(payment) == ("324.99", "1000.01", "1000.01")


def test_a_large_refund_in_small_parts_is_a_large_one(client: APIClient, finance: User, settings: Any) -> None:
    settings.REFUND_APPROVAL_LIMIT = Decimal("500.00")
    payment = paid()
    parts = [requested(payment, "250.00", by=finance) for _ in range(3)]
    statuses_seen = [client.post(f"{URL}/{part.pk}/approve").status_code for part in parts]
    assert statuses_seen == [200, 200, 403]
    rejected = client.post(f"{URL}/{parts[2].pk}/reject", {"reason": "Too much."}, format="json")
    assert rejected.status_code == 200
    assert client.post(f"{URL}/{requested(payment, '0.01', by=finance).pk}/approve").status_code == 403
    others = requested(payment, "400.00", by=UserFactory())
    assert client.post(f"{URL}/{others.pk}/approve").status_code == 200
    assert client.post(f"{URL}/{requested(paid(), '500.00', by=finance).pk}/approve").status_code == 200


def test_who_asked_may_reject_above_the_limit(client: APIClient, finance: User) -> None:
    refund = requested(paid(), "1000.00", by=finance)
    answer = client.post(f"{URL}/{refund.pk}/reject", {"reason": "A mistake."}, format="json")
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    assert answer.json()["decided_by"] == finance.pk
    event = SettlementEvent.objects.get(subject="refund", new="rejected")
    assert (event.reason, event.actor_id) == ("A mistake.", finance.pk)
    assert client.post(f"{URL}/{refund.pk}/reject", {}, format="json").status_code == 400


def test_a_refund_is_decided_once(client: APIClient) -> None:
    payment = paid(provider="sandbox")
    decided = approved(payment)
    rejected = requested(payment)
    reject_refund(refund_id=rejected.pk, reason="No.", actor=UserFactory(), now=timezone.now())
    for refund in (decided, rejected):
        for path, body in (("approve", {}), ("reject", {"reason": "No."}), ("retry", {})):
            answer = client.post(f"{URL}/{refund.pk}/{path}", body, format="json")
            assert (answer.status_code, error(answer)["code"]) == (409, "invalid_transition"), path
    assert figures(payment) == ("1325.00", "0.00", "100.00")


def test_the_same_key_approves_once(client: APIClient) -> None:
    refund = requested(paid())
    answers = [client.post(f"{URL}/{refund.pk}/approve", headers={"Idempotency-Key": "a-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert CreditNote.objects.count() == 1


def test_what_is_not_there() -> None:
    facts = {"actor": UserFactory(), "now": timezone.now()}
    for decide in (approve_refund, retry_refund):
        with pytest.raises(NotFound):
            decide(refund_id=1, **facts)
    with pytest.raises(NotFound):
        reject_refund(refund_id=1, reason="No.", **facts)


# --- What is credited


def test_a_whole_refund_voids_the_invoice_and_the_car_stays() -> None:
    payment = paid()
    refunded(payment, TOTAL)
    assert figures(payment) == ("0.00", "1325.00", "1325.00")
    assert Invoice.objects.get().status == "void"
    assert not has_pass(payment)


def test_what_was_paid_too_much_goes_back_without_a_credit_note() -> None:
    payment = paid(Decimal("1400.00"))
    refund = refunded(payment, "75.00")
    assert figures(payment) == ("1325.00", "0.00", "75.00")
    assert not CreditNote.objects.exists()
    assert Invoice.objects.get().status == "paid"
    assert has_pass(payment)
    assert refund.done_at is not None


def test_only_what_goes_beyond_the_overpayment_is_credited() -> None:
    payment = paid(Decimal("1400.00"))
    refunded(payment, "100.00")
    assert figures(payment) == ("1300.00", "25.00", "100.00")
    assert CreditNote.objects.get().amount == Decimal("25.00")


def test_in_whatever_order_they_are_done_the_credit_notes_come_to_the_same() -> None:
    payment = paid(Decimal("1400.00"))
    refunded(payment, "50.00")
    refunded(payment, "50.00")
    refunded(payment, "1300.00")
    assert figures(payment) == ("0.00", "1325.00", "1400.00")
    assert [note.amount for note in CreditNote.objects.order_by("id")] == [Decimal("25.00"), Decimal("1300.00")]


def test_before_all_is_paid_all_of_it_stays_owed() -> None:
    payment = paid(Decimal("500.00"))
    refunded(payment, "200.00")
    invoice = Invoice.objects.get()
    assert (invoice.paid, invoice.credited, invoice.balance) == (Decimal(300), Decimal(0), Decimal(1025))
    assert not CreditNote.objects.exists()
    assert Order.objects.get().status == "awaiting_payment"


@pytest.mark.parametrize("status", ["awaiting_payment", "overdue"])
def test_refunds_alone_never_void_the_invoice_of_an_unpaid_order(status: str) -> None:
    payment = paid(Decimal("1324.99"))
    Order.objects.update(status=status)
    refunded(payment, "662.00")
    refunded(paid(Decimal("662.00"), order=Order.objects.get()), "662.00")
    refunded(payment, "662.99")
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.paid, invoice.balance) == ("open", Decimal(0), TOTAL)
    paid(order=Order.objects.get())
    assert (Invoice.objects.get().status, Order.objects.get().status) == ("paid", "paid")


def test_with_the_whole_of_the_money_the_payout_goes() -> None:
    payment = paid()
    make_payout(Order.objects.get(), actor=None, now=timezone.now())
    refunded(payment, "1324.99")
    assert Payout.objects.get().status == "due"
    refunded(payment, "0.01")
    assert (Payout.objects.get().status, Invoice.objects.get().status) == ("cancelled", "void")
    event = SettlementEvent.objects.get(subject="payout", new="cancelled")
    assert event.reason == "All that was paid went back."


def test_what_the_seller_was_paid_stays_paid() -> None:
    payment = paid()
    payout = make_payout(Order.objects.get(), actor=None, now=timezone.now())
    pay_payout(payout_id=payout.pk, reference="W-1", actor=UserFactory(), now=timezone.now())
    refunded(payment, TOTAL)
    assert Payout.objects.get().status == "paid"


def test_of_two_payments_each_is_refunded_by_itself() -> None:
    first = paid(Decimal("1000.00"))
    second = paid(Decimal("325.00"), order=first.order)
    with pytest.raises(RefundExceedsPayment):
        requested(second, "325.01")
    refunded(second, "325.00")
    assert figures(second) == ("1000.00", "325.00", "325.00")
    assert figures(first) == ("1000.00", "325.00", "0.00")


# --- Beside other things


def test_the_car_stays_while_another_refund_is_on_its_way() -> None:
    payment = paid(provider="sandbox")
    approved(payment)
    wire = paid(Decimal("100.00"), order=Order.objects.get(pk=payment.order_id))
    refunded(wire, "100.00")
    assert not has_pass(payment)


def test_asking_under_a_lock_that_is_held() -> None:
    """What a resolved dispute does."""
    payment = paid()
    with transaction.atomic():
        refund = request_refund(
            lock_account(payment.order_id),
            payment,
            amount=TOTAL,
            reason="The sale was undone.",
            actor=None,
            now=timezone.now(),
        )
    assert (refund.status, refund.requested_by) == ("requested", None)
    assert approve_refund(refund_id=refund.pk, actor=UserFactory(), now=timezone.now()).status == "done"


def test_an_order_whose_money_is_back_can_be_cancelled() -> None:
    payment, finance = paid(), UserFactory()
    refunded(payment, "1000.00")
    cancel = partial(cancel_order, order_id=payment.order_id, actor=finance, reason="Both agreed.", now=timezone.now())
    with pytest.raises(MoneyReceived):
        cancel()
    refunded(payment, "325.00")
    assert cancel().status == "cancelled"
    assert figures(payment) == ("0.00", "1325.00", "1325.00")


def test_what_a_dispute_gives_back_is_credited_once() -> None:
    payment, finance = paid(Decimal("1400.00")), UserFactory()
    refunded(payment, "100.00")
    now = timezone.now()
    dispute_order(order_id=payment.order_id, actor=payment.order.buyer, reason="Another engine.", now=now)
    resolve_dispute(order_id=payment.order_id, actor=finance, outcome="refund", now=now)
    refund = Refund.objects.get(status="requested")
    assert (refund.amount, refund.requested_by) == (Decimal("1300.00"), finance)
    with pytest.raises(SecondPersonNeeded):
        approve_refund(refund_id=refund.pk, actor=finance, now=now)
    approve_refund(refund_id=refund.pk, actor=UserFactory(), now=now)
    assert figures(payment) == ("0.00", "1325.00", "1400.00")
    assert [note.amount for note in CreditNote.objects.order_by("id")] == [Decimal("25.00"), Decimal("1300.00")]
    assert Order.objects.get().status == "refunded"
    assert not has_pass(payment)


def test_late_money_of_a_dead_order_goes_back_without_a_credit_note() -> None:
    order = invoiced_order()
    cancel_order(order_id=order.pk, actor=UserFactory(), reason="Both agreed.", now=timezone.now())
    payment = paid(order=order)
    refunded(payment, TOTAL)
    assert figures(payment) == ("0.00", "1325.00", "1325.00")
    assert CreditNote.objects.get().refund is None
    assert Order.objects.get().status == "cancelled"


def test_the_service_names_its_refusals() -> None:
    finance = UserFactory()
    refund = requested(paid(), "500.01", by=finance)
    with pytest.raises(SecondPersonNeeded):
        approve_refund(refund_id=refund.pk, actor=finance, now=timezone.now())
    with pytest.raises(InvalidTransition):
        retry_refund(refund_id=refund.pk, actor=finance, now=timezone.now())


# --- Who sees them


def test_the_buyer_sees_refunds_without_what_is_internal(as_user: Any) -> None:
    payment = paid()
    refund = refunded(payment)
    order = payment.order
    shown = as_user(order.buyer).get(f"{URL}/{refund.pk}").json()
    assert (shown["amount"], shown["status"]) == ("100.00", "done")
    assert (shown["failure"], shown["requested_by"], shown["decided_by"]) == ("", None, None)
    assert as_user(order.seller).get(f"{URL}/{refund.pk}").status_code == 404
    assert as_user(UserFactory()).get(f"{URL}/{refund.pk}").status_code == 404
    assert as_user(order.seller).get(URL).json()["results"] == []
    assert as_user(order.buyer).post(f"{URL}/{refund.pk}/approve").status_code == 403


def test_filters_and_order(client: APIClient) -> None:
    payment = paid()
    done, waiting = refunded(payment, "300.00"), requested(payment, "200.00")
    other = requested(paid(), "100.00")

    def ids(query: str) -> list[int]:
        answer = client.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert ids("") == [other.pk, waiting.pk, done.pk]
    assert ids("status=done") == [done.pk]
    assert ids(f"payment={payment.pk}") == [waiting.pk, done.pk]
    assert ids(f"order={other.order_id}") == [other.pk]
    assert ids("ordering=amount") == [other.pk, waiting.pk, done.pk]
    assert client.get(f"{URL}?buyer=1").status_code == 400


def test_the_list_takes_the_same_number_of_queries(
    client: APIClient, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    refunded(paid())
    with django_assert_max_num_queries(8) as few:
        client.get(URL)
    for _ in range(3):
        refunded(paid())
    with django_assert_num_queries(len(few)):
        assert len(client.get(URL).json()["results"]) == 4
