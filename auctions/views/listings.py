"""Listings: `/api/vehicles`."""

from __future__ import annotations

from auctions.models import Listing
from auctions.views.files import FileActions
from common.views import ApiViewSet


class ListingViewSet(FileActions, ApiViewSet):
    """Listings."""

    queryset = Listing.objects.all()
