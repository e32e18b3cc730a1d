"""Auctions: `/api/auctions`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.auctions import AuctionFilter
from auctions.models import Auction, AuctionQuerySet
from auctions.models.listings import VIEW_LISTING
from auctions.permissions import SellerOr
from auctions.serializers.auctions import (
    AuctionSerializer,
    CancelAuctionSerializer,
    CreateAuctionSerializer,
    LowerReserveSerializer,
    PauseAuctionSerializer,
    own_bids_of,
)
from auctions.services import auctions
from auctions.views.bids import BuyNowActions
from auctions.views.examples import LIVE
from auctions.views.quotes import QuoteActions
from auctions.views.trust import AuditActions
from auctions.views.watching import WatchActions
from common import clock
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.permissions import HasPerm, Public, SignedIn
from common.views import ApiViewSet, CreateMixin, RetrieveMixin, command

NOT_BEGUN = {
    "price": None,
    "min_next": "5000.00",
    "bid_count": 0,
    "leader_alias": None,
    "event_seq": 0,
    "is_open": False,
    "server_time": "2025-02-20T11:00:02.104512Z",
}
SCHEDULED = LIVE | NOT_BEGUN | {"status": "scheduled"}
PAUSED = LIVE | {"status": "paused", "is_open": False, "event_seq": 23}
MET = LIVE | {"reserve_status": "met", "buy_now": None, "event_seq": 23}
CANCELLED = SCHEDULED | {"status": "cancelled", "buy_now": None, "event_seq": 1}
REASON = sent("why", {"reason": "The title is in question."})


ROW = shown("a live auction", LIVE)


@extend_schema_view(
    list=extend_schema(
        summary="List auctions",
        description="Public; the one that ends soonest comes first. Nothing here tells more of a reserve than "
        "`reserve_status`.",
        examples=[ROW],
    ),
    retrieve=extend_schema(
        summary="Read an auction",
        description="Public. `server_time` makes no new version: with `If-None-Match` the answer is 304 until "
        "something else has changed.",
        examples=[ROW],
    ),
    create=extend_schema(
        summary="Schedule an auction",
        description="Of an active listing of one's own, or by a moderator. A start up to five minutes ago counts as "
        "now. 409 `auction_exists`, and `invalid_transition` when the listing is not active. 422 `does_not_exist` for "
        "a listing that is not one's own; `start_in_past`, `end_before_start`, `too_short`, `too_long` (30 days), "
        "`hard_end_before_end`, `reserve_below_start`, `buy_now_below_start`, `buy_now_not_above_reserve`, and the "
        "codes of increment tables.",
        examples=[
            sent("a week", {"listing": 9, "starts_at": "2025-02-22T18:30:00Z", "ends_at": "2025-03-01T18:30:00Z"}),
            sent(
                "with terms of its own",
                {
                    "listing": 9,
                    "starts_at": "2025-02-22T18:30:00Z",
                    "ends_at": "2025-03-01T18:30:00Z",
                    "increments": [{"up_to": "9999.99", "step": "100.00"}, {"up_to": None, "step": "250.00"}],
                    "max_extensions": 10,
                    "hard_end": "2025-03-01T20:00:00Z",
                    "under_reserve": "minimum",
                    "buy_now": None,
                },
            ),
            shown("scheduled", SCHEDULED),
        ],
    ),
)
class AuctionViewSet(
    BuyNowActions, AuditActions, QuoteActions, WatchActions, FastListMixin, RetrieveMixin, CreateMixin, ApiViewSet
):
    """Auctions. One whose listing was taken off the marketplace is 404 but for its seller and staff."""

    queryset = Auction.objects.all()
    serializer_class = AuctionSerializer
    filterset_class = AuctionFilter
    audience = ("auctions.view_auction",)
    throttle_scope: str | None = None  # Readings of the mixins set their own.
    action_serializers = {
        "create": CreateAuctionSerializer,
        "list": AuctionSerializer,
        "retrieve": AuctionSerializer,
    }
    action_permissions = {
        "list": [Public],
        "retrieve": [Public],
        "cancel": [SignedIn, SellerOr.of(auctions.MODERATE)],
        "pause": [HasPerm.of(auctions.MODERATE)],
        "resume": [HasPerm.of(auctions.MODERATE)],
        # What is refused here would let others find the reserve.
        "reserve": [SignedIn, SellerOr.of(auctions.MODERATE, VIEW_LISTING)],
    }

    def get_queryset(self) -> AuctionQuerySet:
        return Auction.objects.visible_to(self.caller).prefetch_related(own_bids_of(self.caller))

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Auction:
        terms = dict(data)
        listing_id = terms.pop("listing")
        return auctions.create_auction(listing_id=listing_id, actor=self.caller, data=terms, now=clock.now())

    @command(
        detail=True,
        request=CancelAuctionSerializer,
        response=AuctionSerializer,
        summary="Cancel an auction",
        description="Its seller while nobody has bid (409 `has_bids`); a moderator at any time, with a reason (422 "
        "`reason_required`). The listing is active again. 409 `auction_ended` once the end has come, "
        "`invalid_transition` when it is over.",
        examples=[
            sent("by the seller", {}),
            REASON,
            shown("cancelled", CANCELLED),
        ],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        auction, data = self.get_object(), self.validated(CancelAuctionSerializer)
        return self.answer(auctions.cancel_auction(auction_id=auction.pk, actor=self.caller, **data))

    @command(
        detail=True,
        request=PauseAuctionSerializer,
        response=AuctionSerializer,
        summary="Pause an auction",
        description="No bids are taken until it is resumed. 409 `auction_ended` once the end has come, "
        "`invalid_transition` when it is not live.",
        examples=[REASON, shown("paused", PAUSED)],
    )
    @idempotent
    def pause(self, request: Request, pk: int) -> Response:
        auction, data = self.get_object(), self.validated(PauseAuctionSerializer)
        return self.answer(auctions.pause_auction(auction_id=auction.pk, actor=self.caller, **data))

    @command(
        detail=True,
        response=AuctionSerializer,
        summary="Resume an auction",
        description="`ends_at` and the hard end move by the time that it was paused. 409 `invalid_transition` when it "
        "is not paused.",
        examples=[ROW],
    )
    @idempotent
    def resume(self, request: Request, pk: int) -> Response:
        return self.answer(auctions.resume_auction(auction_id=self.get_object().pk, actor=self.caller))

    @command(
        detail=True,
        request=LowerReserveSerializer,
        response=AuctionSerializer,
        summary="Lower the reserve",
        description="Lower or, with null, remove it, by the seller or a moderator, until the auction has ended (409 "
        "`auction_ended`). Raising, repeating or setting one is 409 `reserve_only_down`; below the starting price is "
        "422 `reserve_below_start`. When the leader's maximum reaches the new reserve, the price rises to it.",
        examples=[
            sent("lower", {"reserve_price": "8000.00"}),
            sent("none", {"reserve_price": None}),
            shown("met", MET),
        ],
    )
    @idempotent
    def reserve(self, request: Request, pk: int) -> Response:
        auction, data = self.get_object(), self.validated(LowerReserveSerializer)
        return self.answer(auctions.lower_reserve(auction_id=auction.pk, actor=self.caller, **data))
