"""Payments that came in and refunds of them, in every state, brought there by the services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from auctions.models import GatePass, Invoice, Payment, Refund, SettlementEvent
from auctions.providers.base import Refunded
from auctions.services import refunds
from auctions.services.balances import lock_account, take_money
from auctions.services.refunds import approve_refund, ask_for_refund, finish_refund
from tests.auctions.factories import PaymentFactory
from tests.auctions.orders import TOTAL, invoiced_order
from tests.factories import UserFactory


@transaction.atomic
def paid(amount: Decimal = TOTAL, *, provider: str = "manual", **fields: Any) -> Payment:
    """What came in for an order of its own."""
    order = fields.pop("order", None) or invoiced_order(**fields)
    payment: Payment = PaymentFactory(order=order, amount=amount, provider=provider, status="succeeded")
    take_money(lock_account(order.pk), amount, actor=None, now=timezone.now())
    return payment


def requested(payment: Payment, amount: str | Decimal = "100.00", *, by: User | None = None) -> Refund:
    return ask_for_refund(
        payment_id=payment.pk,
        amount=Decimal(amount),
        reason="A scratch.",
        actor=by or UserFactory(),
        now=timezone.now(),
    )


def approved(payment: Payment, amount: str | Decimal = "100.00") -> Refund:
    """By somebody else than who asked; of a wire that is the whole of it."""
    return approve_refund(refund_id=requested(payment, amount).pk, actor=UserFactory(), now=timezone.now())


def refunded(payment: Payment, amount: str | Decimal = "100.00") -> Refund:
    refund = approved(payment, amount)
    assert refund.status == "done"
    return refund


def send(monkeypatch: Any, *answers: Refunded | Exception) -> list[str]:
    """Run the sweep, once for each answer of a provider that stands in; the keys under which it was asked."""
    provider = StandIn()
    monkeypatch.setattr(refunds, "provider_named", lambda name: provider)
    for answer in answers:
        provider.answer = answer
        refunds.send_refunds(now=timezone.now())
    return provider.keys


class StandIn:
    """Answers what it is told to."""

    answer: Refunded | Exception

    def __init__(self) -> None:
        self.keys: list[str] = []

    def send_refund(self, payment: Payment, refund: Refund, *, idempotency_key: str) -> Refunded:
        self.keys.append(idempotency_key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def figures(payment: Payment) -> tuple[str, str, str]:
    """What the invoice says was paid and credited, and what is reserved on the payment."""
    invoice = Invoice.objects.get(order=payment.order_id)
    return str(invoice.paid), str(invoice.credited), str(Payment.objects.get(pk=payment.pk).refund_reserved)


def statuses(refund: Refund) -> list[str]:
    rows = SettlementEvent.objects.filter(subject="refund", subject_id=refund.pk).order_by("id")
    return list(rows.values_list("new", flat=True))


def has_pass(payment: Payment) -> bool:
    return GatePass.objects.filter(order=payment.order_id, revoked_at=None).exists()


@transaction.atomic
def report(refund: Refund, *, succeeded: bool, provider_ref: str = "", failure: str = "") -> bool:
    """What webhooks do."""
    return finish_refund(
        lock_account(refund.order_id),
        refund,
        succeeded=succeeded,
        provider_ref=provider_ref,
        failure=failure,
        actor=None,
        now=timezone.now(),
    )
