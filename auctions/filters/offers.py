"""The query parameters of offers."""

from __future__ import annotations

from auctions.filters.orders import RoleFilter
from auctions.models import Offer
from common.filters import ChoiceFilter, IdFilter, StrictFilterSet


class OfferFilter(StrictFilterSet):
    status = ChoiceFilter("status", choices=Offer.Status.choices)
    kind = ChoiceFilter("kind", choices=Offer.Kind.choices)
    listing = IdFilter("listing_id")
    auction = IdFilter("auction_id", description="The auction that it follows from.")
    role = RoleFilter()

    class Meta:
        model = Offer
        fields: list[str] = []
