"""Vehicles, their odometer readings and their timeline as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from cars import vin
from cars.models import YEAR_MAX, YEAR_MIN, Car, OdometerReading, Vehicle, VehicleEvent
from cars.serializers.vin import VinFindingSerializer
from common import clock
from common.fields import (
    IdField,
    NameField,
    RelatedIdField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
)
from common.serializers import StrictModelSerializer, StrictSerializer

MAX_MILEAGE = 9_999_999


class VehicleSerializer(StrictModelSerializer):
    """A vehicle. A mileage that is written becomes a reading; `vin_warnings` is what is odd about the VIN without
    making it wrong."""

    owner = IdField(source="owner_id", read_only=True, allow_null=True)
    vin = NameField(max_length=32, required=False, allow_null=True)
    vin_exempt_reason = NameField(max_length=200, required=False, allow_blank=True)
    plate = NameField(max_length=16, required=False, allow_blank=True)
    car = RelatedIdField(queryset=Car.objects.all(), required=False, allow_null=True)
    year = StrictIntegerField(min_value=YEAR_MIN, max_value=YEAR_MAX, required=False, allow_null=True)
    make = NameField(max_length=128, required=False, allow_blank=True)
    model = NameField(max_length=160, required=False, allow_blank=True)
    trim = NameField(max_length=128, required=False, allow_blank=True)
    color = NameField(max_length=64, required=False, allow_blank=True)
    mileage = StrictIntegerField(min_value=0, max_value=MAX_MILEAGE, required=False, allow_null=True)
    vin_warnings = serializers.SerializerMethodField()

    class Meta:
        model = Vehicle
        fields = (
            "id",
            "owner",
            "vin",
            "vin_exempt_reason",
            "vin_warnings",
            "plate",
            "car",
            "year",
            "make",
            "model",
            "trim",
            "color",
            "mileage",
            "mileage_unit",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("created_at", "updated_at")

    @extend_schema_field(VinFindingSerializer(many=True))
    def get_vin_warnings(self, vehicle: Vehicle) -> Any:
        if vehicle.vin is None:
            return []
        today = clock.now().date()
        report = vin.validate(vehicle.vin, today=today, exempt_reason=vehicle.vin_exempt_reason)
        return VinFindingSerializer(report.warnings, many=True).data


class ReassignVehicleSerializer(StrictSerializer):
    """The new owner's id."""

    owner = RelatedIdField(queryset=User.objects.filter(is_active=True))


class OdometerSerializer(StrictSerializer):
    """What the odometer shows. `at` is now unless told; a reading that contradicts another needs `force` and a
    `reason`."""

    value = StrictIntegerField(min_value=0, max_value=MAX_MILEAGE)
    unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices)
    at = StrictDateTimeField(required=False)
    force = StrictBooleanField(required=False)
    reason = NameField(max_length=200, required=False, allow_blank=True)


class OdometerReadingSerializer(StrictModelSerializer):
    """A reading. Why one was forced is read by whoever did it and by staff."""

    forced = serializers.SerializerMethodField()

    class Meta:
        model = OdometerReading
        fields = ("id", "value", "unit", "at", "source", "forced", "forced_reason", "created_at")
        read_only_fields = fields

    def get_forced(self, reading: OdometerReading) -> bool:
        return bool(reading.forced_reason)

    def to_representation(self, instance: OdometerReading) -> dict[str, Any]:
        data = super().to_representation(instance)
        viewer = self.context["request"].user
        if not (instance.actor_id == viewer.pk or viewer.has_perm("cars.view_vehicle")):
            data["forced_reason"] = ""
        return data


class VehicleEventSerializer(StrictModelSerializer):
    """An entry of the timeline. Of the times of an earlier owner only the public summary is shown; `actor` is shown to
    staff, and to the actor."""

    summary = StrictCharField(source="public_summary", max_length=300, read_only=True)
    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = VehicleEvent
        fields = ("id", "kind", "at", "actor", "reference", "summary", "private_summary")
        read_only_fields = fields

    def to_representation(self, instance: VehicleEvent) -> dict[str, Any]:
        data = super().to_representation(instance)
        viewer = self.context["request"].user
        if viewer.has_perm("cars.view_vehicle"):
            return data
        if instance.actor_id != viewer.pk:
            data["actor"] = None
        if instance.owner_id != viewer.pk:
            data |= {"reference": "", "private_summary": ""}
        return data
