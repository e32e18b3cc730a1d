"""What providers report: POST /api/webhooks/{provider}, with the sandbox for a provider."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions import tasks
from auctions.models import Invoice, Payment, Refund, WebhookEvent
from auctions.providers.sandbox import SIGNATURE_HEADER, signed
from auctions.services import payments, webhooks
from auctions.services.sandbox import run_sandbox
from tests.answers import error
from tests.auctions.factories import PaymentFactory
from tests.auctions.paying import SANDBOX, TOTAL, deliver, event_of, invoice_for, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(user: User) -> Payment:
    return PaymentFactory(order=invoice_for(user).order)


def state(payment: Payment) -> tuple[str, Decimal, str]:
    payment = Payment.objects.select_related("order__invoice").get(pk=payment.pk)
    return payment.status, payment.order.invoice.paid, payment.order.status


def outcomes() -> list[str]:
    return list(WebhookEvent.objects.order_by("received_at").values_list("outcome", flat=True))


# --- What comes of a report


def test_a_payment_succeeds(api: APIClient, payment: Payment) -> None:
    body = event_of(payment)
    answer = deliver(api, body)
    assert answer.status_code == 200, answer.content
    event = WebhookEvent.objects.get()
    assert answer.json() == {"event": str(event.pk)}
    assert (event.body.encode(), event.outcome, event.attempts) == (body, "applied", 1)
    assert state(payment) == ("succeeded", TOTAL, "paid")


def test_a_payment_fails_and_says_why(api: APIClient, payment: Payment) -> None:
    deliver(api, event_of(payment, "failed", failure="The card was declined."))
    assert state(payment) == ("failed", 0, "awaiting_payment")
    assert Payment.objects.get().failure == "The card was declined."


def test_the_same_event_again_changes_nothing(api: APIClient, payment: Payment) -> None:
    answers = [deliver(api, event_of(payment)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert state(payment) == ("succeeded", TOTAL, "paid")
    assert outcomes() == ["applied"]


def test_success_before_processing(api: APIClient, payment: Payment) -> None:
    Payment.objects.update(status="requires_action")
    deliver(api, event_of(payment, "succeeded"))
    deliver(api, event_of(payment, "processing"))
    deliver(api, event_of(payment, "failed"))
    assert state(payment) == ("succeeded", TOTAL, "paid")
    assert outcomes() == ["applied", "ignored", "ignored"]


def test_what_is_processed_does_not_wait_for_its_payer_again(api: APIClient, payment: Payment) -> None:
    deliver(api, event_of(payment, "requires_action"))
    assert (state(payment)[0], outcomes()) == ("processing", ["ignored"])


@pytest.mark.parametrize("final", ["failed", "cancelled"])
def test_a_final_status_stays_and_finance_hears_of_the_money(
    api: APIClient, payment: Payment, final: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(payments.log, "error", lambda event, **_: heard.append(event))
    deliver(api, event_of(payment, final))
    deliver(api, event_of(payment, "succeeded"))
    assert state(payment) == (final, 0, "awaiting_payment")
    assert (outcomes(), heard) == (["applied", "ignored"], ["payment_report_contradicts"])


@pytest.mark.parametrize("wrong", [{"amount": "1325.01"}, {"currency": "EUR"}])
def test_other_money_than_was_asked_for_is_not_counted(api: APIClient, payment: Payment, wrong: dict[str, str]) -> None:
    assert deliver(api, event_of(payment, **wrong)).status_code == 200
    assert state(payment) == ("processing", 0, "awaiting_payment")
    assert outcomes() == ["ignored"]


def test_an_event_about_nothing_of_ours_is_ignored(api: APIClient, payment: Payment) -> None:
    assert deliver(api, event_of(payment, provider_ref="sbp_0")).status_code == 200
    assert deliver(api, event_of(payment, id="evt_2", subject="chargeback")).status_code == 200
    assert deliver(api, event_of(payment, id="evt_3", subject="refund")).status_code == 200
    assert outcomes() == ["ignored"] * 3
    assert state(payment)[0] == "processing"


def test_another_providers_payment_is_not_the_sandboxes(api: APIClient, user: User) -> None:
    payment = PaymentFactory(order=invoice_for(user).order, provider="stripe")
    deliver(api, event_of(payment))
    assert (state(payment)[0], outcomes()) == ("processing", ["ignored"])


def test_money_for_an_order_that_came_to_nothing_is_a_credit(api: APIClient, payment: Payment) -> None:
    payment.order.status = "defaulted"
    payment.order.save()
    deliver(api, event_of(payment))
    assert state(payment) == ("succeeded", TOTAL, "defaulted")


# --- Signatures


def test_the_signature_is_over_every_byte_and_the_moment(api: APIClient, payment: Payment) -> None:
    body, now = event_of(payment), timezone.now()
    refused = [
        deliver(api, body, signature=""),
        deliver(api, body, signature="t=,v1="),
        deliver(api, body, signature=f"t={int(now.timestamp())},v1={'0' * 64}"),
        deliver(api, body, signature=f"v1={'0' * 64}"),
        deliver(api, body, signature="t=1,t=2,v1=x"),
        deliver(api, body, at=now - timedelta(seconds=301)),
        deliver(api, body, at=now + timedelta(seconds=310)),
    ]
    assert [answer.status_code for answer in refused] == [401] * 7
    assert {error(answer)["code"] for answer in refused} == {"bad_signature"}
    assert not WebhookEvent.objects.exists()
    assert deliver(api, body, at=now - timedelta(seconds=290)).status_code == 200


def test_the_signature_of_another_body_does_not_fit(api: APIClient, payment: Payment) -> None:
    header = signed(event_of(payment, "failed"), at=timezone.now())
    stolen = api.post(
        SANDBOX, data=event_of(payment), content_type="application/json", headers={SIGNATURE_HEADER: header}
    )
    assert stolen.status_code == 401


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"1", b"not json", b"\xff", b'{"id": 1}'])
def test_what_is_signed_and_no_event_is_400(api: APIClient, body: bytes) -> None:
    refused = deliver(api, body)
    assert (refused.status_code, error(refused)["code"]) == (400, "bad_event")
    assert not WebhookEvent.objects.exists()


def test_other_providers_have_no_webhooks(api: APIClient) -> None:
    for name in ("manual", "paypal"):
        assert api.post(f"/api/webhooks/{name}", {}).status_code == 404
    assert api.get(SANDBOX).status_code == 405


# --- Stored first, processed after


def test_what_fails_is_stored_and_taken_up_again(
    api: APIClient, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> bool:
        raise RuntimeError("The database went away.")

    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "apply_report", broken)
        assert deliver(api, event_of(payment)).status_code == 200
        tasks.process_webhooks()
    event = WebhookEvent.objects.get()
    assert (event.outcome, event.attempts, event.processed_at) == ("failed", 2, None)
    assert state(payment)[0] == "processing"
    assert webhooks.process_due(now=timezone.now()).done == 1
    assert (state(payment), outcomes()) == (("succeeded", TOTAL, "paid"), ["applied"])
    assert webhooks.process_due(now=timezone.now()).done == 0


def test_a_failure_takes_back_all_of_it(api: APIClient, payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Money and payment are one transaction, and it is not the one that stored the event."""
    monkeypatch.setattr(payments, "take_money", lambda *_, **__: 1 / 0)
    deliver(api, event_of(payment))
    assert state(payment) == ("processing", 0, "awaiting_payment")
    assert outcomes() == ["failed"]


def test_nobody_tries_for_ever(api: APIClient, payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "apply_report", lambda **_: 1 / 0)
    deliver(api, event_of(payment))
    WebhookEvent.objects.update(attempts=webhooks.MOST_ATTEMPTS)
    webhooks.process_due(now=timezone.now())
    assert WebhookEvent.objects.get().attempts == webhooks.MOST_ATTEMPTS


def test_an_event_is_stored_outside_of_the_transaction_that_processes_it(
    api: APIClient, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []

    def look(**_: Any) -> bool:
        seen.append((WebhookEvent.objects.count(), connection.in_atomic_block))
        return True

    monkeypatch.setattr(webhooks, "apply_report", look)
    deliver(api, event_of(payment))
    assert seen == [(1, True)]


# --- Refunds


@pytest.mark.parametrize(("status", "paid"), [("done", Decimal("1225.00")), ("failed", TOTAL)])
def test_a_refund_ends(api: APIClient, payment: Payment, status: str, paid: Decimal) -> None:
    deliver(api, event_of(payment))
    refund = Refund.objects.create(
        payment=payment, order=payment.order, amount="100.00", currency="USD", reason="Sorry.",
        status="in_transit", attempt=1, provider_ref="sbr_1",
    )  # fmt: skip
    Payment.objects.update(refund_reserved=Decimal("100.00"))
    facts = {"id": "evt_r", "subject": "refund", "provider_ref": "sbr_1", "amount": "100.00"}
    for _ in range(2):
        assert deliver(api, event_of(payment, status, **facts)).status_code == 200
    refund.refresh_from_db()
    assert (refund.status, state(payment)[1], outcomes()) == (status, paid, ["applied", "applied"])


# --- The sandbox itself, over HTTP


@pytest.fixture
def served(settings: Any, transactional_db: None, live_server: Any) -> str:
    """This service, where the sandbox reaches it."""
    settings.INTERNAL_URL = live_server.url
    return live_server.url


def test_it_takes_every_card(served: str, as_user: Any, user: User) -> None:
    invoice = invoice_for(user)
    pay(as_user(user), invoice, "1000.00")
    pay(as_user(user), invoice, "325.00")
    assert run_sandbox() == 2
    assert set(Payment.objects.values_list("status", flat=True)) == {"succeeded"}
    assert Invoice.objects.get().status == "paid"
    assert run_sandbox() == 0


def test_it_declines_when_it_is_told_to(served: str, as_user: Any, user: User) -> None:
    pay(as_user(user), invoice_for(user), reference="decline")
    run_sandbox()
    payment = Payment.objects.get()
    assert (payment.status, payment.failure) == ("failed", "The card was declined.")


def test_refunds_go_back_the_same_way(served: str, as_user: Any, user: User) -> None:
    payment = PaymentFactory(order=invoice_for(user).order)
    run_sandbox()
    facts = {"payment": payment, "order": payment.order, "currency": "USD", "status": "in_transit"}
    good = Refund.objects.create(**facts, amount="100.00", reason="Sorry.", attempt=1, provider_ref="sbr_1")
    bad = Refund.objects.create(**facts, amount="50.00", reason="decline", attempt=1, provider_ref="sbr_2")
    Payment.objects.update(refund_reserved=Decimal("150.00"))
    assert run_sandbox() == 2
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status, bad.failure) == ("done", "failed", "The card was declined.")
    Refund.objects.filter(pk=bad.pk).update(status="in_transit", attempt=2, provider_ref="sbr_3")
    run_sandbox()
    bad.refresh_from_db()
    assert bad.status == "done"


def test_a_webhook_that_does_not_get_through_is_sent_again(served: str, settings: Any) -> None:
    payment = PaymentFactory(order=invoice_for(PaymentFactory().order.buyer).order)
    Payment.objects.exclude(pk=payment.pk).update(status="cancelled")
    settings.INTERNAL_URL = "http://127.0.0.1:9"
    assert run_sandbox() == 0
    settings.INTERNAL_URL = served
    assert run_sandbox() == 1
    assert state(payment)[0] == "succeeded"
