"""The query parameters of the inventory."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from common.filters import BooleanFilter, IdFilter, OrderingFilter, SearchFilter, StrictFilterSet
from workshop.models import Part
from workshop.models.stock import PartQuerySet


class LowStockFilter(BooleanFilter):
    """Parts below their threshold, or the others."""

    meaning = "Whether less is available than the part's threshold."

    def filter(self, qs: Any, value: bool) -> PartQuerySet:
        return qs.low() if value else qs.sufficient()


class ArchivedFilter(BooleanFilter):
    """The archived parts instead of the current ones."""

    meaning = "true for archived parts only; unless told, they are left out."

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs.filter(archived_at__isnull=not value)


class PartFilter(StrictFilterSet):
    """The inventory."""

    search = SearchFilter(fields=("name", "sku", "description", "supplier_sku"))
    low_stock = LowStockFilter()
    archived = ArchivedFilter()
    supplier = IdFilter("supplier_id")
    ordering = OrderingFilter(
        fields={
            "id": "id",
            "name": "name",
            "sku": "sku_key",
            "price": "price",
            "on_hand": "on_hand",
            "created_at": "created_at",
            "updated_at": "updated_at",
        }
    )

    class Meta:
        model = Part
        fields: list[str] = []
