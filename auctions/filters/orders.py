"""The query parameters of orders."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet

from auctions.models import Order
from common.filters import ChoiceFilter, DateTimeFilter, IdFilter, OrderingFilter, StrictFilterSet


class RoleFilter(ChoiceFilter):
    """By what the caller is in it."""

    meaning = "What one is in it: leaves out what one sees for another reason."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=("buyer", "seller"), **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        caller: Any = self.parent.request.user
        return qs.filter(**{f"{value}_id": caller.pk})


class OrderFilter(StrictFilterSet):
    """Orders."""

    ranges: ClassVar[list[tuple[str, str]]] = [("created_after", "created_before")]

    status = ChoiceFilter("status", choices=Order.Status.choices)
    listing = IdFilter("listing_id")
    auction = IdFilter("auction_id")
    role = RoleFilter()
    created_after = DateTimeFilter("created_at", "gte", description="At this moment or later. Send a + as %2B.")
    created_before = DateTimeFilter("created_at", "lt", description="Before this moment. Send a + as %2B.")
    ordering = OrderingFilter(fields=("id", "created_at", "payment_due_at", "hammer_price"))

    class Meta:
        model = Order
        fields: list[str] = []
