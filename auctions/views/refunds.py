"""Refunds: `/api/payments/{id}/refunds`, `/api/refunds`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from auctions.filters.refunds import RefundFilter
from auctions.models import Refund
from auctions.serializers.refunds import RejectRefundSerializer, RequestRefundSerializer, SaleRefundSerializer
from auctions.services import refunds
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command

AsksForRefunds = HasPerm.of("auctions.add_refund")
DecidesOnRefunds = HasPerm.of("auctions.decide_refund")
REQUESTED = {
    "id": 2,
    "payment": 4,
    "order": 3,
    "order_number": "FO-7K2M4Q9X",
    "amount": "450.00",
    "currency": "USD",
    "reason": "The transport was cancelled.",
    "status": "requested",
    "attempt": 0,
    "failure": "",
    "credit_note": None,
    "requested_by": 11,
    "decided_by": None,
    "created_at": "2025-03-05T09:12:44.120114Z",
    "done_at": None,
}
APPROVED = REQUESTED | {"status": "approved", "decided_by": 12}
DONE = APPROVED | {
    "status": "done",
    "attempt": 1,
    "credit_note": "SCN-2025-000001",
    "done_at": "2025-03-05T09:20:01.503301Z",
}


ROW = shown("a refund that is done", DONE)


class RefundActions:
    """Asking for money back, for the viewset of payments."""

    def get_permissions(self: Any) -> list[BasePermission]:
        """Stands here, so that no viewset can take the action without it."""
        return [AsksForRefunds()] if self.action == "refunds" else super().get_permissions()  # type: ignore[misc]

    @command(
        detail=True,
        request=RequestRefundSerializer,
        response=SaleRefundSerializer,
        status=201,
        operation_id="payments_refunds_create",
        summary="Ask for a refund",
        description="Of some of a payment; somebody approves it then. All that is asked for and not rejected together "
        "is at most the payment: else 409 `refund_exceeds_payment` with what is `refundable` in `meta`. 409 "
        "`invalid_transition` when the payment has not succeeded.",
        examples=[
            sent("some of it", {"amount": "450.00", "reason": "The transport was cancelled."}),
            shown("asked for", REQUESTED),
        ],
    )
    @idempotent
    def refunds(self: Any, request: Request, pk: int) -> Response:
        payment, data = self.get_object(), self.validated(RequestRefundSerializer)
        refund = refunds.ask_for_refund(payment_id=payment.pk, actor=self.caller, now=clock.now(), **data)
        location = reverse("refund-detail", kwargs={"pk": refund.pk}, request=request)
        answer = self.represent(refund, SaleRefundSerializer)
        return Response(answer, status=201, headers={"Location": location})


@extend_schema_view(
    list=extend_schema(summary="List refunds", description="The newest first.", examples=[ROW]),
    retrieve=extend_schema(summary="Read a refund", examples=[ROW]),
)
class RefundViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """Refunds of one's own purchases; finance sees all. For a seller they do not exist."""

    queryset = Refund.objects.all()
    serializer_class = SaleRefundSerializer
    filterset_class = RefundFilter
    permission_classes = [SignedIn]
    action_permissions = {name: [DecidesOnRefunds] for name in ("approve", "reject", "retry")}

    def get_queryset(self) -> QuerySet[Refund]:
        return Refund.objects.visible_to(self.caller).select_related("order", "credit_note").order_by("-id")

    @command(
        detail=True,
        response=SaleRefundSerializer,
        summary="Approve a refund",
        description="From now on it is reserved on its payment, and the gate pass is revoked until the money is back. "
        "That of a wire (`manual`) is `done` at once; others are sent to the provider, which reports how it ended. A "
        "refund that is done posts a credit note over what had not been paid beyond the invoice. Above the limit "
        "(`meta.limit`) who asked for it gets 403 `second_person_needed`. 409 `invalid_transition` when it was decided "
        "before.",
        examples=[shown("by card", APPROVED), shown("by wire", DONE)],
    )
    @idempotent
    def approve(self, request: Request, pk: int) -> Response:
        return self.answer(refunds.approve_refund(refund_id=self.get_object().pk, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        request=RejectRefundSerializer,
        response=SaleRefundSerializer,
        summary="Reject a refund",
        description="The money stays, and may be asked for again. Also one that failed and that nobody sends again: "
        "what was reserved counts again, and may pay the rest of the order. 409 `invalid_transition` when it was "
        "decided before and did not fail.",
        examples=[
            sent("why", {"reason": "The car was as described."}),
            shown("rejected", REQUESTED | {"status": "rejected", "decided_by": 12}),
        ],
    )
    @idempotent
    def reject(self, request: Request, pk: int) -> Response:
        refund, data = self.get_object(), self.validated(RejectRefundSerializer)
        return self.answer(refunds.reject_refund(refund_id=refund.pk, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=SaleRefundSerializer,
        summary="Send a refund again",
        description="One that failed, as another attempt for the provider; it has stayed reserved. 409 "
        "`invalid_transition` when it did not fail.",
        examples=[shown("on its way again", APPROVED | {"status": "in_transit", "attempt": 2})],
    )
    @idempotent
    def retry(self, request: Request, pk: int) -> Response:
        return self.answer(refunds.retry_refund(refund_id=self.get_object().pk, actor=self.caller, now=clock.now()))
