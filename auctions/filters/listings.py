"""The query parameters of listings: one set for the list, the facets and saved searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q, QuerySet

from auctions.models import (
    Auction,
    BodyType,
    Condition,
    Drivetrain,
    FuelType,
    Listing,
    TitleType,
    Transmission,
)
from auctions.services.search import (
    AUCTION_OPEN,
    BUY_NOW,
    IN_AUCTION,
    NEWEST,
    ORDERS,
    RESERVE_MET,
    RESERVE_NOT_MET,
    matching,
    ordered,
    with_price,
)
from cars.models import YEAR_MAX, YEAR_MIN
from common.filters import (
    BooleanFilter,
    ChoiceFilter,
    DateTimeFilter,
    DecimalFilter,
    IntegerFilter,
    KeyFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)


class PriceFilter(DecimalFilter):
    """Compares with the auction's price, else the starting price."""

    bound_as: ClassVar[Any] = Listing._meta.get_field("starting_price")
    meaning = "What the auction has come to; the starting price before the first bid."

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return super().filter(with_price(qs), value)


class AuctionStatusFilter(ChoiceFilter):
    """The state of the auction that a listing is in now."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(IN_AUCTION, auction__status=value)


class EndsBeforeFilter(DateTimeFilter):
    """Open auctions that end before a moment."""

    bound_as: ClassVar[Any] = Auction._meta.get_field("ends_at")

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(AUCTION_OPEN, auction__ends_at__lt=value)


class EitherFilter(BooleanFilter):
    """Rows of which one condition holds (true) or the other one (false); neither need hold."""

    def __init__(self, *, true: Q, false: Q, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conditions = {True: true, False: false}

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs.filter(self.conditions[value])


class BuyNowFilter(BooleanFilter):
    """What can be bought at once."""

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return matching(qs, BUY_NOW, wanted=value)


class ListingOrderFilter(ChoiceFilter):
    """One of the orders by name."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return ordered(qs, value)


class FacetFilter(StrictFilterSet):
    """What narrows the marketplace down. Nothing here depends on a reserve beyond an open auction's public
    `reserve_status`, nor on anybody's maximum."""

    make = KeyFilter("make_key", max_length=128)
    model = KeyFilter("model_key")
    trim = TextFilter("trim", "iexact", max_length=128, description="The whole value, whatever its case.")
    year_min = IntegerFilter("year", "gte", min=YEAR_MIN, max=YEAR_MAX)
    year_max = IntegerFilter("year", "lte", min=YEAR_MIN, max=YEAR_MAX)
    min_price = PriceFilter("by_price", "gte")
    max_price = PriceFilter("by_price", "lte")
    mileage_max = IntegerFilter("mileage", "lte", min=0, max=9_999_999, description="Miles.")
    body_type = ChoiceFilter("body_type", choices=BodyType.choices)
    fuel_type = ChoiceFilter("fuel_type", choices=FuelType.choices)
    transmission = ChoiceFilter("transmission", choices=Transmission.choices)
    drivetrain = ChoiceFilter("drivetrain", choices=Drivetrain.choices)
    condition = ChoiceFilter("condition", choices=Condition.choices)
    title_type = ChoiceFilter("title_type", choices=TitleType.choices)
    state = TextFilter("location_state", "iexact", max_length=100, description="Where the vehicle stands.")
    has_keys = BooleanFilter("has_keys")
    auction_status = AuctionStatusFilter(
        choices=Auction.Status.choices, description="Of the auction that the listing is in now."
    )
    no_reserve = EitherFilter(
        true=AUCTION_OPEN & Q(auction__reserve_price__isnull=True),
        false=AUCTION_OPEN & Q(auction__reserve_price__isnull=False),
        description="Whether the open auction's `reserve_status` is `none`. Listings without one match neither value.",
    )
    reserve_met = EitherFilter(
        true=RESERVE_MET,
        false=RESERVE_NOT_MET,
        description="Whether the open auction's `reserve_status` is `met` (true) or `not_met` (false). Listings "
        "without one, and auctions without a reserve, match neither value.",
    )
    buy_now = BuyNowFilter(description="Whether it can be bought at once: a price for that is set and not gone.")
    ends_before = EndsBeforeFilter(description="Open auctions that end before this moment. A + has to be sent as %2B.")
    search = SearchFilter(fields=("make", "model", "trim", "vin", "description"))

    ranges = [("year_min", "year_max"), ("min_price", "max_price")]

    class Meta:
        model = Listing
        fields: list[str] = []


class ListingFilter(FacetFilter):
    """Listings of the marketplace; newest first unless ordered otherwise. For a saved search: `read` validates a
    QueryDict, and `ListingFilter().apply(listings, values)` finds what it wants."""

    ordering = ListingOrderFilter(
        choices=ORDERS,
        description="`ending_soon` (listings without an open auction last), `newest`, `price` (rising), `-price`, "
        "`mileage` (rising), `bids` (most first).",
    )

    def apply(self, queryset: QuerySet[Any], values: Mapping[str, Any]) -> QuerySet[Any]:
        return super().apply(queryset, {"ordering": NEWEST, **values})


class OwnListingFilter(StrictFilterSet):
    """A seller's own listings."""

    status = ChoiceFilter("status", choices=Listing.Status.choices)

    class Meta:
        model = Listing
        fields: list[str] = []
