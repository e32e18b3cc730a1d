"""A vehicle's history as JSON: the passport, and the parts that the public history of a listing shares with it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cars.models import Car, Vehicle, VehicleEvent
from cars.odometer import Overall, Verdict
from cars.serializers.vin import VinAnswerSerializer
from common.conditional import fingerprint_of
from common.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictListField,
)
from common.renderers import Untagged
from common.serializers import StrictModelSerializer, StrictSerializer

SEAL = ("number", "fingerprint", "issued_at")


class SealedSerializer(StrictSerializer):
    """A document that says what it is. `fingerprint` is the SHA-256 of all but `number`, `fingerprint` and `issued_at`
    (members sorted, no spaces, ASCII); `number` is made of it, so that the same content has the same number."""

    number_prefix = ""

    number = StrictCharField(max_length=40, read_only=True)
    fingerprint = StrictCharField(max_length=64, read_only=True)
    issued_at = StrictDateTimeField(read_only=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = {name: field for name, field in self.fields.items() if name not in SEAL}
        content = {name: self._shown(field, instance) for name, field in shown.items()}
        fingerprint = fingerprint_of(content)
        number = f"{self.number_prefix}-{self.subject_id(instance)}-{fingerprint[:8].upper()}"
        issued_at = Untagged(self.fields["issued_at"].to_representation(instance.issued_at))
        return {"number": number, "fingerprint": fingerprint, "issued_at": issued_at, **content}

    def subject_id(self, instance: Any) -> int:
        """The id of what the document is about."""
        raise NotImplementedError

    @staticmethod
    def _shown(field: Any, instance: Any) -> Any:
        value = field.get_attribute(instance)
        return None if value is None else field.to_representation(value)


class PassportVehicleSerializer(StrictModelSerializer):
    """The vehicle as it is registered."""

    class Meta:
        model = Vehicle
        fields = (
            "id",
            "vin",
            "plate",
            "year",
            "make",
            "model",
            "trim",
            "color",
            "mileage",
            "mileage_unit",
        )
        read_only_fields = fields


class PassportRegistrySerializer(StrictModelSerializer):
    """What the car registry says of the type. `source` is who brought the row, or `manual`; a row that is not `current`
    is no longer listed there."""

    current = serializers.SerializerMethodField()

    class Meta:
        model = Car
        fields = ("id", "make", "model", "year", "category", "source", "current")
        read_only_fields = fields

    def get_current(self, car: Car) -> bool:
        return car.withdrawn_at is None


class PassportVinSerializer(VinAnswerSerializer):
    """What is known about the VIN, and in which facts (`make`, `year`) the vehicle is registered as something else."""

    disagrees = StrictListField(child=StrictChoiceField(choices=("make", "year")), read_only=True)


class HistoryReadingSerializer(StrictSerializer):
    """An odometer reading as it was taken."""

    value = StrictIntegerField(read_only=True)
    unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices, read_only=True)
    at = StrictDateTimeField(read_only=True)


class PublicReadingSerializer(HistoryReadingSerializer):
    """A reading with its verdict. `distance` is the value in the unit of the series; `against` the reading that it
    contradicts."""

    source = StrictCharField(max_length=32, read_only=True)  # type: ignore[assignment]
    distance = StrictIntegerField(read_only=True)
    verdict = StrictChoiceField(choices=list(Verdict), read_only=True)
    against = HistoryReadingSerializer(read_only=True, allow_null=True)


class PassportReadingSerializer(PublicReadingSerializer):
    """A reading with its verdict, and why one was forced: for staff, and for whoever did it."""

    forced_reason = StrictCharField(max_length=200, read_only=True)


class DiscrepancySerializer(StrictSerializer):
    """A kind of discrepancy and how many readings have it."""

    code = StrictChoiceField(choices=list(Verdict), read_only=True)
    count = StrictIntegerField(read_only=True)


class PublicOdometerSerializer(StrictSerializer):
    """The readings, the oldest first, and the verdict on them all, with its reasons."""

    verdict = StrictChoiceField(choices=list(Overall), read_only=True)
    reasons = DiscrepancySerializer(many=True, read_only=True)
    unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices, read_only=True)
    readings = PublicReadingSerializer(many=True, read_only=True)


class PassportOdometerSerializer(PublicOdometerSerializer):
    """The readings with what their reader may know of them."""

    readings = PassportReadingSerializer(many=True, read_only=True)


class PublicEntrySerializer(StrictSerializer):
    """An event as everybody may read it; `mileage` is what was read with it."""

    kind = StrictChoiceField(choices=VehicleEvent.Kind.choices, read_only=True)
    at = StrictDateTimeField(read_only=True)
    summary = StrictCharField(max_length=300, read_only=True)
    mileage = StrictIntegerField(read_only=True, allow_null=True)
    mileage_unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices, read_only=True, allow_null=True)


class PassportEntrySerializer(PublicEntrySerializer):
    """An event; `details` and `reference` are empty for what happened in another owner's time."""

    details = StrictCharField(max_length=300, read_only=True)
    reference = StrictCharField(max_length=64, read_only=True)


class HistoryCountSerializer(StrictSerializer):
    """How many events of a kind there are."""

    kind = StrictChoiceField(choices=VehicleEvent.Kind.choices, read_only=True)
    count = StrictIntegerField(read_only=True)


class HistorySummarySerializer(StrictSerializer):
    """The history in figures. `distance_per_year` is told of a consistent odometer over thirty days and more."""

    counts = serializers.SerializerMethodField()
    first_seen = StrictDateTimeField(read_only=True, allow_null=True)
    last_seen = StrictDateTimeField(read_only=True, allow_null=True)
    latest_mileage = StrictIntegerField(read_only=True, allow_null=True)
    mileage_unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices, read_only=True)
    distance_per_year = StrictIntegerField(read_only=True, allow_null=True)

    @extend_schema_field(HistoryCountSerializer(many=True))
    def get_counts(self, summary: Any) -> list[dict[str, Any]]:
        return [{"kind": kind, "count": count} for kind, count in summary.counts.items()]


class OwnershipSerializer(StrictSerializer):
    """How many owners are on record, and since when the present one is. `earlier_records` counts the records of this
    VIN that were archived before this one; they are not part of this history."""

    owners = StrictIntegerField(read_only=True)
    since = StrictDateTimeField(source="owned_since", read_only=True, allow_null=True)
    earlier_records = StrictIntegerField(read_only=True)


class ParkingSerializer(StrictSerializer):
    """How often the vehicle was parked, and when last."""

    stays = StrictIntegerField(source="parking_stays", read_only=True)
    last = PassportEntrySerializer(source="last_parking", read_only=True, allow_null=True)


class PublicHistorySerializer(StrictSerializer):
    """The public part of a vehicle's history. Of more than 1,000 events or readings it has the newest, and is
    `truncated`; the counts are of all."""

    ownership = OwnershipSerializer(source="*", read_only=True)
    odometer = PublicOdometerSerializer(read_only=True)
    services = PublicEntrySerializer(many=True, read_only=True)
    market = PublicEntrySerializer(many=True, read_only=True)
    title_events = PublicEntrySerializer(many=True, read_only=True)
    summary = HistorySummarySerializer(read_only=True)
    truncated = StrictBooleanField(read_only=True)


class PassportHistorySerializer(PublicHistorySerializer):
    """A vehicle's history, as far as its reader may know it. Of more than 1,000 events or readings it has the newest,
    and is `truncated`; the counts are of all."""

    odometer = PassportOdometerSerializer(read_only=True)
    services = PassportEntrySerializer(many=True, read_only=True)
    market = PassportEntrySerializer(many=True, read_only=True)
    title_events = PassportEntrySerializer(many=True, read_only=True)
    parking = ParkingSerializer(source="*", read_only=True)


class PassportSerializer(SealedSerializer):
    """A vehicle's passport: its facts, what registry and VIN say of it, and its history."""

    number_prefix = "VP"

    vehicle = PassportVehicleSerializer(read_only=True)
    registry = PassportRegistrySerializer(read_only=True, allow_null=True)
    vin_decode = PassportVinSerializer(read_only=True, allow_null=True)
    history = PassportHistorySerializer(read_only=True)

    def subject_id(self, instance: Any) -> int:
        vehicle: Vehicle = instance.vehicle
        return vehicle.pk
