"""What can be asked of the listings on the marketplace, and in which orders they come.

The seller's secrets stay out of it: a listing without an open auction is never asked for its reserve, and an auction
only for what its `reserve_status` tells everybody.
"""

from __future__ import annotations

from decimal import Decimal

from django.db.models import (
    Case,
    DateTimeField,
    DecimalField,
    ExpressionWrapper,
    F,
    IntegerField,
    PositiveIntegerField,
    Q,
    QuerySet,
    Value,
    When,
)

from auctions.models import Listing
from auctions.models.auctions import OPEN

IN_AUCTION = Q(status=Listing.Status.IN_AUCTION)
AUCTION_OPEN = IN_AUCTION & Q(auction__status__in=OPEN)
RESERVE_MET = AUCTION_OPEN & Q(auction__price__gte=F("auction__reserve_price"))
RESERVE_NOT_MET = AUCTION_OPEN & (
    Q(auction__reserve_price__isnull=False, auction__price__isnull=True)
    | Q(auction__price__lt=F("auction__reserve_price"))
)
# As `bidding.is_buy_now_open` has it; without an auction it is what the seller asks for.
BUY_NOW = (
    AUCTION_OPEN
    & Q(auction__buy_now_price__isnull=False)
    & (
        Q(auction__price__isnull=True)
        | Q(auction__price__lt=F("auction__buy_now_price")) & Q(auction__price__lt=F("auction__reserve_price"))
    )
) | Q(status=Listing.Status.ACTIVE, buy_now_price__isnull=False)

# Name -> annotation and direction. All but the end are never null for what is public (see the table's constraints),
# and the database is not asked to sort nulls, so that the indexes serve.
ORDERS = {
    "newest": "-by_newest",
    "ending_soon": "by_end",
    "price": "by_price",
    "-price": "-by_price",
    "mileage": "by_mileage",
    "bids": "-by_bids",
}
NEWEST = "newest"
_ANNOTATIONS = {
    "by_newest": ExpressionWrapper(F("published_at"), output_field=DateTimeField()),
    "by_mileage": ExpressionWrapper(F("mileage"), output_field=PositiveIntegerField()),
    "by_end": Case(When(AUCTION_OPEN, then=F("auction__ends_at")), output_field=DateTimeField(null=True)),
    "by_bids": Case(
        When(IN_AUCTION, then=F("auction__bid_count")), default=Value(0), output_field=PositiveIntegerField()
    ),
    "by_price": Case(
        When(IN_AUCTION & Q(auction__price__isnull=False), then=F("auction__price")),
        default=F("starting_price"),
        output_field=DecimalField(max_digits=12, decimal_places=2),
    ),
}


def ordered(listings: QuerySet[Listing], order: str) -> QuerySet[Listing]:
    """In one of ORDERS, of which each leaves ties to the id."""
    column = ORDERS[order]
    name = column.removeprefix("-")
    return listings.annotate(**{name: _ANNOTATIONS[name]}).order_by(column)


def with_price(listings: QuerySet[Listing]) -> QuerySet[Listing]:
    """With `by_price`: what the auction has come to, else what it starts at."""
    return listings.annotate(by_price=_ANNOTATIONS["by_price"])


def matching(listings: QuerySet[Listing], condition: Q, *, wanted: bool) -> QuerySet[Listing]:
    """Those of which the condition is `wanted`; where it is unknown, as of an auction that is not there, it is not."""
    holds = Case(When(condition, then=Value(1)), default=Value(0), output_field=IntegerField())
    return listings.alias(holds=holds).filter(holds=int(wanted))


def price_bands() -> list[tuple[Decimal, Decimal | None]]:
    """From (inclusive) and to (exclusive), without a gap; the last one has no end."""
    edges = [Decimal(edge) for edge in (0, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000)]
    return list(zip(edges, [*edges[1:], None], strict=True))
