"""Gate passes as JSON."""

from __future__ import annotations

from auctions.models import GatePass
from common.fields import IdField, StrictCharField
from common.serializers import StrictModelSerializer


class GatePassSerializer(StrictModelSerializer):
    """The right to take the car off the lot. Whoever knows the code gets the car."""

    class Meta:
        model = GatePass
        fields = ("code", "issued_at", "used_at")
        read_only_fields = fields


class UsedGatePassSerializer(StrictModelSerializer):
    """Which car may leave now."""

    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    vehicle = StrictCharField(source="order.listing", max_length=300, read_only=True)
    delivery = StrictCharField(source="order.delivery", max_length=11, read_only=True)

    class Meta:
        model = GatePass
        fields = ("order", "order_number", "vehicle", "delivery", "issued_at", "used_at")
        read_only_fields = fields
