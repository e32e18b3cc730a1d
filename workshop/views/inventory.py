"""The shelf: `/api/workshop/inventory`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent, shown
from common.pagination import CursorPagination
from common.permissions import HasPerm
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    reading,
)
from workshop import caches
from workshop.filters.inventory import PartFilter
from workshop.models import Part
from workshop.serializers.inventory import (
    AdjustPartSerializer,
    PartSerializer,
    ReceivePartSerializer,
    ScrapPartSerializer,
    StockMovementSerializer,
)
from workshop.services import inventory

OIL_FILTER = {
    "name": "Oil filter",
    "sku": "OF-2003",
    "description": "Spin-on, M20 x 1.5.",
    "unit": "piece",
    "price": "12.90",
    "cost": "6.40",
    "low_stock_threshold": "4.000",
    "supplier": 3,
    "supplier_sku": "W 610/3",
}
ROW_VALUE = {
    "id": 12,
    **OIL_FILTER,
    "product": None,
    "on_hand": "9.000",
    "reserved": "2.000",
    "available": "7.000",
    "low_stock": False,
    "archived_at": None,
    "created_at": "2025-03-01T09:30:00Z",
    "updated_at": "2025-03-01T09:30:00Z",
}
BODY = sent("a part", OIL_FILTER)
ROW = shown("a part", ROW_VALUE)
ARCHIVED = shown("archived", {**ROW_VALUE, "archived_at": "2025-03-02T08:00:00Z"})
MOVEMENT = shown(
    "a reservation",
    {
        "id": 981,
        "kind": "reserve",
        "quantity": "2.000",
        "on_hand_delta": "0.000",
        "reserved_delta": "2.000",
        "before": "9.000",
        "after": "9.000",
        "reason": "",
        "reference": "",
        "line": 55,
        "actor": 7,
        "at": "2025-03-01T09:45:00Z",
    },
)
CHANGE = HasPerm.of("workshop.change_part")
MOVE = HasPerm.of("workshop.move_stock")


@extend_schema_view(
    retrieve=extend_schema(
        summary="Read a part",
        description="Archived ones too. `cost` is null for people who may not see costs.",
        examples=[ROW],
    ),
    create=extend_schema(
        summary="Add a part",
        description="Nothing is on hand yet; `receive` puts it on the shelf. SKUs are compared without regard to case "
        "and spacing: 409 `sku_taken` with the other part's id in `meta.existing_id`.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a part",
        description="Optional members that are left out stay. Lines that are written keep their prices.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a part",
        examples=[sent("the price", {"price": "13.50"}), ROW],
    ),
    destroy=extend_schema(
        summary="Delete a part",
        description="Only one that was never used; else 409 `part_in_use`, and it can be archived.",
    ),
)
class PartViewSet(RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Parts; everybody who is signed in may look."""

    queryset = Part.objects.all()
    serializer_class = PartSerializer
    filterset_class = PartFilter
    action_permissions = {
        "create": [HasPerm.of("workshop.add_part")],
        "update": [CHANGE],
        "destroy": [HasPerm.of("workshop.delete_part")],
        "archive": [CHANGE],
        "unarchive": [CHANGE],
        "receive": [MOVE],
        "adjust": [MOVE],
        "scrap": [MOVE],
        "movements": [HasPerm.of("workshop.view_stockmovement")],
    }

    def get_queryset(self) -> QuerySet[Part]:
        """An archived part is still readable, but the list hides it unless asked."""
        if self.action == "list" and "archived" not in self.request.query_params:
            return Part.objects.current()
        return Part.objects.all()

    @extend_schema(
        summary="List parts",
        description="Cached for up to a minute; a change shows at once. `cost` is null for people who may not see "
        "costs.",
        examples=[ROW],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        sees_costs = self.caller.has_perm("workshop.view_costs")
        return self.cached_listing(caches.inventory, self.get_queryset(), viewer=sees_costs)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Part:
        return inventory.create_part(data=data, now=clock.now())

    def perform_update(self, instance: Part, data: dict[str, Any]) -> Part:
        return inventory.update_part(part=instance, data=data, now=clock.now())

    def perform_destroy(self, instance: Part) -> None:
        inventory.delete_part(part=instance)

    @command(
        detail=True,
        response=PartSerializer,
        summary="Archive a part",
        description="It leaves the list; what is on hand and reserved stays. Twice is no error.",
        examples=[ARCHIVED],
    )
    @idempotent
    def archive(self, request: Request, pk: int) -> Response:
        return self.answer(inventory.archive_part(part=self.get_object(), now=clock.now()))

    @command(
        detail=True,
        response=PartSerializer,
        summary="Bring a part back",
        description="Into the list. Twice is no error.",
        examples=[ROW],
    )
    @idempotent
    def unarchive(self, request: Request, pk: int) -> Response:
        return self.answer(inventory.unarchive_part(part=self.get_object(), now=clock.now()))

    @command(
        detail=True,
        request=ReceivePartSerializer,
        response=PartSerializer,
        summary="Receive stock",
        description="A delivery without a purchase order. Tickets that wait for the part get it, the oldest promise "
        "first, and go on when they lack nothing. Zero is 422 `quantity_not_positive`, more than the ledger can hold "
        "409 `stock_limit`.",
        examples=[
            sent("a delivery", {"quantity": "10", "reference": "DN-20881"}),
            ROW,
        ],
    )
    @idempotent
    def receive(self, request: Request, pk: int) -> Response:
        part, data = self.get_object(), self.validated(ReceivePartSerializer)
        return self.answer(inventory.receive_part(part=part, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        request=AdjustPartSerializer,
        response=PartSerializer,
        summary="Adjust stock to a count",
        description="What is on hand becomes what was counted. Fewer than are reserved is 409 `counted_below_reserved` "
        "with both in `meta`. Tickets that wait for the part get what was found.",
        examples=[
            sent("a count", {"counted": "9", "reason": "Yearly stocktake."}),
            ROW,
        ],
    )
    @idempotent
    def adjust(self, request: Request, pk: int) -> Response:
        part, data = self.get_object(), self.validated(AdjustPartSerializer)
        return self.answer(inventory.adjust_part(part=part, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        request=ScrapPartSerializer,
        response=PartSerializer,
        summary="Scrap stock",
        description="Throws away what is available; more than that is 409 `insufficient_stock`, since reserved parts "
        "are promised. Zero is 422 `quantity_not_positive`.",
        examples=[
            sent("broken ones", {"quantity": "1", "reason": "Fell off the shelf."}),
            ROW,
        ],
    )
    @idempotent
    def scrap(self, request: Request, pk: int) -> Response:
        part, data = self.get_object(), self.validated(ScrapPartSerializer)
        return self.answer(inventory.scrap_part(part=part, actor=self.caller, now=clock.now(), **data))

    @reading(
        detail=True,
        response=StockMovementSerializer(many=True),
        pagination_class=CursorPagination,
        schema={"summary": "List a part's movements", "description": "Newest first.", "examples": [MOVEMENT]},
    )
    def movements(self, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().movements.all(), StockMovementSerializer)
