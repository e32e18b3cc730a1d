"""Lots, their spots and their rates as JSON."""

from __future__ import annotations

from datetime import time
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.fields import (
    Describe,
    IdField,
    MoneyField,
    NameField,
    Strict,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictDictField,
    StrictIntegerField,
    compile_pattern,
    describe_nothing,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from parking.models import BOUNDS, Lot, Rate, Reservation, Spot, SpotType
from parking.services.rates import current_rate

TIME_PATTERN = "^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?$"


class LocalTimeField(Strict, serializers.TimeField):
    """A time of day as `08:00` or `08:00:00`, in the lot's own time zone."""

    _enforced = compile_pattern(TIME_PATTERN)

    def to_internal_value(self, value: Any) -> time:
        if not isinstance(value, str) or not self._enforced.match(value):
            self.fail("invalid", format="hh:mm[:ss]")
        return time.fromisoformat(value)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "string", **({"pattern": TIME_PATTERN} if request else {})}


class PercentField(StrictDecimalField):
    """From 0.00 to 999.99."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_digits": 5, "decimal_places": 2, "min_value": 0} | kwargs))


class SurchargesSerializer(StrictSerializer):
    """Percent on top, by type of spot; the types that are left out cost nothing more."""

    standard = PercentField(required=False)
    compact = PercentField(required=False)
    ev = PercentField(required=False)
    accessible = PercentField(required=False)
    motorcycle = PercentField(required=False)
    oversize = PercentField(required=False)


class LotRateSerializer(StrictSerializer):
    """What parking costs: `price` for each increment that has begun, at most `cap` for each rolling 24 hours (null:
    no cap), nothing for a stay of at most `first_free_s` seconds."""

    price = MoneyField()
    increment_min = StrictIntegerField(required=False, **BOUNDS["increment_min"])
    first_free_s = StrictIntegerField(required=False, **BOUNDS["first_free_s"])
    cap = MoneyField(required=False, allow_null=True)
    currency = StrictCharField(max_length=3, min_length=3, pattern="^[A-Z]{3}$", required=False)
    surcharges = SurchargesSerializer(required=False)

    def get_attribute(self, instance: Any) -> Rate:
        return current_rate(instance)


class RateVersionSerializer(LotRateSerializer):
    """A rate of the present or of the past."""

    id = IdField(read_only=True)
    version = StrictIntegerField(read_only=True)
    created_at = StrictDateTimeField(read_only=True)
    created_by = IdField(source="created_by_id", read_only=True, allow_null=True)


class SpotCountsSerializer(StrictSerializer):
    """Spots that are not retired, each counted once below `total`."""

    total = StrictIntegerField(read_only=True)
    free = StrictIntegerField(read_only=True)
    occupied = StrictIntegerField(read_only=True)
    reserved = StrictIntegerField(read_only=True)
    out_of_order = StrictIntegerField(read_only=True)


class LotAvailabilitySerializer(SpotCountsSerializer):
    """All spots of a lot, and by each type that it has."""

    total = StrictIntegerField(source="counts.total", read_only=True)
    free = StrictIntegerField(source="counts.free", read_only=True)
    occupied = StrictIntegerField(source="counts.occupied", read_only=True)
    reserved = StrictIntegerField(source="counts.reserved", read_only=True)
    out_of_order = StrictIntegerField(source="counts.out_of_order", read_only=True)
    by_type = StrictDictField(child=SpotCountsSerializer(), read_only=True)

    def get_attribute(self, instance: Any) -> Any:
        return self.context["view"].available_of(instance)


class CapacityField(StrictIntegerField):
    """How many spots of the lot are not retired."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(BOUNDS["capacity"] | kwargs))

    def get_attribute(self, instance: Any) -> Any:
        return self.context["view"].available_of(instance).counts.total


class LotSerializer(StrictModelSerializer):
    """A lot with its present rate. `availability` is for now, or for the window that was asked for."""

    name = NameField(max_length=200)
    address = NameField(max_length=300)
    pin_code = NameField(max_length=16)
    timezone = NameField(max_length=64, required=False)
    opens_at = LocalTimeField(required=False, allow_null=True)
    closes_at = LocalTimeField(required=False, allow_null=True)
    default_stay_min = StrictIntegerField(required=False, **BOUNDS["default_stay_min"])
    no_show_after_min = StrictIntegerField(required=False, **BOUNDS["no_show_after_min"])
    cancel_cutoff_min = StrictIntegerField(required=False, **BOUNDS["cancel_cutoff_min"])
    capacity = CapacityField()
    rate = LotRateSerializer()
    availability = LotAvailabilitySerializer(read_only=True)

    class Meta:
        model = Lot
        fields = (
            "id",
            "name",
            "address",
            "pin_code",
            "description",
            "is_active",
            "timezone",
            "opens_at",
            "closes_at",
            "default_stay_min",
            "no_show_after_min",
            "cancel_cutoff_min",
            "capacity",
            "rate",
            "availability",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("created_at", "updated_at")


class SpotReservationSerializer(StrictModelSerializer):
    """Who holds a spot at this moment."""

    user = IdField(source="user_id", read_only=True)

    class Meta:
        model = Reservation
        fields = (
            "id",
            "reference",
            "user",
            "plate",
            "vehicle_model",
            "vehicle_color",
            "status",
            "starts_at",
            "ends_at",
            "is_overstay",
        )
        read_only_fields = fields


class SpotSerializer(StrictModelSerializer):
    """A spot with the reservation that holds it now: the vehicle that stands there, else the one that is awaited."""

    lot = IdField(source="lot_id", read_only=True)
    reservation = serializers.SerializerMethodField()

    class Meta:
        model = Spot
        fields = ("id", "lot", "number", "type", "status", "reservation")
        read_only_fields = fields

    @extend_schema_field(SpotReservationSerializer(allow_null=True))
    def get_reservation(self, spot: Any) -> Any:
        held_by = spot.held_by
        return SpotReservationSerializer(held_by[0], context=self.context).data if held_by else None


class SpotChangeSerializer(StrictSerializer):
    """What staff may change of a spot. `relocate` moves its reservations to other spots where they are in the way."""

    type = StrictChoiceField(choices=SpotType.choices, required=False)
    out_of_order = StrictBooleanField(required=False)
    relocate = StrictBooleanField(required=False)
