"""Gate passes: `/api/orders/{id}/gate-pass`, `/api/gate-passes/{code}/use`."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.models import GatePass
from auctions.serializers.gate_passes import GatePassSerializer, UsedGatePassSerializer
from auctions.services import gate_passes
from common import clock
from common.errors import NotFound
from common.examples import shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, command, reading

PASS = shown("not used yet", {"code": "GP-7K2M4Q9X", "issued_at": "2025-03-04T10:00:00.120114Z", "used_at": None})
USED = shown(
    "the car may leave",
    {
        "order": 31,
        "order_number": "FO-7K3QX9ZD",
        "vehicle": "2018 Honda Accord",
        "delivery": "self_pickup",
        "issued_at": "2025-03-04T10:00:00.120114Z",
        "used_at": "2025-03-05T09:12:44.104512Z",
    },
)


class GatePassActions:
    """The pass of an order, for the orders' viewset."""

    @reading(
        detail=True,
        response=GatePassSerializer,
        url_path="gate-pass",
        permission_classes=[SignedIn],
        filter_backends=[],
        schema={
            "summary": "Read an order's gate pass",
            "description": "For the buyer and staff. 404 for others, and while there is none: before all is paid, "
            "during a dispute and while a refund is on its way.",
            "examples": [PASS],
        },
    )
    def gate_pass(self: Any, request: Request, pk: int) -> Response:
        order, viewer = self.get_object(), self.caller
        found = gate_passes.pass_of(order)
        if found is None or not (order.buyer_id == viewer.pk or viewer.has_perm("auctions.view_gatepass")):
            raise NotFound
        return Response(self.represent(found, GatePassSerializer))


class GatePassViewSet(ApiViewSet):
    """The gate: one types in the code that the buyer or the carrier shows."""

    queryset = GatePass.objects.all()
    serializer_class = UsedGatePassSerializer
    filterset_class = None
    lookup_field = "code"
    lookup_value_converter = "slug"
    permission_classes = [HasPerm.of("auctions.use_gatepass")]

    @command(
        detail=True,
        response=UsedGatePassSerializer,
        summary="Let a car out",
        description="Uses a gate pass, once, in capitals or not. Where no carrier was booked the order is delivered "
        "with it. 404 for a code that nobody has, 409 `gate_pass_used`, `gate_pass_revoked`.",
        examples=[USED],
    )
    @idempotent
    def use(self, request: Request, code: str) -> Response:
        used = gate_passes.use_pass(code=code.upper(), actor=self.caller, now=clock.now())
        return Response(self.represent(used, UsedGatePassSerializer))
