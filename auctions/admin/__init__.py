"""Staff pages of auctions, by noun."""

from auctions.admin import (  # noqa: F401 - registers the pages
    auctions,
    dashboard,
    delivery,
    fees,
    listings,
    money,
    offers,
    orders,
    watching,
)
