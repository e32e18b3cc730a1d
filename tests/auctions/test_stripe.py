"""Payments by Stripe, its official library against a stand-in over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import IdempotencyRecord, User
from auctions.models import Invoice, Payment, Refund, WebhookEvent
from auctions.providers.base import ProviderError, ProviderUnavailable
from auctions.providers.stripe import Stripe
from auctions.services import payments
from auctions.services.payments import ask_provider, end_stale, start_payment
from auctions.services.refunds import approve_refund, ask_for_refund, send_refunds
from auctions.services.webhooks import process_due
from tests.answers import error
from tests.auctions.factories import OrderFactory, PaymentFactory
from tests.auctions.paying import TOTAL, invoice_for, pay
from tests.standins.base import Fault
from tests.standins.stripe_server import KEY, WEBHOOK_SECRET, StripeServer, signature_of

pytestmark = pytest.mark.django_db
PATH = "/api/webhooks/stripe"


@pytest.fixture(autouse=True)
def stripe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeServer]:
    settings.PAYMENT_PROVIDERS = ["manual", "stripe"]
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = KEY, WEBHOOK_SECRET
    monkeypatch.setattr("auctions.providers.stripe._RETRIES", 0)
    with StripeServer() as server:
        settings.STRIPE_API_BASE = server.base_url
        yield server


@pytest.fixture
def invoice(user: User) -> Invoice:
    return invoice_for(user)


@pytest.fixture
def buyer(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def start(buyer: APIClient, invoice: Invoice, **more: Any) -> dict[str, Any]:
    answer = pay(buyer, invoice, provider="stripe", **more)
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def deliver(event: str, **signing: Any) -> Any:
    headers = {"Stripe-Signature": signature_of(event, **signing)}
    return APIClient().post(PATH, data=event.encode(), content_type="application/json", headers=headers)


def reported(event: str) -> str:
    """Deliver an event; what became of it."""
    assert deliver(event).status_code == 200
    return WebhookEvent.objects.get(event_id=json.loads(event)["id"]).outcome


def paid(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> Payment:
    name = start(buyer, invoice)["provider_ref"]
    assert reported(stripe.pay(name)) == "applied"
    return Payment.objects.get(provider_ref=name)


# --- Paying


def test_the_buyer_confirms_with_the_intents_secret(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    shown = start(buyer, invoice)
    (intent,) = stripe.rows()
    assert shown["status"] == "requires_action"
    assert shown["action"] == {"type": "stripe", "client_secret": intent["client_secret"]}
    assert (shown["provider_ref"], intent["amount"], intent["currency"]) == (intent["id"], 132_500, "usd")
    assert intent["metadata"] == {"order": invoice.order.order_number, "payment": str(shown["id"])}


def test_the_same_request_again_brings_the_secret_again_and_no_second_intent(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer
) -> None:
    first, second = (start(buyer, invoice, key="k") for _ in range(2))
    assert first == second
    assert len(stripe.rows()) == 1
    record = IdempotencyRecord.objects.get()
    assert first["action"]["client_secret"].encode() not in bytes(record.body)


def test_the_secret_is_nowhere_else(buyer: APIClient, invoice: Invoice) -> None:
    shown = start(buyer, invoice)
    assert "action" not in buyer.get(f"/api/payments/{shown['id']}").json()
    assert "secret" not in buyer.get("/api/payments").content.decode()


def test_it_succeeds_by_webhook(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    name = start(buyer, invoice)["provider_ref"]
    assert reported(stripe.process(name)) == "applied"
    assert Payment.objects.get().status == "processing"
    assert error(pay(buyer, invoice, "0.01", "stripe"))["code"] == "payment_exceeds_balance"
    assert reported(stripe.pay(name)) == "applied"
    invoice.refresh_from_db()
    assert (Payment.objects.get().status, invoice.status, invoice.paid) == ("succeeded", "paid", TOTAL)
    assert start(buyer, invoice_for(invoice.order.buyer))["status"] == "requires_action"


def test_a_webhook_may_be_faster_than_the_answer(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event names our own id, so the payment is found although Stripe's is not stored yet."""
    begun = Stripe.start

    def slow(self: Stripe, payment: Payment) -> Any:
        started = begun(self, payment)
        assert Payment.objects.get().provider_ref == ""
        assert reported(stripe.pay(started.provider_ref)) == "applied"
        return started

    monkeypatch.setattr(Stripe, "start", slow)
    shown = start(buyer, invoice)
    (intent,) = stripe.rows()
    assert (shown["status"], shown["provider_ref"], shown["action"]) == ("succeeded", intent["id"], None)
    assert Invoice.objects.get().paid == TOTAL


def test_a_declined_card_ends_the_intent_so_that_it_cannot_be_paid_later(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer
) -> None:
    name = start(buyer, invoice)["provider_ref"]
    assert reported(stripe.decline(name)) == "applied"
    payment = Payment.objects.get()
    assert (payment.status, payment.failure) == ("failed", "Your card has insufficient funds.")
    (intent,) = stripe.rows()
    assert intent["status"] == "canceled"
    assert reported(stripe.event("payment_intent.canceled", intent)) == "ignored"
    assert start(buyer, invoice)["provider_ref"] != name


def test_a_card_that_worked_after_all_is_money(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    """The payer was declined and paid by another card before we heard of either."""
    name = start(buyer, invoice)["provider_ref"]
    declined = stripe.decline(name)
    succeeded = stripe.pay(name)
    assert reported(declined) == "applied"
    assert reported(succeeded) == "ignored"
    assert (Payment.objects.get().status, Invoice.objects.get().paid) == ("succeeded", TOTAL)


def test_a_decline_waits_until_stripe_can_be_asked(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    event = stripe.decline(start(buyer, invoice)["provider_ref"])
    stripe.faults.add(Fault.STATUS, code=500, times=1)
    assert reported(event) == "failed"
    assert Payment.objects.get().status == "requires_action"
    assert process_due(now=timezone.now()).done == 1
    assert Payment.objects.get().status == "failed"


def test_of_two_requests_for_one_attempt_the_one_that_is_answered_counts(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is not answered, and its payer asks again."""
    now = timezone.now()
    payment = start_payment(order_id=invoice.order_id, provider="stripe", amount=TOTAL, actor=user, now=now)
    begun = Stripe.start

    def beaten(self: Stripe, asked: Payment) -> Any:
        monkeypatch.setattr(Stripe, "start", begun)
        assert ask_provider(payment_id=payment.pk, now=now).action is not None
        raise ProviderError("It did not answer.", is_transient=True)

    monkeypatch.setattr(Stripe, "start", beaten)
    with pytest.raises(ProviderUnavailable):
        ask_provider(payment_id=payment.pk, now=now)
    again = ask_provider(payment_id=payment.pk, now=now)
    assert (again.payment.status, again.action is not None) == ("requires_action", True)
    assert len(stripe.rows()) == 1


# --- What Stripe refuses


def test_what_stripe_refuses_has_failed(buyer: APIClient, user: User) -> None:
    large = {"subtotal": Decimal("2000000.00"), "total": Decimal("2000000.00")}
    shown = start(buyer, invoice_for(user, **large), amount="2000000.00")
    assert (shown["status"], shown["action"], shown["failure"]) == (
        "failed", None, "The provider refused the payment.",
    )  # fmt: skip


@pytest.mark.parametrize("fault", [{"kind": Fault.STATUS, "code": 500}, {"kind": Fault.RESET}])
def test_what_stripe_does_not_answer_has_failed(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, fault: dict[str, Any]
) -> None:
    stripe.faults.add(**fault, times=1)
    shown = start(buyer, invoice)
    assert (shown["status"], shown["failure"]) == ("failed", "The provider does not answer.")
    assert start(buyer, invoice)["status"] == "requires_action"


def test_an_attempt_that_has_begun_is_not_given_up(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    start(buyer, invoice, key="k")
    stripe.faults.add(Fault.STATUS, code=503, times=1)
    refused = pay(buyer, invoice, provider="stripe", key="k")
    assert (refused.status_code, error(refused)["code"]) == (503, "provider_unavailable")
    assert start(buyer, invoice, key="k")["action"] is not None


def test_a_wrong_key_is_not_repeated_to_anybody(
    buyer: APIClient, invoice: Invoice, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(payments.log, "warning", lambda *words, **facts: said.append((words, facts)))
    settings.STRIPE_SECRET_KEY = "sk_test_wrong_0123456789"
    assert start(buyer, invoice)["status"] == "failed"
    assert len(said) == 1
    assert "0123456789" not in str(said)


# --- Signatures


def test_only_stripes_own_signature_counts(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    event = stripe.pay(start(buyer, invoice)["provider_ref"])
    unsigned = APIClient().post(PATH, data=event.encode(), content_type="application/json")
    late = deliver(event, at=time.time() - 301)
    foreign = deliver(event, secret="whsec_another")
    for refused in (unsigned, late, foreign):
        assert (refused.status_code, error(refused)["code"]) == (401, "bad_signature")
    assert not WebhookEvent.objects.exists()
    assert deliver(event, at=time.time() - 290).status_code == 200


def test_without_a_secret_nothing_is_taken(settings: Any, stripe: StripeServer) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    assert deliver(stripe.event("ping", {})).status_code == 401


def test_events_of_other_kinds_are_stored_and_ignored(stripe: StripeServer) -> None:
    assert reported(stripe.event("customer.created", {"id": "cus_1", "object": "customer"})) == "ignored"
    assert reported(stripe.event("payment_intent.succeeded", _foreign_intent())) == "ignored"


def _foreign_intent() -> dict[str, Any]:
    """Of something else that is sold by the same account."""
    return {"id": "pi_9", "amount": 100, "amount_received": 100, "currency": "usd", "metadata": {"payment": "x"}}


def test_the_intents_of_others_are_left_alone(invoice: Invoice, stripe: StripeServer) -> None:
    """Also those of another installation, which counts its payments as we do."""
    ours = PaymentFactory(order=invoice.order, provider="stripe", provider_ref="", status="created")
    theirs = PaymentFactory.build(pk=ours.pk, order=OrderFactory.build(), provider="stripe", provider_ref="")
    name = Stripe().start(theirs).provider_ref
    assert reported(stripe.decline(name)) == "ignored"
    assert reported(stripe.event("payment_intent.canceled", stripe.rows()[0])) == "ignored"
    ours.refresh_from_db()
    assert (ours.status, stripe.rows()[0]["status"]) == ("created", "requires_payment_method")


def test_of_what_is_over_stripe_is_not_asked(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    name = start(buyer, invoice)["provider_ref"]
    late = stripe.decline(name)
    assert reported(stripe.pay(name)) == "applied"
    stripe.faults.add(Fault.STATUS, code=500, times=9)
    assert reported(late) == "ignored"


def test_a_signed_body_that_is_no_event_is_400() -> None:
    for body in ("[]", "{}", '{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {}}}'):
        assert deliver(body).status_code == 400


# --- Refunds


def refund(payment: Payment, amount: str, people: list[User]) -> Refund:
    now = timezone.now()
    asked = ask_for_refund(payment_id=payment.pk, amount=Decimal(amount), reason="Sorry.", actor=people[0], now=now)
    approve_refund(refund_id=asked.pk, actor=people[1], now=now)
    send_refunds(now=now)
    asked.refresh_from_db()
    return asked


def test_a_refund_goes_back_at_once(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, user: User, other_user: User
) -> None:
    done = refund(paid(buyer, invoice, stripe), "100.00", [user, other_user])
    assert (done.status, done.provider_ref) == ("done", stripe.rows()[-1]["id"])
    invoice.refresh_from_db()
    assert (invoice.paid, invoice.credited) == (Decimal("1225.00"), Decimal("100.00"))


@pytest.mark.parametrize("is_failed", [False, True])
def test_a_refund_that_takes_its_time(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, user: User, other_user: User, is_failed: bool
) -> None:
    stripe.pending_refunds = True
    waiting = refund(paid(buyer, invoice, stripe), "100.00", [user, other_user])
    assert waiting.status == "in_transit"
    assert reported(stripe.end_refund(waiting.provider_ref, failed=is_failed)) == "applied"
    waiting.refresh_from_db()
    assert (waiting.status, waiting.failure) == (("failed", "declined") if is_failed else ("done", ""))


def test_a_refund_that_stripe_did_not_answer_is_sent_once(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, user: User, other_user: User
) -> None:
    """It arrived, and the answer was lost: the same key brings the same refund."""
    payment = paid(buyer, invoice, stripe)
    stripe.faults.add(Fault.RESET, times=1)
    waiting = refund(payment, "100.00", [user, other_user])
    assert (waiting.status, waiting.provider_ref) == ("in_transit", "")
    send_refunds(now=timezone.now())
    waiting.refresh_from_db()
    assert waiting.status == "done"
    assert len([row for row in stripe.rows() if row["object"] == "refund"]) == 1


# --- What nobody goes on with


def test_an_intent_that_nobody_pays_is_cancelled_at_stripe(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer
) -> None:
    start(buyer, invoice)
    invoice.order.status = "cancelled"
    invoice.order.save()
    assert end_stale(now=timezone.now()).done == 1
    assert (Payment.objects.get().status, stripe.rows()[0]["status"]) == ("cancelled", "canceled")


@pytest.mark.parametrize("become", ["pay", "give_back"])
def test_stripe_is_asked_what_has_become_of_one_that_it_processes_for_long(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, become: str
) -> None:
    """Its webhook was lost. What did not go through is ended there too."""
    name = start(buyer, invoice)["provider_ref"]
    assert reported(stripe.process(name)) == "applied"
    now = timezone.now()
    for later in (timedelta(hours=23), timedelta(days=1)):
        assert end_stale(now=now + later).done == 0
        assert Payment.objects.get().status == "processing"
    getattr(stripe, become)(name)
    assert end_stale(now=now + timedelta(days=1, hours=23)).done == 0
    assert end_stale(now=now + timedelta(days=2)).done == 1
    found = (Payment.objects.get().status, Invoice.objects.get().paid, stripe.rows()[0]["status"])
    assert found == (("succeeded", TOTAL, "succeeded") if become == "pay" else ("failed", 0, "canceled"))


@pytest.mark.parametrize("is_failed", [False, True])
def test_stripe_is_asked_what_has_become_of_a_refund(
    buyer: APIClient, invoice: Invoice, stripe: StripeServer, user: User, other_user: User, is_failed: bool
) -> None:
    stripe.pending_refunds = True
    waiting = refund(paid(buyer, invoice, stripe), "100.00", [user, other_user])
    later = timezone.now() + timedelta(days=1)
    assert send_refunds(now=later).done == 0
    stripe.end_refund(waiting.provider_ref, failed=is_failed)
    assert send_refunds(now=later + timedelta(days=1)).done == 1
    waiting.refresh_from_db()
    assert (waiting.status, waiting.failure) == (("failed", "declined") if is_failed else ("done", ""))


def test_one_that_was_just_paid_is_not(buyer: APIClient, invoice: Invoice, stripe: StripeServer) -> None:
    """Its webhook is still on its way; the money is taken as soon as we hear of it."""
    event = stripe.pay(start(buyer, invoice)["provider_ref"])
    invoice.order.status = "cancelled"
    invoice.order.save()
    end_stale(now=timezone.now())
    assert Payment.objects.get().status == "succeeded"
    assert reported(event) == "ignored"
    assert Invoice.objects.get().paid == TOTAL
