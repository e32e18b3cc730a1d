"""The query parameters of auctions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from auctions.models import Auction
from common.filters import (
    ChoiceFilter,
    DateTimeFilter,
    DecimalFilter,
    IdFilter,
    IntegerFilter,
    KeyFilter,
    StrictFilterSet,
)


class ShownPriceFilter(DecimalFilter):
    """By the price that everybody sees: before the first bid the starting price."""

    bound_as: ClassVar[Any] = Auction._meta.get_field("price")

    def filter(self, qs: QuerySet[Any], value: Decimal) -> QuerySet[Any]:
        shown = qs.alias(shown_price=Coalesce("price", "starting_price"))
        return shown.filter(**{f"shown_price__{self.lookup_expr}": value})


class AuctionOrderFilter(ChoiceFilter):
    """One of the published orders."""

    orders: ClassVar[dict[str, tuple[str, ...]]] = {"ending_soon": ("ends_at", "id"), "newest": ("-id",)}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=list(self.orders), **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.order_by(*self.orders[value])


class AuctionFilter(StrictFilterSet):
    """Auctions. Nothing here depends on a reserve or on a maximum."""

    ranges: ClassVar[list[tuple[str, str]]] = [("year_min", "year_max"), ("min_price", "max_price")]

    status = ChoiceFilter("status", choices=Auction.Status.choices)
    make = KeyFilter("listing__make_key")
    model = KeyFilter("listing__model_key")
    year_min = IntegerFilter("listing__year", "gte", min=0, max=9999)
    year_max = IntegerFilter("listing__year", "lte", min=0, max=9999)
    ends_before = DateTimeFilter("ends_at", "lt", description="Before this moment. A + has to be sent as %2B.")
    min_price = ShownPriceFilter(None, "gte", description="By the price, before the first bid the starting price.")
    max_price = ShownPriceFilter(None, "lte", description="By the price, before the first bid the starting price.")
    seller = IdFilter("seller_id", description="The user who sells.")
    ordering = AuctionOrderFilter(description="`ending_soon` unless told: the earliest end first.")

    class Meta:
        model = Auction
        fields: list[str] = []
