"""Transport orders as JSON, and what is posted to make and move them."""

from __future__ import annotations

from typing import Any

from auctions.models import TransportOrder
from common.fields import IdField, MoneyField, NameField, StrictCharField, StrictDateField
from common.serializers import StrictModelSerializer, StrictSerializer

# What lies between the buyer and the house.
BUYERS_OWN = ("delivery_address", "quoted_price")


class TransportOrderSerializer(StrictModelSerializer):
    """The way of a car to its buyer. The buyer pays `quoted_price`; `final_price`, what the carrier asked of the house,
    is shown to staff. For the seller, who hands the car over, address and prices are null."""

    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    listing = IdField(source="order.listing_id", read_only=True)
    vehicle = StrictCharField(source="order.listing", max_length=300, read_only=True)
    delivery_address = StrictCharField(max_length=500, read_only=True, allow_null=True)

    class Meta:
        model = TransportOrder
        fields = (
            "id",
            "order",
            "order_number",
            "listing",
            "vehicle",
            "status",
            "pickup_address",
            "delivery_address",
            "quoted_price",
            "final_price",
            "currency",
            "carrier",
            "driver_name",
            "driver_phone",
            "pickup_on",
            "delivery_on",
            "booked_at",
            "picked_up_at",
            "delivered_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: TransportOrder) -> dict[str, Any]:
        data = super().to_representation(instance)
        viewer = self.context["request"].user
        if viewer.has_perm("auctions.view_transportorder"):
            return data
        hidden = () if viewer.pk == instance.order.buyer_id else BUYERS_OWN
        return data | dict.fromkeys(("final_price", *hidden))


class RequestTransportSerializer(StrictSerializer):
    """Whose car, and where to."""

    order = IdField()
    delivery_address = NameField(max_length=500)


class QuoteTransportSerializer(StrictSerializer):
    """What it costs, and when it could be."""

    quoted_price = MoneyField()
    pickup_on = StrictDateField(required=False, allow_null=True)
    delivery_on = StrictDateField(required=False, allow_null=True)


class BookTransportSerializer(StrictSerializer):
    """The price that one agrees to; without it the present quote."""

    quoted_price = MoneyField(required=False)


class AssignCarrierSerializer(StrictSerializer):
    """Who drives."""

    carrier = NameField(max_length=200)
    driver_name = NameField(max_length=200, required=False, allow_blank=True)
    driver_phone = NameField(max_length=32, required=False, allow_blank=True)


class DeliverTransportSerializer(StrictSerializer):
    """What the carrier asks of the house."""

    final_price = MoneyField(required=False, allow_null=True)


class CancelTransportSerializer(StrictSerializer):
    """Why."""

    reason = NameField(max_length=500, required=False, allow_blank=True)
