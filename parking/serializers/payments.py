"""Payments as JSON."""

from __future__ import annotations

from common.fields import IdField
from common.serializers import CounterPaymentCreateSerializer, CounterPaymentSerializer
from parking.models import ParkingPayment


class ParkingPaymentSerializer(CounterPaymentSerializer):
    """Money taken for a stay. Who took it is shown to parking's staff."""

    reservation = IdField(source="reservation_id", read_only=True)
    shows_receiver_to = "parking.view_reservation"

    class Meta:
        model = ParkingPayment
        fields = ("id", "reservation", "amount", "method", "reference", "received_at", "received_by")
        read_only_fields = fields


class ParkingPaymentCreateSerializer(CounterPaymentCreateSerializer):
    """Money that came in. `reference` is what finds it again: a receipt, a transfer's text."""
