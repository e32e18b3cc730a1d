"""Payouts: `/api/payouts`."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.payouts import PayoutFilter
from auctions.models import Payout
from auctions.serializers.payouts import PayoutSerializer, PayPayoutSerializer
from auctions.services import payouts
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command

DUE = {
    "id": 1,
    "order": 3,
    "order_number": "FO-7K2M4Q9X",
    "seller": 7,
    "price": "15000.00",
    "fee": "300.00",
    "amount": "14700.00",
    "currency": "USD",
    "status": "due",
    "due_at": "2025-03-07T10:00:00.120114Z",
    "reference": "",
    "paid_at": None,
    "paid_by": None,
    "created_at": "2025-03-07T10:00:00.120114Z",
}
PAID = DUE | {"status": "paid", "reference": "W-2025-0311", "paid_at": "2025-03-08T08:30:12.503301Z", "paid_by": 11}


@extend_schema_view(
    list=extend_schema(
        summary="List payouts",
        description="The newest first. `due` from the day on which the papers of a paid car were received, `held` "
        "while a dispute is open.",
        examples=[shown("a payout that is due", DUE)],
    ),
    retrieve=extend_schema(summary="Read a payout", examples=[shown("a payout that was paid", PAID)]),
)
class PayoutViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """What one gets for the cars that one sold; finance sees all. For a buyer they do not exist."""

    queryset = Payout.objects.all()
    serializer_class = PayoutSerializer
    filterset_class = PayoutFilter
    permission_classes = [SignedIn]
    action_permissions = {"pay": [HasPerm.of("auctions.change_payout")]}

    def get_queryset(self) -> QuerySet[Payout]:
        return Payout.objects.visible_to(self.caller).select_related("order").order_by("-id")

    @command(
        detail=True,
        request=PayPayoutSerializer,
        response=PayoutSerializer,
        summary="Pay a payout",
        description="Writes down that the money was sent, by the bank's reference. 409 `invalid_transition` when it is "
        "held, cancelled or paid already, `money_goes_back` while a refund of the order is on its way.",
        examples=[
            sent("a wire", {"reference": "W-2025-0311"}),
            shown("paid", PAID),
        ],
    )
    @idempotent
    def pay(self, request: Request, pk: int) -> Response:
        payout, data = self.get_object(), self.validated(PayPayoutSerializer)
        return self.answer(payouts.pay_payout(payout_id=payout.pk, actor=self.caller, now=clock.now(), **data))
