"""Bids: `/api/auctions/{id}/bids`, `/api/auctions/{id}/buy-now`, `/api/bids`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When
from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Bid
from auctions.serializers.bids import (
    BidAnswerSerializer,
    BoughtSerializer,
    OwnBidSerializer,
    PlaceBidSerializer,
    PublicBidSerializer,
)
from auctions.services import bids
from auctions.views.trust import CorrectionActions
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.pagination import CursorPagination
from common.permissions import Public, SignedIn
from common.views import ApiViewSet, command, reading

LEADING = {
    "bid": "6f1f0d5e-3c58-4c55-9a35-0b7b3d0e4a11",
    "position": "leading",
    "price": "8100.00",
    "min_next": "8350.00",
    "ends_at": "2025-03-01T18:31:59Z",
    "extended": True,
    "event_seq": 23,
    "server_time": "2025-03-01T18:29:59.104512Z",
}
PUBLIC_ROW = {
    "seq": 12,
    "alias": "Bidder 4",
    "price": "8100.00",
    "placed_at": "2025-03-01T18:29:59.104512Z",
    "mine": False,
}
OWN_ROW = {
    "id": LEADING["bid"],
    "auction": 17,
    "amount": "9000.00",
    "placed_at": "2025-03-01T18:29:59.104512Z",
    "position": "leading",
}
BOUGHT = {
    "order": 31,
    "order_number": "FO-7K3QX9ZD",
    "auction": 17,
    "listing": 9,
    "hammer_price": "12500.00",
    "currency": "USD",
    "status": "awaiting_payment",
}


WHO_MAY = (
    "403 `seller_cannot_bid`; 403 `not_eligible` names in `meta.missing` what the account lacks (`active`, "
    "`email_verified`, `identity_verified`, `payment_profile`). "
)
IS_OPEN = (
    "409 `auction_ended` when the end has come by the server's clock (`meta.server_time`), whatever the auction's "
    "status says, and `auction_not_live` before the start, while paused and afterwards. "
)


class BuyNowActions:
    """Buying at once, for the auctions' viewset."""

    throttle_scopes: ClassVar[dict[str, str]] = {"buy_now": "bids"}

    def get_permissions(self: Any) -> list[BasePermission]:
        """Stands here, so that no viewset can take the action without it."""
        return [SignedIn()] if self.action == "buy_now" else super().get_permissions()  # type: ignore[misc]

    @command(
        detail=True,
        response=BoughtSerializer,
        status=201,
        url_path="buy-now",
        summary="Buy at once",
        description="Ends the auction at its `buy_now` price and makes the order. Possible while live and nobody has "
        "bid, or while there is a reserve that is not met, and the price is below: else 409 `buy_now_unavailable`. "
        + IS_OPEN
        + WHO_MAY
        + "409 `bid_limit_exceeded`.",
        examples=[shown("bought", BOUGHT)],
    )
    @idempotent
    def buy_now(self: Any, request: Request, pk: int) -> Response:
        order = bids.buy_now(user_id=self.caller.pk, auction_id=pk)
        return Response(self.represent(order, BoughtSerializer), status=201)


@extend_schema_view(
    list=extend_schema(
        summary="List an auction's bids",
        description="Those that changed price or leader and stand, the newest first. `price` is what each made, never "
        "its maximum; aliases belong to this auction alone, and `mine` marks one's own.",
        examples=[shown("a bid", PUBLIC_ROW)],
    ),
    create=extend_schema(
        summary="Place a bid",
        description="`amount` is the most that one would pay: the house bids for one, no more than is needed. "
        "`position` is `outbid` when another's maximum is as high. `extended` tells that the bid came close to the end "
        "and moved it. Raising the own maximum while leading stays unseen by others. "
        + IS_OPEN
        + WHO_MAY
        + "409 `max_not_raised` (a maximum cannot be lowered or repeated), `bid_too_low` (`meta.min_next`) and "
        "`bid_limit_exceeded`. At most 10 a second.",
        responses={201: BidAnswerSerializer},
        examples=[
            sent("up to 9,000", {"amount": "9000.00"}),
            shown("leading", LEADING),
            shown("outbid at once", LEADING | {"position": "outbid", "extended": False}),
        ],
    ),
)
class AuctionBidViewSet(FastListMixin, ApiViewSet):
    """The bids of one auction."""

    queryset = AuctionEvent.objects.all()
    serializer_class = PublicBidSerializer
    filterset_class = None
    pagination_class = CursorPagination
    action_serializers = {"list": PublicBidSerializer, "create": PlaceBidSerializer}
    action_permissions = {"list": [Public], "create": [SignedIn]}
    throttle_scopes = {"create": "bids"}
    audience = ("auctions.view_auction",)

    def get_queryset(self) -> QuerySet[AuctionEvent]:
        auctions = Auction.objects.visible_to(self.caller).filter(pk=self.kwargs["auction_pk"])
        shown = AuctionEvent.objects.filter(auction__in=auctions, auction_id=self.kwargs["auction_pk"])
        return shown.filter(kind=AuctionEvent.Kind.BID, is_voided=False).order_by("-bid_seq")

    def listing(self, queryset: QuerySet[Any], *args: Any) -> Response:
        """An auction that is not there has no list of bids."""
        get_object_or_404(Auction.objects.visible_to(self.caller).only("pk"), pk=self.kwargs["auction_pk"])
        return super().listing(queryset, *args)

    @cached_property
    def own_alias(self) -> str | None:
        """What the caller is called in this auction; None for who has not bid."""
        own = AuctionBidder.objects.filter(auction=self.kwargs["auction_pk"], user_id=self.caller.pk).first()
        return str(own) if own else None

    @idempotent
    def create(self, request: Request, auction_pk: int) -> Response:
        data = self.validated(PlaceBidSerializer)
        answer = bids.place_bid(user_id=self.caller.pk, auction_id=auction_pk, **data)
        return Response(self.represent(answer, BidAnswerSerializer), status=201)


class BidViewSet(CorrectionActions, ApiViewSet):
    """One's own bids, in all auctions."""

    queryset = Bid.objects.all()
    serializer_class = OwnBidSerializer
    filterset_class = None
    lookup_value_converter = "uuid"

    @reading(
        detail=False,
        response=OwnBidSerializer(many=True),
        pagination_class=CursorPagination,
        schema={
            "summary": "List one's own bids",
            "description": "The newest first, with their maxima, which nobody else sees. `position` is `leading` "
            "while one leads (or won) the auction, also by another bid there, else `outbid`; a bid that was retracted "
            "or voided is `withdrawn`.",
            "examples": [shown("an own bid", OWN_ROW)],
        },
    )
    def mine(self, request: Request) -> Response:
        withdrawn = Exists(AuctionLogEntry.objects.filter(voids=OuterRef("pk")))
        position = Case(
            When(withdrawn, then=Value("withdrawn")),
            When(auction__leader=F("bidder"), then=Value("leading")),
            default=Value("outbid"),
        )
        own = Bid.objects.filter(bidder_id=self.caller.pk).annotate(position=position)
        return self.listing(own.order_by("-at", "-id"), OwnBidSerializer)
