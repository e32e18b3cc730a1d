"""Shapes of the parking export."""

from __future__ import annotations

from common.fields import StrictBooleanField
from common.serializers import StrictSerializer


class ParkingExportCreateSerializer(StrictSerializer):
    """`bom` puts the mark in front that older spreadsheets need to recognise UTF-8."""

    bom = StrictBooleanField(required=False)
