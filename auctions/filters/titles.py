"""The query parameters of the list of title transfers."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from auctions.models import TitleTransfer
from common.filters import BooleanFilter, ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet


class OverdueFilter(BooleanFilter):
    """Whether the sweep found it late, be it over by now."""

    meaning = "Whether it was late once."

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs.filter(overdue_at__isnull=not value)


class TitleTransferFilter(StrictFilterSet):
    """Title transfers; the newest first unless ordered otherwise."""

    status = ChoiceFilter("status", choices=TitleTransfer.Status.choices)
    order = IdFilter("order_id")
    overdue = OverdueFilter()
    ordering = OrderingFilter(fields=("id", "due_at"))

    class Meta:
        model = TitleTransfer
        fields: list[str] = []
