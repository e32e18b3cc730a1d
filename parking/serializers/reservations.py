"""Reservations as JSON, and what is posted to make and change them."""

from __future__ import annotations

from django.db.models import BigIntegerField, F
from django.db.models.functions import Cast, Round
from rest_framework import serializers

from cars.models import PLATE_LENGTH
from common.fields import (
    IdField,
    MoneyField,
    NameField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    TextField,
)
from common.rowjson import Cents
from common.serializers import StrictModelSerializer, StrictSerializer
from parking.costs import hourly_rate
from parking.models import Reservation, ReservationEvent, Spot, SpotType


class ReservedSpotSerializer(StrictModelSerializer):
    """The spot of a reservation."""

    class Meta:
        model = Spot
        fields = ("id", "number", "type")
        read_only_fields = fields


class ReservationSerializer(StrictModelSerializer):
    """A reservation. `booked_until` is the end as booked or extended; `ends_at` lies later while a vehicle stays too
    long. `hourly_rate` is without the surcharge of the spot's type, which is `surcharge_percent`; `cost` is null until
    the release and 0.00 or more from then on."""

    lot = IdField(source="lot_id", read_only=True)
    lot_name = StrictCharField(source="lot.name", max_length=200, read_only=True)
    spot = ReservedSpotSerializer(read_only=True)
    user = IdField(source="user_id", read_only=True)
    vehicle = IdField(source="vehicle_id", read_only=True, allow_null=True)
    hourly_rate = serializers.SerializerMethodField()
    currency = StrictCharField(source="rate.currency", max_length=3, read_only=True)
    cost = MoneyField(read_only=True, allow_null=True)
    paid = MoneyField(read_only=True)

    class Meta:
        model = Reservation
        fields = (
            "id",
            "reference",
            "lot",
            "lot_name",
            "spot",
            "user",
            "vehicle",
            "plate",
            "vehicle_model",
            "vehicle_color",
            "remarks",
            "starts_at",
            "ends_at",
            "booked_until",
            "checked_in_at",
            "released_at",
            "status",
            "is_overstay",
            "hourly_rate",
            "surcharge_percent",
            "cost",
            "currency",
            "paid",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_hourly_rate(self, reservation: Reservation) -> str:
        return str(hourly_rate(reservation.rate.price, reservation.rate.increment_min))

    def column_hourly_rate(self, prefix: str) -> Cents:
        """In whole cents, rounded half up: both databases divide integers alike."""
        cents = Cast(Round(F(f"{prefix}rate__price") * 100), BigIntegerField())
        minutes = Cast(F(f"{prefix}rate__increment_min"), BigIntegerField())
        return Cents((cents * 120 + minutes) / (minutes * 2))


class BookingSerializer(StrictSerializer):
    """A booking. Exactly one of `vehicle` (of one's own garage, with a plate) and `plate`. Without `starts_at` it
    begins now; without `ends_at` it is as long as the lot's default stay. A blank model and colour are taken from the
    vehicle."""

    lot = IdField()
    starts_at = StrictDateTimeField(required=False)
    ends_at = StrictDateTimeField(required=False)
    spot_type = StrictChoiceField(choices=SpotType.choices, required=False)
    vehicle = IdField(required=False)
    plate = NameField(max_length=PLATE_LENGTH, required=False)
    vehicle_model = NameField(max_length=160, required=False, allow_blank=True)
    vehicle_color = NameField(max_length=64, required=False, allow_blank=True)
    remarks = TextField(max_length=500, required=False, allow_blank=True)


class ReleaseSerializer(StrictSerializer):
    """Nothing, or by staff `force` with a `reason`; a reason alone is a note for the history."""

    force = StrictBooleanField(required=False)
    reason = NameField(max_length=200, required=False, allow_blank=True)


class ExtendSerializer(StrictSerializer):
    """The new end."""

    ends_at = StrictDateTimeField()


class ReservationEventSerializer(StrictModelSerializer):
    """An entry of a reservation's history: `kind` is `booked`, `status`, `extended`, `moved` (`old` and `new` are
    numbers of spots) or `overstay`. `actor` is null for what the system did by itself."""

    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = ReservationEvent
        fields = ("id", "kind", "old", "new", "note", "actor", "at")
        read_only_fields = fields
