"""What the tests of listings share."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from auctions.models import Listing, ListingImage
from tests.auctions.factories import ListingFactory

URL = "/api/vehicles"
VIN = "1HGCM82633A004352"
COMPLETE = {
    "vin": VIN,
    "year": 2003,
    "make": "Honda",
    "model": "Accord",
    "mileage": 113_400,
    "title_type": "clean",
    "starting_price": "1000.00",
    "location_city": "Albany",
    "location_state": "NY",
}


def add_photo(listing: Listing, position: int = 1, status: str = "ready") -> ListingImage:
    pk = uuid4()
    return ListingImage.objects.create(
        id=pk,
        listing=listing,
        key=f"listings/{pk}",
        content_type="image/jpeg",
        size=9,
        position=position,
        status=status,
    )


def complete_listing(**fields: Any) -> Listing:
    """A draft that can be submitted."""
    listing = ListingFactory(**{"status": "draft", **fields})
    add_photo(listing)
    return listing


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]
