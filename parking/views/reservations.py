"""Reservations: `/api/parking/reservations`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.pagination import CursorPagination
from common.permissions import SignedIn
from common.views import ApiViewSet, CreateMixin, RetrieveMixin, command, reading
from parking.filters.reservations import ReservationFilter
from parking.models import Reservation, ReservationQuerySet
from parking.permissions import DriverOr
from parking.serializers.reservations import (
    BookingSerializer,
    ExtendSerializer,
    ReleaseSerializer,
    ReservationEventSerializer,
    ReservationSerializer,
)
from parking.services import booking, reservations
from parking.views.payments import ReservationPayments

RESERVED = {
    "id": 51,
    "reference": "PK-7K3QX9ZD",
    "lot": 3,
    "lot_name": "Central",
    "spot": {"id": 120, "number": 7, "type": "standard"},
    "user": 7,
    "vehicle": 12,
    "plate": "FC 2003",
    "vehicle_model": "Honda Accord",
    "vehicle_color": "silver",
    "remarks": "",
    "starts_at": "2025-03-01T09:30:00Z",
    "ends_at": "2025-03-01T11:30:00Z",
    "booked_until": "2025-03-01T11:30:00Z",
    "checked_in_at": None,
    "released_at": None,
    "status": "reserved",
    "is_overstay": False,
    "hourly_rate": "3.00",
    "surcharge_percent": "0.00",
    "cost": None,
    "currency": "USD",
    "paid": "0.00",
    "created_at": "2025-02-27T18:02:11Z",
    "updated_at": "2025-02-27T18:02:11Z",
}
ACTIVE = RESERVED | {"status": "active", "checked_in_at": "2025-03-01T09:32:05Z"}
COMPLETED = ACTIVE | {"status": "completed", "released_at": "2025-03-01T11:04:40Z", "cost": "6.00"}

CHECKED_IN = {
    "id": 411,
    "kind": "state",
    "old": "reserved",
    "new": "active",
    "note": "",
    "actor": 7,
    "at": "2025-03-01T09:32:05Z",
}


def _shown(name: str, value: dict[str, Any]) -> OpenApiExample:
    return shown(name, value)


ROW = _shown("a reservation", RESERVED)


@extend_schema_view(
    list=extend_schema(
        summary="List reservations",
        description="One's own; parking's staff see everybody's. Newest first unless ordered otherwise.",
        examples=[ROW],
    ),
    retrieve=extend_schema(summary="Read a reservation", examples=[ROW]),
    create=extend_schema(
        summary="Book a spot",
        description="The lowest free spot of the type (`standard` unless told) in the window, from now on or from "
        "`starts_at`. Without `starts_at` the stay is active at once and its cost counts from now. The rate of this "
        "moment holds for the whole stay. 409 `lot_full` names the types that have a free spot in "
        "`meta.other_types`; 409 `lot_closed` (inactive, or closed when one comes or goes), `lot_archived`, "
        "`plate_in_use` (parked, or booked in the window, anywhere) and `too_many_reservations`. 422 when it is not "
        "exactly one of `vehicle` and `plate`, when there is no plate, and for windows that make no sense: a start in "
        f"the past, an end before it, more than {booking.MOST_STAY.days} days, more than a year ahead.",
        examples=[
            sent("now, any plate", {"lot": 3, "plate": "FC 2003"}),
            sent(
                "to come, a vehicle of the garage",
                {
                    "lot": 3,
                    "vehicle": 12,
                    "starts_at": "2025-03-01T09:30:00Z",
                    "ends_at": "2025-03-01T11:30:00Z",
                    "spot_type": "ev",
                },
            ),
            ROW,
        ],
    ),
)
class ReservationViewSet(ReservationPayments, FastListMixin, RetrieveMixin, CreateMixin, ApiViewSet):
    """Spots for vehicles. Another's reservation is 404, like one that does not exist."""

    queryset = Reservation.objects.all()
    serializer_class = ReservationSerializer
    filterset_class = ReservationFilter
    audience = ("parking.view_reservation",)
    action_serializers = {"create": BookingSerializer, "list": ReservationSerializer, "retrieve": ReservationSerializer}
    action_permissions = {
        "check_in": [SignedIn, DriverOr.of("parking.force_release")],
        "release": [SignedIn, DriverOr.of("parking.force_release")],
        "cancel": [SignedIn, DriverOr.of("parking.change_reservation")],
        "extend": [SignedIn, DriverOr.of("parking.change_reservation")],
    }

    def get_queryset(self) -> ReservationQuerySet:
        return Reservation.objects.visible_to(self.caller).select_related("lot", "spot", "rate")

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Reservation:
        names = {"lot": "lot_id", "vehicle": "vehicle_id"}
        booked = {names.get(name, name): value for name, value in data.items()}
        return booking.book(user=self.caller, now=clock.now(), **booked)

    @command(
        detail=True,
        url_path="check-in",
        response=ReservationSerializer,
        summary="Check in",
        description="From 15 minutes before the start (409 `too_early`) until the reservation is given up (409 "
        "`no_show`). Who comes early holds the spot from now on; while somebody else still stands there, one gets "
        "another spot of the type, or 409 `spot_taken`.",
        examples=[_shown("parked", ACTIVE)],
    )
    @idempotent
    def check_in(self, request: Request, pk: int) -> Response:
        reservation = self.get_object()
        return self.answer(reservations.check_in(reservation=reservation, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        request=ReleaseSerializer,
        response=ReservationSerializer,
        summary="Release",
        description="The vehicle leaves: the cost is that of the time since check-in, and never changes again. A "
        "second release is 409 `already_released`. Staff may release anybody's vehicle; `force` is theirs alone and "
        "wants a `reason`, which the history keeps.",
        examples=[
            sent("by the driver", {}),
            sent("by staff", {"force": True, "reason": "The vehicle has left."}),
            _shown("left", COMPLETED),
        ],
    )
    @idempotent
    def release(self, request: Request, pk: int) -> Response:
        reservation, data = self.get_object(), self.validated(ReleaseSerializer)
        return self.answer(reservations.release(reservation=reservation, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=ReservationSerializer,
        summary="Cancel a reservation",
        description="Free of charge until the lot's `cancel_cutoff` before the start; then 409 `too_late_to_cancel`.",
        examples=[_shown("cancelled", RESERVED | {"status": "cancelled"})],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        reservation = self.get_object()
        return self.answer(reservations.cancel(reservation=reservation, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        request=ExtendSerializer,
        response=ReservationSerializer,
        summary="Stay longer",
        description="On the same spot, while nobody else has it (409 `spot_taken`, with `meta.from`), and not beyond "
        "the bounds of a booking. A vehicle that was overdue is not any more.",
        examples=[
            sent("an hour more", {"ends_at": "2025-03-01T12:30:00Z"}),
            _shown("extended", ACTIVE | {"ends_at": "2025-03-01T12:30:00Z", "booked_until": "2025-03-01T12:30:00Z"}),
        ],
    )
    @idempotent
    def extend(self, request: Request, pk: int) -> Response:
        reservation, data = self.get_object(), self.validated(ExtendSerializer)
        return self.answer(reservations.extend(reservation=reservation, actor=self.caller, now=clock.now(), **data))

    @reading(
        detail=True,
        response=ReservationEventSerializer(many=True),
        pagination_class=CursorPagination,
        schema={
            "summary": "Read a reservation's history",
            "description": "Newest first.",
            "examples": [_shown("checked in", CHECKED_IN)],
        },
    )
    def events(self, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().events.all(), ReservationEventSerializer)
