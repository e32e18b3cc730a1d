"""Increment tables as JSON."""

from __future__ import annotations

from auctions.models import IncrementTable
from common.fields import MoneyField, NameField, StrictBooleanField
from common.serializers import StrictModelSerializer, StrictSerializer


class IncrementTierSerializer(StrictSerializer):
    """The step that holds for prices up to `up_to` (inclusive; null in the last tier); at most 1,000,000.00, else 422
    `step_too_large`."""

    up_to = MoneyField(min_value="0.01", allow_null=True)
    step = MoneyField(min_value="0.01")


class IncrementTableSerializer(StrictModelSerializer):
    """A table of bidding steps. Auctions whose seller gave none take over the default one when they go live."""

    name = NameField(max_length=64)
    tiers = IncrementTierSerializer(many=True, allow_empty=False)
    is_default = StrictBooleanField(read_only=True)

    class Meta:
        model = IncrementTable
        fields = ("id", "name", "tiers", "is_default", "created_at", "updated_at")
        read_only_fields = ("is_default", "created_at", "updated_at")
