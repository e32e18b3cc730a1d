"""The query parameters of payments for orders."""

from __future__ import annotations

from typing import ClassVar

from auctions.models import Payment
from common.filters import ChoiceFilter, DateTimeFilter, IdFilter, OrderingFilter, StrictFilterSet


class SalePaymentFilter(StrictFilterSet):
    """Payments."""

    ranges: ClassVar[list[tuple[str, str]]] = [("created_after", "created_before")]

    order = IdFilter("order_id")
    provider = ChoiceFilter("provider", choices=Payment.Provider.choices)
    status = ChoiceFilter("status", choices=Payment.Status.choices)
    created_after = DateTimeFilter("created_at", "gte", description="At this moment or later. Send a + as %2B.")
    created_before = DateTimeFilter("created_at", "lt", description="Before this moment. Send a + as %2B.")
    ordering = OrderingFilter(fields=("id", "created_at", "amount"))

    class Meta:
        model = Payment
        fields: list[str] = []
