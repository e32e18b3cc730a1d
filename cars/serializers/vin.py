"""VIN decoding as JSON."""

from __future__ import annotations

from typing import Any

from cars.services.vin import VinAnswer
from cars.vin_providers import ATTRIBUTES, MAX_VALUE, PROVIDERS
from common.fields import (
    NameField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
)
from common.serializers import StrictSerializer

TYPED_VIN_LENGTH = 32  # With the blanks and dashes that people type between the groups.


class VinFindingSerializer(StrictSerializer):
    """One thing that is odd about a VIN."""

    code = StrictCharField(max_length=64, read_only=True)
    detail = StrictCharField(source="message", max_length=300, read_only=True)


class VinDecodeRequestSerializer(StrictSerializer):
    """A VIN. With a reason, chassis numbers from before 1981 and other short ones are admitted."""

    vin = NameField(max_length=TYPED_VIN_LENGTH)
    vin_exempt_reason = NameField(max_length=200, required=False, allow_blank=True)


class VinAttributesSerializer(StrictSerializer):
    """What the source says about the vehicle, each a text, empty when it does not say."""

    def get_fields(self) -> dict[str, Any]:
        return {name: StrictCharField(max_length=MAX_VALUE, read_only=True) for name in ATTRIBUTES}


class VinAnswerSerializer(StrictSerializer):
    """What is known about a VIN. `source` says who knows it (`local`: the number itself), `verified` whether an outside
    source knows this very VIN; a guess made here is never verified."""

    vin = StrictCharField(source="report.vin", max_length=17, read_only=True)
    source = StrictChoiceField(choices=("local", *PROVIDERS), read_only=True)  # type: ignore[assignment]
    verified = StrictBooleanField(read_only=True)
    wmi = StrictCharField(source="report.wmi", max_length=3, read_only=True)
    region = StrictCharField(source="report.region", max_length=64, read_only=True)
    country = StrictCharField(source="report.country", max_length=64, read_only=True)
    model_year = StrictIntegerField(source="report.model_year", read_only=True, allow_null=True)
    attributes = VinAttributesSerializer(read_only=True)
    warnings = VinFindingSerializer(many=True, read_only=True)

    def to_representation(self, instance: VinAnswer) -> dict[str, Any]:
        data = super().to_representation(instance)
        data["attributes"] = {name: instance.attributes.get(name, "") for name in ATTRIBUTES}
        return data
