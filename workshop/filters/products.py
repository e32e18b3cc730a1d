"""The query parameters of the catalogue's lists."""

from __future__ import annotations

from cars.filters import ShownTooFilter
from common.filters import (
    ChoiceFilter,
    DecimalFilter,
    IdFilter,
    KeyFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)
from workshop.models import PriceProposal, Product


class ProductFilter(StrictFilterSet):
    """The catalogue. Withdrawn products are hidden unless asked for."""

    category = KeyFilter("category_key", max_length=128)
    brand = KeyFilter("brand_key", max_length=128)
    min_price = DecimalFilter("price", "gte")
    max_price = DecimalFilter("price", "lte")
    provider = TextFilter("provider", max_length=32)
    include_withdrawn = ShownTooFilter(description="Also products that the supplier no longer lists.")
    search = SearchFilter(fields=("name", "description", "brand", "sku"))
    ordering = OrderingFilter(
        fields={
            "id": "id",
            "name": "name",
            "price": "price",
            "category": "category_key",
            "brand": "brand_key",
            "created_at": "created_at",
            "updated_at": "updated_at",
        }
    )

    ranges = [("min_price", "max_price")]

    class Meta:
        model = Product
        fields: list[str] = []


class PriceProposalFilter(StrictFilterSet):
    """Prices to decide about, and those that were decided."""

    status = ChoiceFilter("status", choices=PriceProposal.Status.choices)
    product = IdFilter("product_id")
    ordering = OrderingFilter(fields=("id", "created_at", "decided_at"))

    class Meta:
        model = PriceProposal
        fields: list[str] = []
