"""Payments: `/api/parking/reservations/{id}/payments`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import reading
from parking.serializers.payments import ParkingPaymentCreateSerializer, ParkingPaymentSerializer
from parking.services.payments import record_stay_payment

CARD = {"amount": "6.00", "method": "card", "reference": "T-4711"}
PAYMENT_BODY = sent("by card", CARD)
PAYMENT_ROW = shown(
    "a payment", {"id": 4, "reservation": 51, **CARD, "received_at": "2025-03-01T11:05:10Z", "received_by": 2}
)
TakesMoney = HasPerm.of("parking.add_parkingpayment")


class ReservationPayments:
    """`GET` and `POST /reservations/{id}/payments`, for the viewset of reservations."""

    def get_permissions(self: Any) -> list[BasePermission]:
        """Stands here, so that no viewset can take the command without it."""
        if self.action == "record_payment":
            return [TakesMoney()]
        return super().get_permissions()  # type: ignore[misc]

    @reading(
        detail=True,
        response=ParkingPaymentSerializer(many=True),
        schema={
            "summary": "List a stay's payments",
            "description": "The oldest first. `received_by` is null for drivers.",
            "examples": [PAYMENT_ROW],
        },
    )
    def payments(self: Any, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().payments.all(), ParkingPaymentSerializer)

    @payments.mapping.post
    @extend_schema(
        summary="Record a payment for a stay",
        description="By staff, for a stay that is completed (else 409 `stay_not_completed`), at once or in parts. "
        "More than is still owed is 409 `payment_exceeds_cost` with the `balance` in `meta`. Payments are never "
        "changed.",
        request=ParkingPaymentCreateSerializer,
        responses={201: ParkingPaymentSerializer},
        examples=[PAYMENT_BODY, PAYMENT_ROW],
    )
    @idempotent
    def record_payment(self: Any, request: Request, pk: int) -> Response:
        reservation, data = self.get_object(), self.validated(ParkingPaymentCreateSerializer)
        payment = record_stay_payment(reservation=reservation, actor=self.caller, now=clock.now(), **data)
        return Response(self.represent(payment, ParkingPaymentSerializer), status=201)

    record_payment.query_class = None
