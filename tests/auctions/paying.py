"""Orders that are paid, and the webhooks of the sandbox, for tests."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Invoice, Payment
from auctions.providers.base import Report
from auctions.providers.sandbox import SIGNATURE_HEADER, signed
from auctions.services.payments import ADD_PAYMENT
from tests.auctions.factories import InvoiceFactory

TOTAL = Decimal("1325.00")
SANDBOX = "/api/webhooks/sandbox"
FINANCE = [ADD_PAYMENT, "auctions.view_order", "auctions.view_payment"]


def invoice_for(buyer: User, **fields: Any) -> Invoice:
    """An open invoice over 1,325.00, to be paid by `buyer`."""
    invoice: Invoice = InvoiceFactory(order__buyer=buyer, **fields)
    return invoice


def pay(client: APIClient, invoice: Invoice, amount: Any = TOTAL, provider: str = "sandbox", **more: Any) -> Any:
    """POST /api/orders/{id}/payments."""
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"provider": provider, "amount": str(amount), **more}
    return client.post(f"/api/orders/{invoice.order_id}/payments", body, headers=headers)


def report_of(payment: Payment, status: str = "succeeded", **more: Any) -> Report:
    """What the sandbox says about a payment."""
    facts: dict[str, Any] = {
        "event_id": f"evt_{payment.provider_ref}_{status}",
        "kind": f"payment.{status}",
        "subject": "payment",
        "provider_ref": payment.provider_ref,
        "status": status,
        "amount": payment.amount,
        "currency": payment.currency,
    }
    return Report(**facts | more)


def event_of(payment: Payment, status: str = "succeeded", **more: Any) -> bytes:
    """The same as a body."""
    report = report_of(payment, status)
    event = {
        "id": report.event_id,
        "kind": report.kind,
        "subject": report.subject,
        "provider_ref": report.provider_ref,
        "status": status,
        "amount": str(report.amount),
        "currency": report.currency,
        "failure": "",
    }
    return json.dumps(event | more).encode()


def deliver(client: APIClient, body: bytes, *, at: datetime | None = None, signature: str | None = None) -> Any:
    """Post a webhook of the sandbox, signed unless told otherwise."""
    header = signed(body, at=at or timezone.now()) if signature is None else signature
    return client.post(SANDBOX, data=body, content_type="application/json", headers={SIGNATURE_HEADER: header})
