"""The garage: `/api/garage`."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from cars import services
from cars.filters import VehicleFilter
from cars.models import Vehicle, VehicleQuerySet
from cars.pdf import passport_pdf
from cars.permissions import WritesVehicle
from cars.serializers.garage import (
    OdometerReadingSerializer,
    OdometerSerializer,
    ReassignVehicleSerializer,
    VehicleEventSerializer,
    VehicleSerializer,
)
from cars.serializers.passport import PassportSerializer
from cars.views.examples import PASSPORT
from common import clock
from common.conditional import etag_of
from common.examples import sent, shown
from common.pagination import CursorPagination
from common.pdf_views import PDFMixin, pdf_action
from common.permissions import HasPerm, SignedIn
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    conditional,
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
BODY = sent("a vehicle", ACCORD)
ROW = shown(
    "a vehicle",
    {
        "id": 12,
        "owner": 7,
        **ACCORD,
        "vin_exempt_reason": "",
        "vin_warnings": [],
        "car": None,
        "created_at": "2025-03-01T09:30:00Z",
        "updated_at": "2025-03-01T09:30:00Z",
    },
)

EVENT = shown(
    "parked",
    {
        "id": 903,
        "kind": "parked",
        "at": "2025-03-01T09:32:05Z",
        "actor": 7,
        "reference": "PK-7K3QX9ZD",
        "summary": "Parked.",
        "private_summary": "At Central, spot 7.",
    },
)
READING = shown(
    "a reading",
    {
        "id": 31,
        "value": 182950,
        "unit": "km",
        "at": "2025-03-01T09:30:00Z",
        "source": "owner",
        "forced": False,
        "forced_reason": "",
        "created_at": "2025-03-01T09:30:00Z",
    },
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
        examples=[sent("the plate", {"plate": "FC 2004"}), ROW],
    ),
    destroy=extend_schema(
        summary="Archive a vehicle",
        description="Its timeline is kept and its VIN is free again. 409 `vehicle_in_sale` while its owner has a "
        "listing of it, or until its sale is over.",
    ),
)
class VehicleViewSet(PDFMixin, ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """People's vehicles. Another's is 404, like one that does not exist."""

    queryset = Vehicle.objects.all()
    serializer_class = VehicleSerializer
    filterset_class = VehicleFilter
    throttle_scopes = {"passport_pdf": "documents"}
    action_permissions = {
        "update": [SignedIn, WritesVehicle],
        "destroy": [SignedIn, WritesVehicle],
        "record_odometer": [SignedIn, WritesVehicle],
        "reassign": [HasPerm.of("cars.reassign_vehicle")],
    }

    def get_queryset(self) -> VehicleQuerySet:
        vehicles = Vehicle.objects.live().visible_to(self.caller)
        return vehicles.select_related("car") if self.action in ("passport", "passport_pdf") else vehicles

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
        examples=[sent("the new owner", {"owner": 8}), ROW],
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
        schema={"summary": "Read a vehicle's timeline", "description": "Newest first.", "examples": [EVENT]},
    )
    def timeline(self, request: Request, pk: int) -> Response:
        events = self.get_object().events.visible_to(self.caller)
        return self.listing(events, VehicleEventSerializer)

    @reading(
        detail=True,
        response=OdometerReadingSerializer(many=True),
        pagination_class=CursorPagination,
        schema={"summary": "List odometer readings", "description": "Newest first.", "examples": [READING]},
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
            sent("a reading", {"value": 182950, "unit": "km"}),
            sent(
                "a new instrument", {"value": 12, "unit": "km", "force": True, "reason": "Instrument cluster replaced."}
            ),
            READING,
        ],
    )
    @idempotent
    def record_odometer(self, request: Request, pk: int) -> Response:
        vehicle = self.get_object()
        data = self.validated(OdometerSerializer)
        entry = services.record_odometer(vehicle=vehicle, actor=self.caller, now=clock.now(), **data)
        return Response(self.represent(entry, OdometerReadingSerializer), status=201)

    record_odometer.query_class = None

    @reading(
        detail=True,
        response=PassportSerializer,
        schema={
            "summary": "Read a vehicle's passport",
            "description": "The timeline and the odometer in one document, as far as the caller may know them: of "
            "another owner's time what has a public summary. Every reading has a verdict, and the series one of "
            "`consistent`, `questionable` and `not_enough_readings`. Services, sales and title events are newest "
            "first, readings oldest first; of more than 1,000 events or readings the newest are there.",
            "examples": [PASSPORT],
        },
    )
    def passport(self, request: Request, pk: int) -> Response:
        return conditional(request, self._passport()[1])

    @pdf_action(
        url_path="passport.pdf",
        summary="Download a vehicle's passport as PDF",
        description="With a chart of the odometer. Number and fingerprint are those of the JSON.",
    )
    def passport_pdf(self, request: Request, pk: int) -> HttpResponse:
        passport, data = self._passport()
        address = reverse("vehicle-passport", kwargs={"pk": pk}, request=request)
        seal = {"number": data["number"], "fingerprint": data["fingerprint"], "address": address}
        return self.rendered(request, data["number"], etag_of(data), lambda: passport_pdf(passport, **seal))

    def _passport(self) -> tuple[services.Passport, dict[str, Any]]:
        passport = services.read_passport(vehicle=self.get_object(), viewer=self.caller, now=clock.now())
        return passport, self.represent(passport, PassportSerializer)
