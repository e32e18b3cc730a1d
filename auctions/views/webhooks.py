"""What payment providers report: `/api/webhooks/{provider}`."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from auctions.models import Payment
from auctions.serializers.payments import ReceivedSerializer
from auctions.services import webhooks
from common import clock
from common.errors import NotFound
from common.examples import sent, shown
from common.permissions import Public
from common.throttling import ScopedThrottle
from common.views import ApiView

# Nobody reports a wire.
PROVIDERS = tuple(name for name in Payment.Provider.values if name != Payment.Provider.MANUAL)
_BODY = {"application/json": {"type": "object", "additionalProperties": True}}


class WebhookView(ApiView):
    """Takes the signed events of payment providers."""

    authentication_classes = ()
    permission_classes = (Public,)
    throttle_classes = (ScopedThrottle,)  # Not the general one of addresses: providers have few, and much to say.
    throttle_scope = "webhooks"

    @extend_schema(
        operation_id="webhooks_receive",
        summary="Report an event of a provider",
        description="For payment providers. The signature (`Stripe-Signature`; of the sandbox "
        "`Forecourt-Signature: t=<seconds>,v1=<HMAC-SHA256 of t.body>`) is checked over the bytes of the body: 401 "
        "`bad_signature` when it is missing, wrong or older than five minutes, 400 `bad_event` when the body is no "
        "event. 200 as soon as the event is stored, also when it was before; what it leads to follows.",
        parameters=[OpenApiParameter("provider", str, OpenApiParameter.PATH, enum=PROVIDERS)],
        request=_BODY,
        responses=ReceivedSerializer,
        examples=[
            sent(
                "of the sandbox",
                {"id": "evt_51", "type": "payment.succeeded", "payment": "6f1f0d5e", "amount": "8350.00"},
            ),
            shown("stored", {"event": "6f1f0d5e-3c58-4c55-9a35-0b7b3d0e4a11"}),
        ],
    )
    def post(self, request: Request, provider: str) -> Response:
        if provider not in PROVIDERS:
            raise NotFound
        event = webhooks.receive(
            provider=provider, headers=request.headers, body=request._request.body, now=clock.now()
        )
        return Response({"event": str(event.pk)})
