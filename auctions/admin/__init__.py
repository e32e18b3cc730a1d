"""Staff pages of auctions, by noun."""

from auctions.admin import auctions, dashboard, fees, listings, orders, watching  # noqa: F401 - registers the pages
