"""Payments as JSON."""

from __future__ import annotations

from typing import Any

from common.fields import IdField, MoneyField, NameField, StrictChoiceField
from common.money import CENT
from common.serializers import StrictModelSerializer, StrictSerializer
from parking.models import ParkingPayment


class ParkingPaymentSerializer(StrictModelSerializer):
    """Money taken for a stay. Who took it is shown to parking's staff."""

    reservation = IdField(source="reservation_id", read_only=True)
    received_by = IdField(source="received_by_id", read_only=True, allow_null=True)

    class Meta:
        model = ParkingPayment
        fields = ("id", "reservation", "amount", "method", "reference", "received_at", "received_by")
        read_only_fields = fields

    def to_representation(self, instance: ParkingPayment) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("parking.view_reservation"):
            data["received_by"] = None
        return data


class ParkingPaymentCreateSerializer(StrictSerializer):
    """Money that came in. `reference` is what finds it again: a receipt, a transfer's text."""

    amount = MoneyField(min_value=CENT)
    method = StrictChoiceField(choices=ParkingPayment.Method.choices)
    reference = NameField(max_length=64, required=False, allow_blank=True)
