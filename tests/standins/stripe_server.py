"""A stand-in for Stripe's payments: PaymentIntents and refunds in the shapes of its API, and signed events.

`localstripe` from the package index was tried for this: it refuses `automatic_payment_methods` and `description`,
answers errors without Stripe's codes, and brings a web framework of its own.

By hand: `python -m tests.standins.stripe_server --port 8004`, then `STRIPE_API_BASE=http://127.0.0.1:8004`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import ClassVar

import httpx
from stripe import WebhookSignature

from tests.standins.base import Answer, Request, Row, StandIn, command_line, serve_until_stopped

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
WEBHOOK_SECRET = "whsec_9f8c1d2e3b4a59687786950a1b2c3d4e"
MOST_CENTS = 99_999_999
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")


class StripeServer(StandIn):
    """One account. `pending_refunds` makes refunds end later (`end_refund`), as those to a bank account do."""

    rows_field: ClassVar[str] = "data"
    id_field: ClassVar[str] = "id"
    takes_forms: ClassVar[bool] = True

    def __init__(self, *, pending_refunds: bool = False, port: int = 0) -> None:
        super().__init__(port=port)
        self.pending_refunds = pending_refunds
        self._answers: dict[str, tuple[Request, Answer]] = {}
        self._made = 0

    # --- Requests

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        if headers.get("authorization") != f"Bearer {KEY}":
            return _refused(401, "Invalid API Key provided: sk_test_***")
        key = headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return self._carried_out(request)
        if key in self._answers:
            first, answer = self._answers[key]
            if (first.path, first.params) != (request.path, request.params):
                return _refused(400, "Keys for idempotent requests can only be used once.", kind="idempotency_error")
            return Answer(answer.status, answer.document, headers={"Idempotent-Replayed": "true"})
        answer = self._carried_out(request)
        self._answers[key] = (request, answer)
        return answer

    def _carried_out(self, request: Request) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["v1", "payment_intents"]:
                return self._create_intent(request.params)
            case "GET", ["v1", "payment_intents", name]:
                found = self._row(name)
                return Answer(document=found) if found else _missing("payment_intent", name)
            case "POST", ["v1", "payment_intents", name, "cancel"]:
                return self._cancel(name)
            case "GET", ["v1", "refunds", name]:
                found = self._row(name)
                return Answer(document=found) if found else _missing("refund", name)
            case "POST", ["v1", "refunds"]:
                return self._create_refund(request.params)
        return _refused(404, f"Unrecognized request URL ({request.method}: {request.path}).")

    def error(self, status: int) -> Answer:
        return _refused(status, "An unknown error occurred", kind="api_error")

    def bad_rows(self) -> list[Row]:
        return []

    def _create_intent(self, params: Mapping[str, str]) -> Answer:
        amount = int(params["amount"])
        if amount > MOST_CENTS:
            return _refused(400, "Amount must be no more than $999,999.99", code="amount_too_large", param="amount")
        name = self._name("pi")
        intent = {
            "id": name,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{name}_secret_YrKJUKribcBjcG8HVhfZluoGH",
            "confirmation_method": "automatic",
            "created": int(time.time()),
            "currency": params["currency"],
            "customer": None,
            "description": params.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": _metadata(params),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}, "link": {}},
            "payment_method_types": ["card", "link"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
        self._rows.append(intent)
        return Answer(document=intent)

    def _cancel(self, name: str) -> Answer:
        intent = self._row(name)
        if intent is None:
            return _missing("payment_intent", name)
        if intent["status"] not in _OPEN[:3]:
            text = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
            return _refused(400, text, code="payment_intent_unexpected_state")
        intent |= {"status": "canceled", "canceled_at": int(time.time())}
        return Answer(document=intent)

    def _create_refund(self, params: Mapping[str, str]) -> Answer:
        intent = self._row(params["payment_intent"])
        if intent is None:
            return _missing("payment_intent", params["payment_intent"])
        amount = int(params.get("amount", intent["amount_received"]))
        refunds = [row for row in self._rows if row.get("payment_intent") == intent["id"] and row["status"] != "failed"]
        left = intent["amount_received"] - sum(row["amount"] for row in refunds)
        if amount > left:
            text = (
                f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})"
            )
            return _refused(400, text, param="amount")
        refund = {
            "id": self._name("re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": self._name("txn"),
            "charge": intent["latest_charge"],
            "created": int(time.time()),
            "currency": intent["currency"],
            "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
            "metadata": _metadata(params),
            "payment_intent": intent["id"],
            "reason": None,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if self.pending_refunds else "succeeded",
            "transfer_reversal": None,
        }
        self._rows.append(refund)
        return Answer(document=refund)

    # --- What payers and banks do

    def pay(self, name: str) -> str:
        """The payer confirms an intent by a good card: the event, as JSON."""
        with self._lock:
            intent = self._find(name)
            intent |= {
                "status": "succeeded",
                "amount_received": intent["amount"],
                "latest_charge": self._name("ch"),
                "payment_method": self._name("pm"),
                "last_payment_error": None,
            }
            return self.event("payment_intent.succeeded", intent)

    def decline(self, name: str) -> str:
        """The payer's card is declined; the intent waits for another one."""
        with self._lock:
            intent = self._find(name)
            intent["last_payment_error"] = {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "doc_url": "https://stripe.com/docs/error-codes/card-declined",
                "message": "Your card has insufficient funds.",
                "type": "card_error",
            }
            intent["latest_charge"] = self._name("ch")
            return self.event("payment_intent.payment_failed", intent)

    def process(self, name: str) -> str:
        """The payer's bank takes its time."""
        with self._lock:
            intent = self._find(name)
            intent["status"] = "processing"
            return self.event("payment_intent.processing", intent)

    def give_back(self, name: str) -> None:
        """The payer's bank refuses what was processed; the intent waits for another way to pay."""
        with self._lock:
            self._find(name)["status"] = "requires_payment_method"

    def end_refund(self, name: str, *, failed: bool = False) -> str:
        """A refund that was pending ends."""
        with self._lock:
            refund = self._find(name)
            refund |= {"status": "failed", "failure_reason": "declined"} if failed else {"status": "succeeded"}
            return self.event("refund.failed" if failed else "refund.updated", refund)

    def event(self, kind: str, subject: Row) -> str:
        """An event about a row as it is now, as JSON."""
        event = {
            "id": self._name("evt"),
            "object": "event",
            "api_version": "2025-09-30.clover",
            "created": int(time.time()),
            "data": {"object": subject},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        return json.dumps(event, indent=2)

    def deliver(self, event: str, url: str, *, secret: str = WEBHOOK_SECRET) -> httpx.Response:
        """Post a signed event, as Stripe does."""
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature_of(event, secret)}
        return httpx.post(url, content=event, headers=headers, timeout=10)

    def _row(self, name: str) -> Row | None:
        return next((row for row in self._rows if row["id"] == name), None)

    def _name(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_3R8yIxFc2aXb7Qd0{self._made:08d}"


def signature_of(event: str, secret: str = WEBHOOK_SECRET, *, at: float | None = None) -> str:
    """The value of `Stripe-Signature`."""
    moment = None if at is None else int(at)
    header: str = WebhookSignature.generate_signature_header(event, secret, moment)
    return header


def _metadata(params: Mapping[str, str]) -> dict[str, str]:
    return {name[9:-1]: value for name, value in params.items() if name.startswith("metadata[")}


def _refused(
    status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", param: str = ""
) -> Answer:
    error = {"message": message, "type": kind}
    error |= {name: value for name, value in {"code": code, "param": param}.items() if value}
    return Answer(status, {"error": error})


def _missing(what: str, name: str) -> Answer:
    return _refused(404, f"No such {what}: '{name}'", code="resource_missing", param="intent")


def main() -> None:
    serve_until_stopped(StripeServer(port=command_line(__doc__).parse_args().port))


if __name__ == "__main__":
    main()
