"""The query parameters of the list of transport orders."""

from __future__ import annotations

from auctions.models import TransportOrder
from common.filters import ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet


class TransportOrderFilter(StrictFilterSet):
    """Transport orders; the newest first unless ordered otherwise."""

    status = ChoiceFilter("status", choices=TransportOrder.Status.choices)
    order = IdFilter("order_id")
    ordering = OrderingFilter(fields=("id", "pickup_on", "delivery_on"))

    class Meta:
        model = TransportOrder
        fields: list[str] = []
