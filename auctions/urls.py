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
from auctions.views.gate_passes import GatePassViewSet
from auctions.views.increments import IncrementTableViewSet
from auctions.views.invoices import SaleCreditNoteViewSet, SaleInvoiceViewSet
from auctions.views.listings import ListingViewSet
from auctions.views.live_page import LivePage
from auctions.views.offers import OfferViewSet
from auctions.views.orders import OrderViewSet
from auctions.views.payments import PaymentViewSet
from auctions.views.payouts import PayoutViewSet
from auctions.views.refunds import RefundViewSet
from auctions.views.reports import ReportFileView, ReportView
from auctions.views.stream import AuctionStreamView
from auctions.views.titles import TitleTransferViewSet
from auctions.views.transport import TransportOrderViewSet
from auctions.views.watching import SavedSearchViewSet, WatchlistViewSet
from auctions.views.webhooks import WebhookView

routes: list[tuple[str, type, str]] = [
    ("auctions", AuctionViewSet, "auction"),
    ("auctions/<pk:auction_pk>/bids", AuctionBidViewSet, "auction-bid"),
    ("bids", BidViewSet, "bid"),
    ("credit-notes", SaleCreditNoteViewSet, "sale-credit-note"),
    ("fee-schedules", FeeScheduleViewSet, "fee-schedule"),
    ("gate-passes", GatePassViewSet, "gate-pass"),
    ("increment-tables", IncrementTableViewSet, "increment-table"),
    ("invoices", SaleInvoiceViewSet, "sale-invoice"),
    ("offers", OfferViewSet, "offer"),
    ("orders", OrderViewSet, "order"),
    ("vehicles", ListingViewSet, "listing"),
    ("vehicles/<pk:vehicle_pk>/images", ListingImageViewSet, "listing-image"),
    ("vehicles/<pk:vehicle_pk>/documents", ListingDocumentViewSet, "listing-document"),
    ("payments", PaymentViewSet, "payment"),
    ("payouts", PayoutViewSet, "payout"),
    ("refunds", RefundViewSet, "refund"),
    ("saved-searches", SavedSearchViewSet, "saved-search"),
    ("title-transfers", TitleTransferViewSet, "title-transfer"),
    ("transport-orders", TransportOrderViewSet, "transport-order"),
    ("watchlist", WatchlistViewSet, "watchlist"),
]
urlpatterns: list[Any] = [
    path("auctions/<pk:pk>/stream", AuctionStreamView.as_view(), name="auction-stream"),
    path("clock", ClockView.as_view(), name="clock"),
    path("uploads", UploadView.as_view(), name="upload"),
    path("reports/<str:name>.csv", ReportFileView.as_view(), name="report-file"),
    path("reports/<str:name>", ReportView.as_view(), name="report"),
    path("webhooks/<str:provider>", WebhookView.as_view(), name="webhook"),
    path("files/<str:token>", FileView.as_view(), name="file"),
]
pages: list[Any] = [
    path("auctions/<pk:pk>/live", LivePage.as_view(), name="auction-live"),
]
