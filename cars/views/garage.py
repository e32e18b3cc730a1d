"""The garage: `/api/garage`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from cars import services
from cars.filters import VehicleFilter
from cars.models import Vehicle, VehicleQuerySet
from cars.permissions import WritesVehicle
from cars.serializers.garage import (
    OdometerReadingSerializer,
    OdometerSerializer,
    ReassignVehicleSerializer,
    VehicleEventSerializer,
    VehicleSerializer,
)
from common import clock
from common.pagination import CursorPagination
from common.permissions import HasPerm, SignedIn
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    reading,
)

ACCORD = {
    "vin": "1HGCM82633A004352",
    "plate": "FC 2003",
    "year": 2003,
    "make": "Honda",
    "model": "Accord",
    "trim": "EX",
    "color": "silver",
    "mileage": 182400,
    "mileage_unit": "km",
}
BODY = OpenApiExample("a vehicle", value=ACCORD, request_only=True)
ROW = OpenApiExample(
    "a vehicle",
    value={
        "id": 12,
        "owner": 7,
        **ACCORD,
        "vin_exempt_reason": "",
        "vin_warnings": [],
        "car": None,
        "created_at": "2025-03-01T09:30:00Z",
        "updated_at": "2025-03-01T09:30:00Z",
    },
    response_only=True,
)


@extend_schema_view(
    list=extend_schema(
        summary="List vehicles",
        description="One's own; staff who may see the garage see everybody's. Archived ones are gone from here.",
        examples=[ROW],
    ),
    retrieve=extend_schema(summary="Read a vehicle", examples=[ROW]),
    create=extend_schema(
        summary="Register a vehicle",
        description="It becomes the caller's. The VIN is checked (422 `invalid_vin` with the findings) and must not be "
        "that of another vehicle (409 `vin_in_use`; staff can reassign that one). Chassis numbers from before 1981 and "
        "other short ones are admitted with a `vin_exempt_reason`. With a `car` of the registry, blank make, model and "
        "year are taken from it.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a vehicle",
        description="Members that are left out stay. A new mileage is recorded as an odometer reading.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a vehicle",
        examples=[OpenApiExample("the plate", value={"plate": "FC 2004"}, request_only=True), ROW],
    ),
    destroy=extend_schema(
        summary="Archive a vehicle",
        description="Its timeline is kept and its VIN is free again. 409 `vehicle_in_sale` while its owner has a "
        "listing of it, or until its sale is over.",
    ),
)
class VehicleViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """People's vehicles. Another's is 404, like one that does not exist."""

    queryset = Vehicle.objects.all()
    serializer_class = VehicleSerializer
    filterset_class = VehicleFilter
    action_permissions = {
        "update": [SignedIn, WritesVehicle],
        "destroy": [SignedIn, WritesVehicle],
        "record_odometer": [SignedIn, WritesVehicle],
        "reassign": [HasPerm.of("cars.reassign_vehicle")],
    }

    def get_queryset(self) -> VehicleQuerySet:
        return Vehicle.objects.live().visible_to(self.caller)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Vehicle:
        return services.register_vehicle(owner=self.caller, actor=self.caller, data=data, now=clock.now())

    def perform_update(self, instance: Vehicle, data: dict[str, Any]) -> Vehicle:
        return services.update_vehicle(vehicle=instance, actor=self.caller, data=data, now=clock.now())

    def perform_destroy(self, instance: Vehicle) -> None:
        services.archive_vehicle(vehicle=instance, now=clock.now())

    @command(
        detail=True,
        request=ReassignVehicleSerializer,
        response=VehicleSerializer,
        summary="Give a vehicle to another owner",
        description="By staff. The timeline goes along; what it holds of private matters of the former owner stays "
        "hidden from the new one.",
        examples=[OpenApiExample("the new owner", value={"owner": 8}, request_only=True), ROW],
    )
    @idempotent
    def reassign(self, request: Request, pk: int) -> Response:
        new_owner = self.validated(ReassignVehicleSerializer)["owner"]
        vehicle = services.reassign_vehicle(
            vehicle=self.get_object(), new_owner=new_owner, actor=self.caller, now=clock.now()
        )
        return self.answer(vehicle)

    @reading(
        detail=True,
        response=VehicleEventSerializer(many=True),
        pagination_class=CursorPagination,
        schema={"summary": "Read a vehicle's timeline", "description": "Newest first."},
    )
    def timeline(self, request: Request, pk: int) -> Response:
        events = self.get_object().events.visible_to(self.caller)
        return self.listing(events, VehicleEventSerializer)

    @reading(
        detail=True,
        response=OdometerReadingSerializer(many=True),
        pagination_class=CursorPagination,
        schema={"summary": "List odometer readings", "description": "Newest first."},
    )
    def odometer(self, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().odometer_readings.all(), OdometerReadingSerializer)

    @odometer.mapping.post
    @extend_schema(
        summary="Record an odometer reading",
        description="`at` is now unless told. A reading below the one before it, or above the one after it, in any "
        "unit, is 409 `odometer_rollback` with that one in `meta`, unless it is sent with `force` and a `reason`.",
        request=OdometerSerializer,
        responses={201: OdometerReadingSerializer},
        examples=[
            OpenApiExample("a reading", value={"value": 182950, "unit": "km"}, request_only=True),
            OpenApiExample(
                "a new instrument",
                value={"value": 12, "unit": "km", "force": True, "reason": "Instrument cluster replaced."},
                request_only=True,
            ),
        ],
    )
    @idempotent
    def record_odometer(self, request: Request, pk: int) -> Response:
        vehicle = self.get_object()
        data = self.validated(OdometerSerializer)
        entry = services.record_odometer(vehicle=vehicle, actor=self.caller, now=clock.now(), **data)
        return Response(self.represent(entry, OdometerReadingSerializer), status=201)

    record_odometer.query_class = None
