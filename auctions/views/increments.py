"""Increment tables: `/api/increment-tables`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.models import IncrementTable
from auctions.serializers.increments import IncrementTableSerializer
from auctions.services import increments
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
)

VEHICLES = {
    "name": "Vehicles",
    "tiers": [
        {"up_to": "4999.99", "step": "100.00"},
        {"up_to": "29999.99", "step": "250.00"},
        {"up_to": None, "step": "500.00"},
    ],
}
BODY = sent("steps for vehicles", VEHICLES)
ROW = shown(
    "steps for vehicles",
    {
        "id": 1,
        **VEHICLES,
        "is_default": True,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    },
)
RULES = (
    "Tiers follow each other: `up_to` rises and is null in the last one alone; steps are positive, never smaller "
    "than the one before and at most 1,000,000.00. Otherwise 422 with the code of the first finding "
    "(`tiers_not_rising`, `open_tier_not_last`, `last_tier_not_open`, `step_not_positive`, `steps_falling`, "
    "`step_too_large`), its place in `attr` and all of them in `meta.findings`. A name "
    "that is taken is 409 `increment_table_exists`."
)


@extend_schema_view(
    list=extend_schema(summary="List increment tables", description="By name.", examples=[ROW]),
    retrieve=extend_schema(summary="Read an increment table", examples=[ROW]),
    create=extend_schema(summary="Add an increment table", description=RULES, examples=[BODY, ROW]),
    update=extend_schema(
        summary="Replace an increment table",
        description=f"{RULES} Auctions that went live keep the steps they took over.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change an increment table",
        description=f"{RULES} Auctions that went live keep the steps they took over.",
        examples=[sent("another name", {"name": "Cars"}), ROW],
    ),
    destroy=extend_schema(
        summary="Delete an increment table",
        description="The default one is 409 `default_increment_table`: make another one the default first.",
    ),
)
class IncrementTableViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """The steps by which prices rise, to staff."""

    queryset = IncrementTable.objects.all()
    serializer_class = IncrementTableSerializer
    permission_classes = [HasPerm.of("auctions.view_incrementtable")]
    action_permissions = {
        "create": [HasPerm.of("auctions.add_incrementtable")],
        "update": [HasPerm.of("auctions.change_incrementtable")],
        "destroy": [HasPerm.of("auctions.delete_incrementtable")],
        "make_default": [HasPerm.of("auctions.change_incrementtable")],
    }

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> IncrementTable:
        return increments.create_increment_table(data=data)

    def perform_update(self, instance: IncrementTable, data: dict[str, Any]) -> IncrementTable:
        return increments.update_increment_table(table=instance, data=data)

    def perform_destroy(self, instance: IncrementTable) -> None:
        increments.delete_increment_table(table=instance)

    @command(
        detail=True,
        url_path="make-default",
        response=IncrementTableSerializer,
        summary="Make an increment table the default",
        description="Auctions whose seller gave no steps go live with it from now on; the table that was the default "
        "is so no longer. Repeating it changes nothing.",
        examples=[ROW],
    )
    @idempotent
    def make_default(self, request: Request, pk: int) -> Response:
        return self.answer(increments.make_default(table=self.get_object()))
