"""Purchase orders: `/api/workshop/purchase-orders`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import ApiViewSet, CreateMixin, ListMixin, RetrieveMixin, UpdateMixin, command
from workshop.filters.purchasing import PurchaseOrderFilter
from workshop.models import PurchaseOrder
from workshop.serializers.purchasing import (
    NewPurchaseOrderSerializer,
    OrderedShortagesSerializer,
    PurchaseOrderLinesSerializer,
    PurchaseOrderRowSerializer,
    PurchaseOrderSerializer,
    ReceiveDeliverySerializer,
    ReceivedOrderSerializer,
)
from workshop.services import purchasing

WRITES = [HasPerm.of("workshop.change_purchaseorder")]
ROW_VALUE = {
    "id": 4,
    "number": "PO-000004",
    "supplier": 2,
    "supplier_name": "Filter House",
    "status": "draft",
    "total": "36.00",
    "sent_at": None,
    "created_by": 7,
    "created_at": "2026-11-25T08:00:00Z",
    "updated_at": "2026-11-25T08:00:00Z",
}
LINE_VALUE = {
    "id": 9,
    "part": 3,
    "sku": "OF-1",
    "name": "Oil filter",
    "unit": "piece",
    "supplier_sku": "FH-77",
    "quantity": "6.000",
    "unit_cost": "6.00",
    "received": "0.000",
}
DRAFT_VALUE = ROW_VALUE | {"lines": [LINE_VALUE], "deliveries": []}
SENT_VALUE = DRAFT_VALUE | {"status": "sent", "sent_at": "2026-11-25T09:00:00Z"}
DELIVERY_VALUE = {
    "id": 1,
    "note": "DN-1001",
    "lines": [{"line": 9, "quantity": "4.000"}],
    "received_by": 7,
    "received_at": "2026-11-26T07:30:00Z",
}
RECEIVED_VALUE = SENT_VALUE | {
    "status": "partially_received",
    "lines": [LINE_VALUE | {"received": "4.000"}],
    "deliveries": [DELIVERY_VALUE],
    "resumed": [{"id": 12, "number": "RO-000012"}],
}
SHORTAGES_VALUE = {
    "orders": [DRAFT_VALUE],
    "without_supplier": [{"part": 5, "sku": "BP-9", "quantity": "2.000"}],
}
LINES_BODY = {"lines": [{"part": 3, "quantity": "6", "unit_cost": "6.00"}]}
DELIVERY_BODY = {"delivery_note": "DN-1001", "lines": [{"line": 9, "quantity": "4"}]}


DRAFT = shown("a draft", DRAFT_VALUE)


@extend_schema_view(
    list=extend_schema(
        summary="List purchase orders",
        description="Newest first.",
        examples=[shown("an order", ROW_VALUE)],
    ),
    retrieve=extend_schema(summary="Read a purchase order", examples=[DRAFT]),
    create=extend_schema(
        summary="Draft a purchase order",
        description="A supplier has one draft at a time: a second one is 409 `draft_exists` with the first in `meta`. "
        "A line without `unit_cost` takes the part's cost. A part in two lines is 422 `duplicate_part`, an archived "
        "one 422 `part_archived`.",
        examples=[sent("six filters", {"supplier": 2, **LINES_BODY}), DRAFT],
    ),
    partial_update=extend_schema(
        summary="Change the lines of a draft",
        description="`lines` are all lines from now on; a line whose part stays keeps its id, and without `unit_cost` "
        "its cost. An order that was sent is 409 `order_not_draft`.",
        examples=[sent("six filters", LINES_BODY), DRAFT],
    ),
)
class PurchaseOrderViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, ApiViewSet):
    """What is ordered from suppliers; for those who may view purchase orders."""

    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = PurchaseOrder.objects.all()
    serializer_class = PurchaseOrderSerializer
    filterset_class = PurchaseOrderFilter
    permission_classes = [HasPerm.of("workshop.view_purchaseorder")]
    action_serializers = {
        "list": PurchaseOrderRowSerializer,
        "create": NewPurchaseOrderSerializer,
        "partial_update": PurchaseOrderLinesSerializer,
    }
    action_permissions = {
        "create": [HasPerm.of("workshop.add_purchaseorder")],
        "partial_update": WRITES,
        "from_shortages": [HasPerm.of("workshop.add_purchaseorder"), *WRITES],
        "send": WRITES,
        "cancel": WRITES,
        "receive": [HasPerm.of("workshop.move_stock"), *WRITES],
    }

    def get_queryset(self) -> QuerySet[PurchaseOrder]:
        orders = PurchaseOrder.objects.select_related("supplier").order_by("-id")
        return orders.prefetch_related("lines" if self.action == "list" else "lines__part", "deliveries")

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> PurchaseOrder:
        order = purchasing.create_order(actor=self.caller, now=clock.now(), **data)
        return self.get_queryset().get(pk=order.pk)

    def perform_update(self, instance: PurchaseOrder, data: dict[str, Any]) -> PurchaseOrder:
        if "lines" in data:
            purchasing.update_order(order=instance, lines=data["lines"])
        return self.get_queryset().get(pk=instance.pk)

    @command(
        detail=False,
        url_path="from-shortages",
        response=OrderedShortagesSerializer,
        summary="Order what is short",
        description="Brings the suppliers' drafts to what authorised jobs of open tickets lack, and to what keeps "
        "parts at their thresholds, less what is available and what is expected already. A second call adds nothing. "
        "Answers the suppliers' drafts as they are now, and what has no supplier to order it from.",
        examples=[shown("one draft", SHORTAGES_VALUE)],
    )
    @idempotent
    def from_shortages(self, request: Request) -> Response:
        shortages = purchasing.order_shortages(actor=self.caller, now=clock.now())
        orders = self.get_queryset().filter(pk__in=[order.pk for order in shortages.orders]).order_by("pk")
        return Response(self.represent(shortages._replace(orders=list(orders)), OrderedShortagesSerializer))

    @command(
        detail=True,
        response=PurchaseOrderSerializer,
        summary="Send a purchase order",
        description="Notes that the draft went to its supplier: from now on it can be received.",
        examples=[shown("on its way", SENT_VALUE)],
    )
    @idempotent
    def send(self, request: Request, pk: int) -> Response:
        purchasing.send_order(order=self.get_object(), now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=PurchaseOrderSerializer,
        summary="Cancel a purchase order",
        description="Nothing more is expected of it; what was received stays. A complete order is 409.",
        examples=[shown("cancelled", DRAFT_VALUE | {"status": "cancelled"})],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        purchasing.cancel_order(order=self.get_object())
        return self.answer(self.get_object())

    @command(
        detail=True,
        request=ReceiveDeliverySerializer,
        response=ReceivedOrderSerializer,
        summary="Receive a delivery",
        description="Puts what arrived on the shelf, all of it or some. Tickets that wait for these parts get them "
        "reserved, the oldest promise first, and those that have all of theirs go on (`resumed`). The same delivery "
        "note again, in any spelling, is 409 `delivery_note_repeated`; more than is still to come is 409 "
        "`more_than_ordered` with all such lines in `meta`.",
        examples=[sent("four of six", DELIVERY_BODY), shown("two are to come", RECEIVED_VALUE)],
    )
    @idempotent
    def receive(self, request: Request, pk: int) -> Response:
        data = self.validated(ReceiveDeliverySerializer)
        resumed = purchasing.receive_delivery(
            order=self.get_object(),
            note=data["delivery_note"],
            arrivals=data["lines"],
            actor=self.caller,
            now=clock.now(),
        )
        order: Any = self.get_object()
        order.resumed = resumed
        return Response(self.represent(order, ReceivedOrderSerializer))
