"""Suppliers: `/api/workshop/suppliers`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from workshop.filters.people import SupplierFilter
from workshop.models import Supplier
from workshop.serializers.people import SupplierSerializer
from workshop.services import suppliers

NORTH = {"name": "North Parts Ltd", "email": "orders@north-parts.example", "phone": "+44 20 7946 0000"}
BODY = sent("a supplier", NORTH)
ROW = shown(
    "a supplier", {"id": 3, **NORTH, "created_at": "2026-11-25T09:30:00Z", "updated_at": "2026-11-25T09:30:00Z"}
)


@extend_schema_view(
    list=extend_schema(summary="List suppliers", examples=[ROW]),
    retrieve=extend_schema(summary="Read a supplier", examples=[ROW]),
    create=extend_schema(
        summary="Add a supplier",
        description="A name that there is, whatever its case and spacing, is 409 `supplier_exists` with the row's id "
        "in `meta.existing_id`.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a supplier", description="Members that are left out stay.", examples=[BODY, ROW]
    ),
    partial_update=extend_schema(
        summary="Change a supplier",
        examples=[sent("the phone", {"phone": "+44 20 7946 0001"}), ROW],
    ),
    destroy=extend_schema(
        summary="Delete a supplier",
        description="One with parts or purchase orders is 409 `supplier_in_use`.",
    ),
)
class SupplierViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Those who sell parts; for the workshop's staff."""

    queryset = Supplier.objects.all()
    serializer_class = SupplierSerializer
    filterset_class = SupplierFilter
    permission_classes = [HasPerm.of("workshop.view_supplier")]
    action_permissions = {
        "create": [HasPerm.of("workshop.add_supplier")],
        "update": [HasPerm.of("workshop.change_supplier")],
        "destroy": [HasPerm.of("workshop.delete_supplier")],
    }

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Supplier:
        return suppliers.create_supplier(data=data)

    def perform_update(self, instance: Supplier, data: dict[str, Any]) -> Supplier:
        return suppliers.update_supplier(supplier=instance, data=data)

    def perform_destroy(self, instance: Supplier) -> None:
        suppliers.delete_supplier(supplier=instance)
