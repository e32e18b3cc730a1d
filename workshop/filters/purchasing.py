"""The query parameters of the purchase orders."""

from __future__ import annotations

from common.filters import ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet
from workshop.models import PurchaseOrder


class PurchaseOrderFilter(StrictFilterSet):
    """Purchase orders, newest first unless ordered otherwise."""

    status = ChoiceFilter("status", choices=PurchaseOrder.Status.choices)
    supplier = IdFilter("supplier_id")
    ordering = OrderingFilter(fields=("id", "created_at", "updated_at"))

    class Meta:
        model = PurchaseOrder
        fields: list[str] = []
