"""A provider of cards that is not there: it takes every card, and reports a little later by a signed webhook, as a real
one does. `decline` as the reference of a payment makes it fail, and as the reason of a refund its first attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from auctions.models import Payment, Refund
from auctions.providers.base import TOLERANCE_S, BadEvent, BadSignature, ProviderError, Refunded, Report, Started
from common import clock
from common.http import OutsideClient, OutsideError
from common.renderers import dump_json

SIGNATURE_HEADER = "Forecourt-Signature"
DECLINE = "decline"
_BUDGET_S = 10.0


class Sandbox:
    """Knows nothing but what is in the rows that it is given."""

    name = "sandbox"
    is_card = True

    def start(self, payment: Payment) -> Started:
        return Started(provider_ref=f"sbp_{payment.pk}", status=Payment.Status.PROCESSING)

    def send_refund(self, payment: Payment, refund: Refund, *, idempotency_key: str) -> Refunded:
        return Refunded(provider_ref=f"sbr_{idempotency_key}", status=Refund.Status.IN_TRANSIT)

    def look_up(self, row: Payment | Refund) -> Report:
        return self.read(dump_json(_event_of(row)).decode())

    def cancel(self, payment: Payment) -> str:
        return Payment.Status.CANCELLED

    def verify(self, headers: Mapping[str, str], body: bytes) -> Report:
        signed_at, signatures = _parsed(headers.get(SIGNATURE_HEADER, ""))
        if abs(clock.now().timestamp() - signed_at) > TOLERANCE_S:
            raise BadSignature
        expected = _signature(signed_at, body)
        if not any(constant_time_compare(expected, signature) for signature in signatures):
            raise BadSignature
        return self.read(body.decode(errors="replace"))

    def read(self, body: str) -> Report:
        try:
            event = json.loads(body)
            return Report(
                event_id=event["id"],
                kind=event["kind"],
                subject=event["subject"],
                provider_ref=event["provider_ref"],
                status=event["status"],
                amount=Decimal(event["amount"]),
                currency=event["currency"],
                failure=event["failure"],
            )
        except (ValueError, ArithmeticError, LookupError, TypeError):
            raise BadEvent from None

    def confirm(self, report: Report) -> Report:
        return report

    # --- The other side

    def settle(self, row: Payment | Refund) -> None:
        """Decide a payment or a refund that is on its way, and report it by a webhook over HTTP, as often as it is
        asked for: the event stays the same. Raises ProviderError."""
        body = dump_json(_event_of(row))
        address = f"{settings.INTERNAL_URL}/api/webhooks/{self.name}"
        headers = {
            "Content-Type": "application/json",
            "Host": urlsplit(settings.BACKEND_URL).netloc,  # The name that this service answers to.
            SIGNATURE_HEADER: signed(body, at=clock.now()),
        }
        try:
            # Our own address, which may well be a private one.
            with OutsideClient(provider=self.name, budget_s=_BUDGET_S, tries=1, allow_private=True) as client:
                client.post(address, content=body, headers=headers)
        except OutsideError as error:
            raise ProviderError(str(error), is_transient=error.is_transient) from error


def signed(body: bytes, *, at: datetime) -> str:
    """The header of a webhook: when it was signed, and an HMAC-SHA256 over that and the body."""
    moment = int(at.timestamp())
    return f"t={moment},v1={_signature(moment, body)}"


def _signature(moment: int, body: bytes) -> str:
    text = f"{moment}.".encode() + body
    return salted_hmac("auctions.providers.sandbox", text, algorithm="sha256").hexdigest()


def _parsed(header: str) -> tuple[int, list[str]]:
    """Raises BadSignature."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdigit() and len(moments[0]) <= 12):
        raise BadSignature
    return int(moments[0]), [value for name, _, value in parts if name == "v1"]


def _event_of(row: Payment | Refund) -> dict[str, Any]:
    subject = "payment" if isinstance(row, Payment) else "refund"
    failure = "The card was declined." if _is_declined(row) else ""
    good = Payment.Status.SUCCEEDED if isinstance(row, Payment) else Refund.Status.DONE
    status = str(Payment.Status.FAILED if failure else good)
    return {
        "id": f"evt_{row.provider_ref}",
        "kind": f"{subject}.{status}",
        "subject": subject,
        "provider_ref": row.provider_ref,
        "status": status,
        "amount": str(row.amount),
        "currency": row.currency,
        "failure": failure,
    }


def _is_declined(row: Payment | Refund) -> bool:
    if isinstance(row, Payment):
        return row.reference == DECLINE
    return row.reason == DECLINE and row.attempt <= 1
