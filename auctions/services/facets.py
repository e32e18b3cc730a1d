"""How many of the listings found there are by make, body, title and price."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from auctions.models import Listing
from auctions.services.search import price_bands, with_price

MOST_MAKES = 50  # What sellers type is endless.


def count_facets(listings: QuerySet[Listing]) -> dict[str, Any]:
    """Costs four queries. Bodies and titles that nobody stated are left out; makes are the most frequent ones, in one
    spelling each."""
    listings = listings.order_by()
    makes = listings.values("make_key").annotate(name=Min("make"), count=Count("pk")).order_by("-count", "make_key")
    bands = price_bands()
    counts = {f"band_{number}": Count("pk", filter=_within(*band)) for number, band in enumerate(bands)}
    priced = with_price(listings).aggregate(count=Count("pk"), **counts)
    return {
        "count": priced["count"],
        "make": [{"value": row["make_key"], "name": row["name"], "count": row["count"]} for row in makes[:MOST_MAKES]],
        "body_type": _by(listings, "body_type"),
        "title_type": _by(listings, "title_type"),
        "price": [
            {"from": low, "to": high, "count": priced[f"band_{number}"]} for number, (low, high) in enumerate(bands)
        ],
    }


def _by(listings: QuerySet[Listing], name: str) -> list[dict[str, Any]]:
    rows = listings.exclude(**{name: ""}).values(name).annotate(count=Count("pk")).order_by("-count", name)
    return [{"value": row[name], "count": row["count"]} for row in rows]


def _within(low: Any, high: Any) -> Q:
    return Q(by_price__gte=low) & (Q() if high is None else Q(by_price__lt=high))
