"""Cards by Stripe: a payment is a PaymentIntent that the buyer's browser confirms with its client secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

import stripe
from django.conf import settings
from stripe import PaymentIntent, StripeClient

from auctions.models import Payment, Refund
from auctions.providers.base import (
    TOLERANCE_S,
    BadEvent,
    BadSignature,
    ProviderError,
    Refunded,
    Report,
    Started,
)

Result = TypeVar("Result")
_CONNECT_S, _READ_S = 5.0, 20.0
_RETRIES = 2
# What will be refused again; all else (the network, Stripe itself, a wrong key) may pass.
_FINAL = (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError)
_INTENTS: Mapping[str, str] = {
    "requires_payment_method": Payment.Status.REQUIRES_ACTION,
    "requires_confirmation": Payment.Status.REQUIRES_ACTION,
    "requires_action": Payment.Status.REQUIRES_ACTION,
    "requires_capture": Payment.Status.PROCESSING,
    "processing": Payment.Status.PROCESSING,
    "succeeded": Payment.Status.SUCCEEDED,
    "canceled": Payment.Status.CANCELLED,
}
_REFUNDS: Mapping[str, str] = {
    "pending": Refund.Status.IN_TRANSIT,
    "requires_action": Refund.Status.IN_TRANSIT,
    "succeeded": Refund.Status.DONE,
    "failed": Refund.Status.FAILED,
    "canceled": Refund.Status.FAILED,
}
# After a declined card Stripe lets the payer try the same intent again; here another attempt is another payment.
_EVENTS: Mapping[str, str] = {
    "payment_intent.requires_action": Payment.Status.REQUIRES_ACTION,
    "payment_intent.processing": Payment.Status.PROCESSING,
    "payment_intent.succeeded": Payment.Status.SUCCEEDED,
    "payment_intent.payment_failed": Payment.Status.FAILED,
    "payment_intent.canceled": Payment.Status.CANCELLED,
}
_REFUND_EVENTS = ("refund.updated", "refund.failed", "charge.refund.updated")


class Stripe:
    """One account at Stripe, in its currency's cents."""

    name = "stripe"
    is_card = True

    def start(self, payment: Payment) -> Started:
        intents = self._client.v1.payment_intents
        if payment.provider_ref:
            return _started(_asked(lambda: intents.retrieve(payment.provider_ref)))
        number = payment.order.order_number
        return _started(
            _asked(
                lambda: intents.create(
                    {
                        "amount": _cents(payment.amount),
                        "currency": payment.currency.lower(),
                        "automatic_payment_methods": {"enabled": True},
                        "description": f"Order {number}",
                        "metadata": {"order": number, "payment": str(payment.pk)},
                    },
                    # With the order's number, which no other database gives: ids begin anew in each.
                    {"idempotency_key": f"{number}-payment-{payment.pk}"},
                )
            )
        )

    def send_refund(self, payment: Payment, refund: Refund, *, idempotency_key: str) -> Refunded:
        sent = _asked(
            lambda: self._client.v1.refunds.create(
                {
                    "payment_intent": payment.provider_ref,
                    "amount": _cents(refund.amount),
                    "metadata": {"order": refund.order.order_number, "refund": str(refund.pk)},
                },
                {"idempotency_key": f"{payment.provider_ref}-{idempotency_key}"},
            )
        )
        status = _REFUNDS.get(sent.status or "pending", Refund.Status.IN_TRANSIT)
        return Refunded(provider_ref=sent.id, status=status, failure=getattr(sent, "failure_reason", None) or "")

    def look_up(self, row: Payment | Refund) -> Report:
        report = Report(event_id="", kind="look_up")
        if isinstance(row, Refund):
            sent = _asked(lambda: self._client.v1.refunds.retrieve(row.provider_ref))
            return _of_refund(report, sent.to_dict())
        intent = _asked(lambda: self._client.v1.payment_intents.retrieve(row.provider_ref))
        return _of_intent(report, intent.to_dict(), _INTENTS[intent.status])

    def cancel(self, payment: Payment) -> str:
        return self._end(payment.provider_ref)

    def verify(self, headers: Mapping[str, str], body: bytes) -> Report:
        try:
            text = body.decode()
            stripe.WebhookSignature.verify_header(
                text, headers.get("Stripe-Signature"), settings.STRIPE_WEBHOOK_SECRET, TOLERANCE_S
            )
        except (stripe.SignatureVerificationError, ValueError):
            raise BadSignature from None
        return self.read(text)

    def read(self, body: str) -> Report:
        try:
            event = json.loads(body)
            kind, subject = event["type"], event["data"]["object"]
            report = Report(event_id=event["id"], kind=kind)
            if kind in _EVENTS:
                return _of_intent(report, subject, _EVENTS[kind])
            return _of_refund(report, subject) if kind in _REFUND_EVENTS else report
        except (ValueError, LookupError, TypeError, AttributeError):
            raise BadEvent from None

    def confirm(self, report: Report) -> Report:
        if report.subject == "payment" and report.status == Payment.Status.FAILED:
            status = self._end(report.provider_ref)
            return report if status == Payment.Status.CANCELLED else replace(report, status=status)
        return report

    def _end(self, provider_ref: str) -> str:
        """Cancel an intent, unless it is beyond that; answers its status."""
        intents = self._client.v1.payment_intents
        try:
            return _INTENTS[_asked(lambda: intents.cancel(provider_ref)).status]
        except ProviderError as error:
            if error.is_transient:
                raise
        return _INTENTS[_asked(lambda: intents.retrieve(provider_ref)).status]

    @cached_property
    def _client(self) -> StripeClient:
        return StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": settings.STRIPE_API_BASE},
            max_network_retries=_RETRIES,
            http_client=stripe.RequestsClient(timeout=(_CONNECT_S, _READ_S)),
        )


def _asked(call: Callable[[], Result]) -> Result:
    """Raises ProviderError. Stripe's own text may repeat what was sent, so only its code is passed on."""
    try:
        return call()
    except stripe.StripeError as error:
        text = f"stripe: {error.code or type(error).__name__}"
        raise ProviderError(text, is_transient=not isinstance(error, _FINAL)) from error


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _amount(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _started(intent: PaymentIntent) -> Started:
    status = _INTENTS[intent.status]
    action: dict[str, Any] = {}
    if status == Payment.Status.REQUIRES_ACTION:
        action = {"type": "stripe", "client_secret": intent.client_secret}
    return Started(provider_ref=intent.id, status=status, action=action)


def _of_intent(report: Report, intent: Mapping[str, Any], status: str) -> Report:
    came_in = status == Payment.Status.SUCCEEDED
    return replace(
        report,
        subject="payment",
        provider_ref=intent["id"],
        row_id=_row_id(intent, "payment"),
        order_number=_order_number(intent),
        status=status,
        amount=_amount(intent["amount_received"] if came_in else intent["amount"]),
        currency=intent["currency"].upper(),
        failure=(intent.get("last_payment_error") or {}).get("message") or "",
    )


def _of_refund(report: Report, refund: Mapping[str, Any]) -> Report:
    return replace(
        report,
        subject="refund",
        provider_ref=refund["id"],
        row_id=_row_id(refund, "refund"),
        order_number=_order_number(refund),
        status=_REFUNDS[refund["status"]],
        amount=_amount(refund["amount"]),
        currency=refund["currency"].upper(),
        failure=refund.get("failure_reason") or "",
    )


def _order_number(subject: Mapping[str, Any]) -> str:
    return str((subject.get("metadata") or {}).get("order", ""))


def _row_id(subject: Mapping[str, Any], name: str) -> int | None:
    """Our own id, as we told it."""
    value = (subject.get("metadata") or {}).get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None
