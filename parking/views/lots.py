"""Lots and their spots: `/api/parking/lots`, `/api/parking/spots`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.idempotency import idempotent
from common import clock
from common.conditional import etag_of, is_current
from common.errors import NotFound
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    reading,
)
from parking import caches
from parking.filters.lots import LotFilter, SpotFilter, WindowFilter
from parking.models import Lot, Rate, Spot
from parking.serializers.lots import (
    LotSerializer,
    RateVersionSerializer,
    SpotChangeSerializer,
    SpotSerializer,
)
from parking.services import lots
from parking.services.availability import Availability, availability, with_holder
from parking.services.rates import with_current_rate
from parking.services.states import lock_lot
from parking.views.quotes import QuoteQuery

# For now, time alone changes who stands where, and no write tells the cache.
NOW_KEPT_S = 5
RATE = {
    "price": "3.00",
    "increment_min": 60,
    "first_free_s": 600,
    "cap": "15.00",
    "currency": "EUR",
    "surcharges": {"ev": "10.00"},
}
STATION = {
    "name": "Station north",
    "address": "4 Railway Street, Berlin",
    "pin_code": "10557",
    "description": "Entrance behind the bus stop.",
    "is_active": True,
    "timezone": "Europe/Berlin",
    "opens_at": "06:00:00",
    "closes_at": "23:30:00",
    "default_stay_min": 120,
    "no_show_after_min": 15,
    "cancel_cutoff_min": 30,
    "capacity": 50,
    "rate": RATE,
}
COUNTS = {"total": 50, "free": 41, "occupied": 6, "reserved": 2, "out_of_order": 1}
BODY = sent("a lot", STATION)
ROW = shown(
    "a lot",
    {
        "id": 4,
        **STATION,
        "availability": {**COUNTS, "by_type": {"standard": COUNTS}},
        "created_at": "2025-03-01T09:30:00Z",
        "updated_at": "2025-03-01T09:30:00Z",
    },
)
VERSION = shown("a version", {"id": 31, "version": 2, **RATE, "created_at": "2025-03-01T09:30:00Z", "created_by": 7})
SPOT = shown(
    "an occupied spot",
    {
        "id": 812,
        "lot": 4,
        "number": 12,
        "type": "standard",
        "status": "in_service",
        "reservation": {
            "id": 9001,
            "reference": "PK-7Q2M9X",
            "user": 7,
            "plate": "FC 2003",
            "vehicle_model": "Honda Accord",
            "vehicle_color": "silver",
            "status": "active",
            "starts_at": "2025-03-01T09:30:00Z",
            "ends_at": "2025-03-01T11:30:00Z",
            "is_overstay": False,
        },
    },
)
CLOSE = sent("close it", {"is_active": False})
DEARER = sent("a new price", {"rate": {"price": "3.50"}})
SHRINK = sent("fewer spots", {"capacity": 40})
CHANGE_SPOT = HasPerm.of("parking.change_spot")


@extend_schema_view(
    list=extend_schema(
        summary="List lots",
        description="Active lots with their rate and their spots: in all, and by type how many are free, occupied, "
        "reserved and out of order; now, or in the window from `starts_at` to `ends_at`. The figures for now may be "
        f"{NOW_KEPT_S} seconds behind the clock; a booking shows at once. Those who may change lots see inactive ones "
        "too.",
        examples=[ROW],
    ),
    create=extend_schema(
        summary="Open a lot",
        description="With spots 1 to `capacity`, all of them standard, and its `rate`. Without `opens_at` and "
        "`closes_at` it is open all day; one of them alone is 422 `opening_hours`. The currency is the deployment's "
        "unless given.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a lot",
        description="Optional members that are left out stay. For `capacity` and `rate` see the change of a lot.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a lot",
        description="A `rate` becomes a new version for bookings from now on, with what is left out as before; "
        "reservations keep the one they were made at. More `capacity` adds spots with new numbers after the highest "
        "there ever was; less retires the highest numbers that have no reservation now or later, and when these are "
        "too few it is 409 `spots_occupied` with the spots in the way in `meta.blocking`. An inactive lot takes no "
        "bookings and keeps those it has.",
        examples=[DEARER, SHRINK, CLOSE, ROW],
    ),
    destroy=extend_schema(
        summary="Archive a lot",
        description="It disappears; its history is kept. With active or future reservations 409 `lot_in_use`.",
    ),
)
class LotViewSet(QuoteQuery, ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Lots; everybody who is signed in may look at the active ones."""

    queryset = Lot.objects.all()
    serializer_class = LotSerializer
    filterset_class = LotFilter
    action_permissions = {
        "create": [HasPerm.of("parking.add_lot")],
        "update": [HasPerm.of("parking.change_lot")],
        "destroy": [HasPerm.of("parking.delete_lot")],
        "spots": [HasPerm.of("parking.view_spot")],
        "rates": [HasPerm.of("parking.view_rate")],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._available: dict[int, Availability] = {}

    def get_queryset(self) -> QuerySet[Lot]:
        return with_current_rate(Lot.objects.visible_to(self.caller))

    def represent(self, instance: Any, serializer_class: type[BaseSerializer[Any]], **kwargs: Any) -> Any:
        if serializer_class is LotSerializer:
            self._available = self._count(instance if kwargs.get("many") else [instance])
        return super().represent(instance, serializer_class, **kwargs)

    def available_of(self, lot: Lot) -> Availability:
        """What the serializer shows of a lot; a page of lots is counted at once."""
        if lot.pk not in self._available:
            self._available = self._count([lot])
        return self._available[lot.pk]

    def _count(self, shown: Collection[Lot]) -> dict[int, Availability]:
        """For the window of a read; a write answers for now."""
        window = WindowFilter.read(self.request.query_params)
        return caches.availability.get_or_set(
            (sorted(lot.pk for lot in shown), sorted(window.items())),
            lambda: availability(lots=shown, now=clock.now(), **window),
            timeout=None if window else NOW_KEPT_S,
        )

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer = super().list(request, *args, **kwargs)
        answer["ETag"] = etag_of(answer.data)
        return Response(status=304, headers={"ETag": answer["ETag"]}) if is_current(request, answer["ETag"]) else answer

    @extend_schema(
        summary="Read a lot",
        description="With its availability now, or in the window from `starts_at` to `ends_at`, which is part of what "
        "the ETag stands for.",
        examples=[ROW],
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.query()
        return super().retrieve(request, *args, **kwargs)

    retrieve.query_class = WindowFilter  # type: ignore[attr-defined]

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Lot:
        return lots.create_lot(data=data, actor=self.caller, now=clock.now())

    def perform_update(self, instance: Lot, data: dict[str, Any]) -> Lot:
        return lots.update_lot(lot=instance, data=data, actor=self.caller, now=clock.now())

    def perform_destroy(self, instance: Lot) -> None:
        lots.archive_lot(lot=instance, now=clock.now())

    @reading(
        detail=True,
        response=SpotSerializer(many=True),
        filterset_class=SpotFilter,
        schema={
            "summary": "List a lot's spots",
            "description": "By number, each with the reservation that holds it now. Retired ones only with "
            "`status=retired`.",
            "examples": [SPOT],
        },
    )
    def spots(self, request: Request, pk: int) -> Response:
        # Not by get_object, which would filter the lots by the filters of spots.
        lot = self.get_queryset().filter(pk=pk).first()
        if lot is None:
            raise NotFound
        return self.listing(with_holder(lot.spots.order_by("number"), now=clock.now()), SpotSerializer)

    @reading(
        detail=True,
        response=RateVersionSerializer(many=True),
        schema={
            "summary": "List a lot's rates",
            "description": "The present one first, then those of the past.",
            "examples": [VERSION],
        },
    )
    def rates(self, request: Request, pk: int) -> Response:
        return self.listing(
            Rate.objects.filter(lot_id=self.get_object().pk).order_by("-version"), RateVersionSerializer
        )


@extend_schema_view(
    retrieve=extend_schema(summary="Read a spot", examples=[SPOT]),
    partial_update=extend_schema(
        summary="Change a spot",
        description="A spot with reservations cannot be put out of order, nor one with reservations to come change its "
        "type: 409 `spot_reserved` with those in `meta.reservations`. With `relocate` they are moved to other free "
        "spots of the same type, all of them or none, and their drivers are told; a vehicle that stands there cannot "
        "be moved. A retired spot is 409 `spot_retired`.",
        examples=[
            sent("a charger", {"type": "ev"}),
            sent("a broken one", {"out_of_order": True, "relocate": True}),
            SPOT,
        ],
    ),
)
class SpotViewSet(RetrieveMixin, UpdateMixin, ApiViewSet):
    """The spots of lots that are not archived, to staff."""

    http_method_names = ["get", "patch", "head", "options"]
    queryset = Spot.objects.all()
    serializer_class = SpotSerializer
    action_serializers = {"update": SpotChangeSerializer}
    action_permissions = {"retrieve": [HasPerm.of("parking.view_spot")], "update": [CHANGE_SPOT]}

    def get_queryset(self) -> QuerySet[Spot]:
        return with_holder(Spot.objects.filter(lot__archived_at=None), now=clock.now())

    def locked_if_matched(self) -> Any:
        """The lot comes before the spot."""
        lock_lot(self.get_object().lot_id)
        return super().locked_if_matched()

    def perform_update(self, instance: Spot, data: dict[str, Any]) -> Spot:
        lots.update_spot(spot=instance, data=data, actor=self.caller, now=clock.now())
        return self.get_object()
