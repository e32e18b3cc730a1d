"""Answers to plate checks as JSON."""

from __future__ import annotations

from common.fields import IdField, StrictBooleanField, StrictDateTimeField
from common.serializers import StrictSerializer
from parking.serializers.reservations import ReservedSpotSerializer


class PlateAnswerSerializer(StrictSerializer):
    """Whether the vehicle may stand there now. `allowed_until` is the end as booked or extended by the driver;
    `is_overstay` says that the grace after it is over, and the vehicle still parked. The rest is null when no
    reservation lets the vehicle in."""

    allowed = StrictBooleanField(read_only=True)
    allowed_until = StrictDateTimeField(read_only=True, allow_null=True)
    is_overstay = StrictBooleanField(read_only=True)
    lot = IdField(source="reservation.lot_id", read_only=True, allow_null=True, default=None)
    spot = ReservedSpotSerializer(source="reservation.spot", read_only=True, allow_null=True, default=None)
    reservation = IdField(source="reservation.pk", read_only=True, allow_null=True, default=None)
