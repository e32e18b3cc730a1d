"""Payments for orders: `/api/orders/{id}/payments`, `/api/payments`."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from auctions.filters.payments import SalePaymentFilter
from auctions.models import Payment
from auctions.permissions import BuyerOr
from auctions.serializers.payments import (
    SalePaymentCreateSerializer,
    SalePaymentSerializer,
    StartedPaymentSerializer,
)
from auctions.services.payments import ADD_PAYMENT, ask_provider, start_payment
from auctions.views.refunds import RefundActions
from common import clock
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.permissions import SignedIn
from common.views import ApiViewSet, RetrieveMixin, command

WIRE: dict[str, Any] = {
    "id": 52,
    "order": 31,
    "provider": "manual",
    "provider_ref": "",
    "amount": "15825.00",
    "currency": "USD",
    "status": "succeeded",
    "reference": "WIRE 2025-0303-118",
    "failure": "",
    "refund_reserved": "0.00",
    "succeeded_at": "2025-03-03T09:00:00Z",
    "created_at": "2025-03-03T09:00:00Z",
    "updated_at": "2025-03-03T09:00:00Z",
}
BY_CARD = WIRE | {
    "provider": "sandbox",
    "provider_ref": "sbp_52",
    "status": "processing",
    "reference": "",
    "succeeded_at": None,
}
BY_STRIPE = BY_CARD | {
    "provider": "stripe",
    "provider_ref": "pi_3R8yIxFc2aXb7Qd01mZkPwLs",
    "status": "requires_action",
    "action": {"type": "stripe", "client_secret": "pi_3R8yIxFc2aXb7Qd01mZkPwLs_secret_b1N5"},
}
DECLINED = BY_CARD | {"status": "failed", "reference": "decline", "failure": "The card was declined."}


def _and_ask_provider(method: Any) -> Any:
    """Around `@idempotent`: the payment's row is committed before its provider is asked, and what the provider gives
    its payer (a secret) is asked for again and never stored with the answer."""

    @wraps(method)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = method(view, request, *args, **kwargs)
        attempt = ask_provider(payment_id=answer.data["id"], now=clock.now())
        answer.data = view.represent(attempt, StartedPaymentSerializer)
        return answer

    return wrapper


class PaymentActions:
    """Paying, for the viewset of orders."""

    @command(
        detail=True,
        request=SalePaymentCreateSerializer,
        response=StartedPaymentSerializer,
        status=201,
        operation_id="orders_payments_create",
        summary="Pay for an order",
        description="By card (`sandbox`, `stripe`) its buyer, at most what is owed and not on its way already: else "
        "409 `payment_exceeds_balance` with `balance` in `meta`. The payment is confirmed by the provider later; "
        "`action` says what the buyer does next, and sending the same request with the same `Idempotency-Key` answers "
        "it again. By `manual` finance records a wire with its `reference` (422 `reference_required`), which may "
        "exceed the balance: the rest is the buyer's credit; 409 `duplicate_payment`, with `existing_id` in `meta`, "
        "when it was recorded already. 409 `not_invoiced` before the invoice, `order_not_payable` when the sale came "
        "to nothing; 422 `provider_off`. An attempt that the provider refuses or does not answer is `failed`; try "
        "again by another. 503 `provider_unavailable` when one that has begun "
        "cannot be asked for.",
        examples=[
            sent("a card", {"provider": "sandbox", "amount": "15825.00"}),
            sent("a wire", {"provider": "manual", "amount": "15825.00", "reference": "WIRE 2025-0303-118"}),
            shown("on its way", BY_CARD | {"action": None}),
            shown("to be confirmed", BY_STRIPE),
            shown("a wire", WIRE | {"action": None}),
        ],
    )
    @_and_ask_provider
    @idempotent
    def payments(self: Any, request: Request, pk: int) -> Response:
        order, data = self.get_object(), self.validated(SalePaymentCreateSerializer)
        payment = start_payment(order_id=order.pk, actor=self.caller, now=clock.now(), **data)
        location = reverse("payment-detail", kwargs={"pk": payment.pk}, request=request)
        return Response(self.represent(payment, SalePaymentSerializer), status=201, headers={"Location": location})

    # Stands here, so that no viewset can take the command without it.
    payments.kwargs["permission_classes"] = [SignedIn, BuyerOr.of(ADD_PAYMENT)]


@extend_schema_view(
    list=extend_schema(
        summary="List payments for orders",
        description="Buyers see their own, staff all; sellers none. The newest first, all attempts.",
        examples=[shown("a wire", WIRE), shown("declined", DECLINED)],
    ),
    retrieve=extend_schema(summary="Read a payment for an order", examples=[shown("on its way", BY_CARD)]),
)
class PaymentViewSet(RefundActions, FastListMixin, RetrieveMixin, ApiViewSet):
    """Attempts to pay for orders."""

    queryset = Payment.objects.all()
    serializer_class = SalePaymentSerializer
    filterset_class = SalePaymentFilter
    permission_classes = [SignedIn]
    audience = ("auctions.view_payment",)

    def get_queryset(self) -> QuerySet[Payment]:
        return Payment.objects.visible_to(self.caller).order_by("-id")
