"""Quotes as JSON."""

from __future__ import annotations

from common.fields import MoneyField, StrictCharField, StrictDecimalField
from common.serializers import StrictSerializer


class QuoteLineSerializer(StrictSerializer):
    """So much of a unit: increments that have begun, full days, or percent of the lines before."""

    label = StrictCharField(max_length=80, read_only=True)  # type: ignore[assignment]
    quantity = StrictDecimalField(max_digits=12, decimal_places=2, read_only=True)
    unit = StrictCharField(max_length=16, read_only=True)
    amount = StrictDecimalField(max_digits=14, decimal_places=2, read_only=True)


class QuoteSerializer(StrictSerializer):
    """What a stay would cost. The amounts of the lines add up to `total`; one is negative where a cap takes off."""

    lines = QuoteLineSerializer(many=True, read_only=True)
    total = MoneyField(read_only=True)
    currency = StrictCharField(max_length=3, read_only=True)
