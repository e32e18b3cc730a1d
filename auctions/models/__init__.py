"""The tables of auctions, by noun."""

from auctions.models.auctions import (
    Auction,
    AuctionBidder,
    AuctionEvent,
    AuctionLogEntry,
    AuctionQuerySet,
    Bid,
    IncrementTable,
)
from auctions.models.listings import (
    BodyType,
    Condition,
    Drivetrain,
    FuelType,
    Listing,
    ListingDocument,
    ListingEvent,
    ListingImage,
    ListingQuerySet,
    OdometerStatus,
    TitleType,
    Transmission,
    Upload,
)
from auctions.models.orders import FeeSchedule, Order, OrderQuerySet
from auctions.models.watching import SavedSearch, SearchMatch, Watch

__all__ = [
    "Auction",
    "AuctionBidder",
    "AuctionEvent",
    "AuctionLogEntry",
    "AuctionQuerySet",
    "Bid",
    "BodyType",
    "Condition",
    "Drivetrain",
    "FeeSchedule",
    "FuelType",
    "IncrementTable",
    "Listing",
    "ListingDocument",
    "ListingEvent",
    "ListingImage",
    "ListingQuerySet",
    "OdometerStatus",
    "Order",
    "OrderQuerySet",
    "SavedSearch",
    "SearchMatch",
    "TitleType",
    "Transmission",
    "Upload",
    "Watch",
]
