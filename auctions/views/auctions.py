"""Auctions: `/api/auctions`."""

from __future__ import annotations

from auctions.models import Auction
from auctions.views.bids import BuyNowActions
from auctions.views.quotes import QuoteActions
from auctions.views.trust import AuditActions
from auctions.views.watching import WatchActions
from common.views import ApiViewSet


class AuctionViewSet(BuyNowActions, AuditActions, QuoteActions, WatchActions, ApiViewSet):
    """Auctions."""

    queryset = Auction.objects.all()
