"""The query parameters of the list of refunds."""

from __future__ import annotations

from auctions.models import Refund
from common.filters import ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet


class RefundFilter(StrictFilterSet):
    """Refunds; the newest first unless ordered otherwise."""

    status = ChoiceFilter("status", choices=Refund.Status.choices)
    payment = IdFilter("payment_id")
    order = IdFilter("order_id")
    ordering = OrderingFilter(fields=("id", "amount"))

    class Meta:
        model = Refund
        fields: list[str] = []
