"""The public history of a listed vehicle as JSON."""

from __future__ import annotations

from typing import Any

from auctions.models import Listing
from cars.serializers.passport import PassportVinSerializer, PublicHistorySerializer, SealedSerializer
from common.fields import MoneyField, StrictBooleanField
from common.serializers import StrictModelSerializer


class HistoryListingSerializer(StrictModelSerializer):
    """What the seller states: the vehicle, its mileage in miles with the odometer disclosure, and the brand and state
    of its title."""

    class Meta:
        model = Listing
        fields = (
            "id",
            "status",
            "vin",
            "year",
            "make",
            "model",
            "trim",
            "exterior_color",
            "mileage",
            "odometer_status",
            "title_type",
            "title_state",
            "currency",
            "published_at",
        )
        read_only_fields = fields


class ListingPublicHistorySerializer(SealedSerializer):
    """What everybody may know of a vehicle's past. `history` is null unless the seller, who must own the vehicle,
    shares it; `sale_price` is that of an auction."""

    number_prefix = "VH"

    listing = HistoryListingSerializer(read_only=True)
    vin_decode = PassportVinSerializer(read_only=True, allow_null=True)
    sale_price = MoneyField(read_only=True, allow_null=True)
    shared = StrictBooleanField(read_only=True)
    history = PublicHistorySerializer(read_only=True, allow_null=True)

    def subject_id(self, instance: Any) -> int:
        listing: Listing = instance.listing
        return listing.pk
