"""The query parameters of the list of payouts."""

from __future__ import annotations

from auctions.models import Payout
from common.filters import ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet


class PayoutFilter(StrictFilterSet):
    """Payouts; the newest first unless ordered otherwise."""

    status = ChoiceFilter("status", choices=Payout.Status.choices)
    order = IdFilter("order_id")
    seller = IdFilter("order__seller_id")
    ordering = OrderingFilter(fields=("id", "amount", "due_at"))

    class Meta:
        model = Payout
        fields: list[str] = []
