"""Money that comes in for an invoice, and goes back after a credit note. Rows are never changed: what went wrong is put
right by another row."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from common.errors import Conflict
from common.money import ZERO
from workshop.models import Invoice, Payment
from workshop.services.invoicing import InvoiceVoid, lock_invoice, settle_invoice


class PaymentExceedsBalance(Conflict):
    """More than is owed; `meta.balance` says how much that is."""

    code = "payment_exceeds_balance"
    detail = "The payment exceeds what is still owed."


class RefundExceedsCredit(Conflict):
    """More than the customer has coming after credit notes; `meta.refundable` says how much that is."""

    code = "refund_exceeds_credit"
    detail = "The refund exceeds what is owed to the customer."


@transaction.atomic
def record_payment(
    *, invoice: Invoice, amount: Decimal, method: str, reference: str = "", actor: User, now: datetime
) -> Payment:
    """Write down money that came in. When nothing is owed any more, the invoice and its ticket are paid.

    Raises InvoiceVoid, PaymentExceedsBalance, NotFound.
    """
    invoice = lock_invoice(invoice)
    if invoice.status == Invoice.Status.VOID:
        raise InvoiceVoid
    if amount > invoice.balance:
        raise PaymentExceedsBalance(attr="amount", meta={"balance": max(invoice.balance, ZERO)})
    return _record(invoice, amount, method=method, reference=reference, actor=actor, now=now)


@transaction.atomic
def record_refund(
    *, invoice: Invoice, amount: Decimal, method: str, reference: str = "", actor: User, now: datetime
) -> Payment:
    """Write down money that went back, as a payment with a negative amount: at most what credit notes left the customer
    with. Raises RefundExceedsCredit, NotFound."""
    invoice = lock_invoice(invoice)
    refundable = max(-invoice.balance, ZERO)
    if amount > refundable:
        raise RefundExceedsCredit(attr="amount", meta={"refundable": refundable})
    return _record(invoice, -amount, method=method, reference=reference, actor=actor, now=now)


def _record(invoice: Invoice, amount: Decimal, *, method: str, reference: str, actor: User, now: datetime) -> Payment:
    payment = Payment.objects.create(
        invoice=invoice, amount=amount, method=method, reference=reference, received_at=now, received_by=actor
    )
    invoice.paid += amount
    settle_invoice(invoice, actor=actor, now=now)
    return payment
