"""The registry: `/api/cars`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from cars import history, services
from cars.filters import CarFilter, ModelYearFilter
from cars.models import Car, CarQuerySet
from cars.pagination import GroupPagination
from cars.permissions import WritesCar
from cars.serializers.cars import (
    CarHistorySerializer,
    CarModelSerializer,
    CarSerializer,
    MakeSerializer,
    UnlockCarSerializer,
)
from cars.services.cars import cache
from cars.views.sync import SyncCarsMixin
from common import clock
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.fastread import FastRetrieveMixin
from common.pagination import CursorPagination
from common.permissions import HasPerm, SignedIn
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    UpdateMixin,
    command,
    reading,
)

CAMRY = {"make": "Toyota", "model": "Camry", "year": 2020, "category": "Sedan"}
CAMRY_ROW = {
    "id": 417,
    **CAMRY,
    "source": "manual",
    "external_id": None,
    "source_updated_at": None,
    "created_in_run": None,
    "locked_fields": [],
    "withdrawn_at": None,
    "created_at": "2025-03-01T09:30:00Z",
    "updated_at": "2025-03-01T09:30:00Z",
}
BODY = sent("a car", CAMRY)
ROW = shown("a car", CAMRY_ROW)
CHANGED = shown(
    "the year",
    {
        "id": 2204,
        "action": "changed",
        "at": "2025-03-01T09:41:00Z",
        "user": 7,
        "run_id": None,
        "changes": [{"field": "year", "old": 2020, "new": 2021}],
    },
)


@extend_schema_view(
    list=extend_schema(summary="List cars", examples=[ROW]),
    retrieve=extend_schema(summary="Read a car", examples=[ROW]),
    create=extend_schema(
        summary="Add a car",
        description="Make, model and year are compared without regard to case and spacing. When the registry has them "
        "already: 409 `duplicate_car`, with the row's id in `meta.existing_id`.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a car",
        description="By the creator of a manual row, or staff. Fields of a synced row that change are locked against "
        "the sync. Without `category` the category stays.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a car",
        examples=[sent("the year", {"year": 2021}), ROW],
    ),
    destroy=extend_schema(summary="Delete a car", description="A synced row that staff delete does not come back."),
)
class CarViewSet(SyncCarsMixin, FastListMixin, FastRetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Makes, models and years; everybody who is signed in reads them and may add some."""

    queryset = Car.objects.all()
    serializer_class = CarSerializer
    filterset_class = CarFilter
    replica_reads = frozenset({"list", "retrieve"})
    action_permissions = {
        "update": [SignedIn, WritesCar],
        "destroy": [SignedIn, WritesCar],
        "unlock": [HasPerm.of("cars.unlock_car")],
        "history": [HasPerm.of("cars.view_historicalcar")],
    }

    def get_queryset(self) -> CarQuerySet:
        """A withdrawn row is still readable, but the list hides it."""
        hidden = self.action == "list" and not CarFilter.read(self.request.query_params).get("include_withdrawn")
        return Car.objects.current() if hidden else Car.objects.all()

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Car:
        return services.create_car(actor=self.caller, data=data, now=clock.now())

    def perform_update(self, instance: Car, data: dict[str, Any]) -> Car:
        return services.update_car(car=instance, actor=self.caller, data=data, now=clock.now())

    def perform_destroy(self, instance: Car) -> None:
        services.delete_car(car=instance, actor=self.caller)

    @command(
        detail=True,
        request=UnlockCarSerializer,
        response=CarSerializer,
        summary="Unlock edited fields",
        description="Let the sync change them again: `fields`, or all. The values stay until the sync brings others.",
        examples=[sent("one field", {"fields": ["category"]}), ROW],
    )
    @idempotent
    def unlock(self, request: Request, pk: int) -> Response:
        fields = self.validated(UnlockCarSerializer).get("fields")
        return self.answer(services.unlock_car(car=self.get_object(), actor=self.caller, fields=fields))

    @reading(
        detail=True,
        response=CarHistorySerializer(many=True),
        pagination_class=CursorPagination,
        schema={"summary": "Read who changed a car", "examples": [CHANGED]},
    )
    def history(self, request: Request, pk: int) -> Response:
        snapshots = Car.history.filter(id=self.get_object().pk)
        page = self.paginate_queryset(self.filter_queryset(snapshots)) or []
        entries = self.represent(history.describe(page), CarHistorySerializer, many=True)
        return self.get_paginated_response(entries)

    @reading(
        detail=False,
        response=MakeSerializer(many=True),
        pagination_class=GroupPagination,
        schema={
            "summary": "List makes",
            "description": "Each with the number of its cars. Cached for up to a minute.",
            "examples": [shown("a make", {"make": "Toyota", "count": 1204})],
        },
    )
    def makes(self, request: Request) -> Response:
        return self.cached_listing(cache, Car.objects.current().makes(), MakeSerializer)

    @reading(
        detail=False,
        response=CarModelSerializer(many=True),
        url_path="makes/<str:make>/models",
        pagination_class=GroupPagination,
        filterset_class=ModelYearFilter,
        schema={
            "summary": "List the models of a make",
            "description": "Of one year, or of all. A make that nobody knows has none. Cached for up to a minute.",
            "parameters": [OpenApiParameter("make", str, OpenApiParameter.PATH, description="In any spelling.")],
            "examples": [shown("a model", {"model": "Corolla", "count": 48})],
        },
    )
    def models(self, request: Request, make: str) -> Response:
        return self.cached_listing(cache, Car.objects.current().models_of(make), CarModelSerializer)
