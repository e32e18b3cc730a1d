"""Staff pages of auctions, by noun."""

from auctions.admin import auctions, dashboard, listings, orders, watching  # noqa: F401 - registers the pages
