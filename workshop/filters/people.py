"""The query parameters of customers, mechanics and suppliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet

from common.filters import (
    BooleanFilter,
    DateFilter,
    IdFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)
from common.text import email_key
from workshop.models import Customer, Mechanic, Supplier
from workshop.services.mechanics import rank


class EmailFilter(TextFilter):
    """A whole address, in any spelling."""

    meaning = "The whole address, in any spelling."

    def parse(self, raw: str) -> str:
        return email_key(super().parse(raw))


class CustomerFilter(StrictFilterSet):
    """Customers, as far as the viewer sees them."""

    email = EmailFilter("email", max_length=254)
    user = IdFilter("user_id")
    search = SearchFilter(fields=("name", "email", "phone"))
    ordering = OrderingFilter(fields=("id", "name", "email", "created_at", "updated_at"))

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = []


class MechanicFilter(StrictFilterSet):
    """Mechanics, those who left too unless `active` says otherwise."""

    active = BooleanFilter("active", "exact")
    user = IdFilter("user_id")
    search = SearchFilter(fields=("display_name",))
    ordering = OrderingFilter(fields=("id", "display_name", "created_at", "updated_at"))

    class Meta:
        model = Mechanic
        fields: ClassVar[list[str]] = []


class LeaderboardFilter(StrictFilterSet):
    """The range of service dates that counts."""

    from_ = DateFilter(description="Tickets with this service date or a later one.")
    to = DateFilter(description="Tickets with this service date or an earlier one.")

    ranges = [("from", "to")]

    class Meta:
        model = Mechanic
        fields: ClassVar[list[str]] = []

    def apply(self, queryset: QuerySet[Mechanic], values: Mapping[str, Any]) -> QuerySet[Any]:
        """The range counts tickets and leaves nobody out."""
        return rank(queryset, start=values.get("from"), end=values.get("to"))


class SupplierFilter(StrictFilterSet):
    """Suppliers."""

    search = SearchFilter(fields=("name", "email"))
    ordering = OrderingFilter(fields={"id": "id", "name": "name_key", "created_at": "created_at"})

    class Meta:
        model = Supplier
        fields: ClassVar[list[str]] = []
