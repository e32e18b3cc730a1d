"""The registry as JSON."""

from __future__ import annotations

from typing import Any

from cars.models import YEAR_MAX, YEAR_MIN, Car
from cars.services.cars import EDITABLE
from common.fields import (
    IdField,
    NameField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictJSONField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer


class CarSerializer(StrictModelSerializer):
    """A make, model and year. `source` is `manual` or the provider that brought the row; `locked_fields` are those that
    people edited and the sync leaves alone."""

    make = NameField(max_length=128)
    model = NameField(max_length=160)
    year = StrictIntegerField(min_value=YEAR_MIN, max_value=YEAR_MAX)
    category = NameField(max_length=128, required=False, allow_blank=True)
    created_in_run = IdField(source="created_in_run_id", read_only=True, allow_null=True)
    locked_fields = StrictListField(child=StrictChoiceField(choices=EDITABLE), read_only=True)

    class Meta:
        model = Car
        fields = (
            "id",
            "make",
            "model",
            "year",
            "category",
            "source",
            "external_id",
            "source_updated_at",
            "created_in_run",
            "locked_fields",
            "withdrawn_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "source",
            "external_id",
            "source_updated_at",
            "withdrawn_at",
            "created_at",
            "updated_at",
        )


class UnlockCarSerializer(StrictSerializer):
    """The fields to unlock; without it all of them."""

    fields_ = StrictListField(child=StrictChoiceField(choices=EDITABLE), required=False, allow_empty=False)

    def get_fields(self) -> dict[str, Any]:
        """`fields` is what DRF calls its own attribute, so the member cannot be declared under its name."""
        declared = super().get_fields()
        return {"fields": declared.pop("fields_"), **declared}


class MakeSerializer(StrictSerializer):
    """A make, in one of its spellings, and the number of its rows."""

    make = StrictCharField(source="name", max_length=128, read_only=True)
    count = StrictIntegerField(min_value=1, read_only=True)


class CarModelSerializer(StrictSerializer):
    """A model, in one of its spellings, and the number of its rows."""

    model = StrictCharField(source="name", max_length=160, read_only=True)
    count = StrictIntegerField(min_value=1, read_only=True)


class CarChangeSerializer(StrictSerializer):
    """One field and its values before and after."""

    field = StrictCharField(max_length=64, read_only=True)
    old = StrictJSONField(read_only=True)
    new = StrictJSONField(read_only=True)


class CarHistorySerializer(StrictSerializer):
    """One entry of a car's history. `user` is null and `run_id` set when a sync wrote it."""

    id = IdField(source="history_id", read_only=True)
    action = StrictChoiceField(choices=("created", "changed", "deleted"), read_only=True)
    at = StrictDateTimeField(source="history_date", read_only=True)
    user = IdField(source="history_user_id", read_only=True, allow_null=True)
    run_id = IdField(read_only=True, allow_null=True)
    changes = CarChangeSerializer(many=True, read_only=True)
