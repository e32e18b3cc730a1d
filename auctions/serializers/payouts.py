"""Payouts as JSON, and what is posted to pay one."""

from __future__ import annotations

from typing import Any

from auctions.models import Payout
from common.fields import IdField, NameField, StrictCharField
from common.serializers import StrictModelSerializer, StrictSerializer


class PayoutSerializer(StrictModelSerializer):
    """What the seller of an order gets: `amount` is `price` less `fee`. Who paid it is shown to staff."""

    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    seller = IdField(source="order.seller_id", read_only=True)
    paid_by = IdField(source="paid_by_id", read_only=True, allow_null=True)

    class Meta:
        model = Payout
        fields = (
            "id",
            "order",
            "order_number",
            "seller",
            "price",
            "fee",
            "amount",
            "currency",
            "status",
            "due_at",
            "reference",
            "paid_at",
            "paid_by",
            "created_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: Payout) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("auctions.view_payout"):
            data["paid_by"] = None
        return data


class PayPayoutSerializer(StrictSerializer):
    """What finds the transfer again at the bank."""

    reference = NameField(max_length=64)
