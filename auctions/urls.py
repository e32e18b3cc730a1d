"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it under
`/api/`, `pages` the HTML pages."""

from __future__ import annotations

from typing import Any

from django.urls import path

from auctions.views.auctions import AuctionViewSet
from auctions.views.bids import AuctionBidViewSet, BidViewSet
from auctions.views.clock import ClockView
from auctions.views.fees import FeeScheduleViewSet
from auctions.views.files import FileView, ListingDocumentViewSet, ListingImageViewSet, UploadView
from auctions.views.increments import IncrementTableViewSet
from auctions.views.listings import ListingViewSet
from auctions.views.live_page import LivePage
from auctions.views.stream import AuctionStreamView
from auctions.views.watching import SavedSearchViewSet, WatchlistViewSet

routes: list[tuple[str, type, str]] = [
    ("auctions", AuctionViewSet, "auction"),
    ("auctions/<pk:auction_pk>/bids", AuctionBidViewSet, "auction-bid"),
    ("bids", BidViewSet, "bid"),
    ("fee-schedules", FeeScheduleViewSet, "fee-schedule"),
    ("increment-tables", IncrementTableViewSet, "increment-table"),
    ("vehicles", ListingViewSet, "listing"),
    ("vehicles/<pk:vehicle_pk>/images", ListingImageViewSet, "listing-image"),
    ("vehicles/<pk:vehicle_pk>/documents", ListingDocumentViewSet, "listing-document"),
    ("saved-searches", SavedSearchViewSet, "saved-search"),
    ("watchlist", WatchlistViewSet, "watchlist"),
]
urlpatterns: list[Any] = [
    path("auctions/<pk:pk>/stream", AuctionStreamView.as_view(), name="auction-stream"),
    path("clock", ClockView.as_view(), name="clock"),
    path("uploads", UploadView.as_view(), name="upload"),
    path("files/<str:token>", FileView.as_view(), name="file"),
]
pages: list[Any] = [
    path("auctions/<pk:pk>/live", LivePage.as_view(), name="auction-live"),
]
