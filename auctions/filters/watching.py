"""The query parameters of watchlist and saved searches, and what a saved search finds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import structlog
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from auctions.filters.listings import ListingFilter
from auctions.models import Auction, Listing, SavedSearch
from common.filters import ChoiceFilter, StrictFilterSet, refuse_parameters

log = structlog.get_logger(__name__)


class WatchlistFilter(StrictFilterSet):
    status = ChoiceFilter("status", choices=Auction.Status.choices)

    class Meta:
        model = Auction
        fields: list[str] = []


class SavedSearchFilter(StrictFilterSet):
    cadence = ChoiceFilter("cadence", choices=SavedSearch.Cadence.choices)

    class Meta:
        model = SavedSearch
        fields: list[str] = []


def read_search(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The stored JSON as the query of `GET /api/vehicles` that it stands for. Raises ValidationError."""
    query = QueryDict(mutable=True)
    for name, value in filters.items():
        query[name] = str(value).lower() if isinstance(value, bool) else str(value)
    refuse_parameters(query, ListingFilter.base_filters)
    return ListingFilter.read(query)


def found_by(listings: QuerySet[Listing], filters: Mapping[str, Any]) -> QuerySet[Listing]:
    """Those among `listings` that a saved search finds. One that is older than a change of the filters, and makes no
    sense any more, finds nothing."""
    try:
        values = read_search(filters)
    except ValidationError:
        log.warning("saved_search_outdated", filters=sorted(filters))
        return listings.none()
    return _filters().apply(listings, values)


@cache
def _filters() -> ListingFilter:
    """One for all searches: making one copies all its filters, which takes longer than to apply them."""
    return ListingFilter()
