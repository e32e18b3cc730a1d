"""The stand-in for Stripe refuses, repeats and signs as the real one does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.standins.stripe_server import KEY, MOST_CENTS, WEBHOOK_SECRET, StripeServer


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


@pytest.fixture
def client(server: StripeServer) -> StripeClient:
    return StripeClient(KEY, base_addresses={"api": server.base_url}, max_network_retries=0)


def intent_of(client: StripeClient, amount: int = 1000, **options: Any) -> Any:
    return client.v1.payment_intents.create({"amount": amount, "currency": "usd", "metadata": {"order": "1"}}, options)  # type: ignore[arg-type]


def test_an_intent_is_made_read_and_cancelled(client: StripeClient) -> None:
    intent = intent_of(client)
    assert (intent.status, intent.metadata["order"], intent.amount_received) == ("requires_payment_method", "1", 0)
    assert client.v1.payment_intents.retrieve(intent.id).client_secret == intent.client_secret
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.cancel(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_a_key_brings_the_first_answer_again(client: StripeClient) -> None:
    assert intent_of(client, idempotency_key="k").id == intent_of(client, idempotency_key="k").id
    assert intent_of(client).id != intent_of(client).id
    with pytest.raises(stripe.IdempotencyError):
        intent_of(client, 2000, idempotency_key="k")


def test_errors_have_the_classes_of_the_library(server: StripeServer, client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as too_large:
        intent_of(client, MOST_CENTS + 1)
    assert too_large.value.code == "amount_too_large"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.payment_intents.retrieve("pi_0")
    assert missing.value.code == "resource_missing"
    with pytest.raises(stripe.AuthenticationError):
        intent_of(StripeClient("sk_test_wrong", base_addresses={"api": server.base_url}))


def test_no_more_goes_back_than_came_in(server: StripeServer, client: StripeClient) -> None:
    intent = intent_of(client)
    server.pay(intent.id)
    for amount in (600, 400):
        assert client.v1.refunds.create({"payment_intent": intent.id, "amount": amount}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})


def test_events_are_delivered_signed(server: StripeServer, client: StripeClient) -> None:
    event = server.pay(intent_of(client).id)
    with _Endpoint() as endpoint:
        assert server.deliver(event, endpoint.url).status_code == 200
    verified = client.construct_event(endpoint.body, endpoint.signature, WEBHOOK_SECRET)
    assert (verified.type, verified.id) == ("payment_intent.succeeded", json.loads(event)["id"])
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(endpoint.body + b" ", endpoint.signature, WEBHOOK_SECRET)


class _Endpoint:
    """Takes one webhook."""

    body = b""
    signature = ""

    def __enter__(self) -> _Endpoint:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.signature = self.headers["Stripe-Signature"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
