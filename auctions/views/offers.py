"""Offers: `/api/offers`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.offers import OfferFilter
from auctions.models import Offer
from auctions.serializers.offers import CounterOfferSerializer, CreateOfferSerializer, OfferSerializer
from auctions.services import offers
from common.examples import sent, shown
from common.permissions import SignedIn
from common.views import ApiViewSet, CreateMixin, ListMixin, RetrieveMixin, command

PENDING = {
    "id": 12,
    "kind": "pre_auction",
    "status": "pending",
    "listing": 9,
    "auction": None,
    "buyer": 31,
    "seller": 7,
    "made_by": "buyer",
    "amount": "9500.00",
    "currency": "USD",
    "message": "I could fetch it tomorrow.",
    "round": 0,
    "parent": None,
    "counter": None,
    "order": None,
    "expires_at": "2025-02-21T11:00:02.104512Z",
    "decided_at": None,
    "created_at": "2025-02-20T11:00:02.104512Z",
    "updated_at": "2025-02-20T11:00:02.104512Z",
}
DECIDED = {"decided_at": "2025-02-20T15:20:44.718291Z", "updated_at": "2025-02-20T15:20:44.718291Z"}
BID = PENDING | {"id": 14, "kind": "if_bid", "auction": 17, "message": ""}
CHANCE = BID | {"id": 15, "kind": "second_chance", "made_by": "seller", "amount": "9250.00"}
ACCEPTED = PENDING | DECIDED | {"status": "accepted", "order": 31}
COUNTER = PENDING | {
    "id": 13,
    "made_by": "seller",
    "amount": "10250.00",
    "message": "",
    "round": 1,
    "parent": 12,
    "expires_at": "2025-02-21T15:20:44.718291Z",
    "created_at": DECIDED["updated_at"],
    "updated_at": DECIDED["updated_at"],
}
WHOSE_TURN = "403 `not_your_turn` for everybody else who may see it. "
IS_PENDING = "409 `offer_expired` when its time is over, `invalid_transition` when it was decided before. "
FOR_SALE = (
    "409 `not_for_sale` unless the listing is active, or in an auction that has not begun (of an `if_bid`: in that "
    "auction's negotiation). "
)
ABLE = (
    "403 `not_eligible` names in `meta.missing` what one's account lacks to bind it (as of a bid); 409 "
    "`bid_limit_exceeded`. "
)


OFFER = shown("a buyer's offer", PENDING)
KINDS = [OFFER, shown("a bid below the reserve", BID), shown("a second chance", CHANCE)]
AMOUNT = sent("another amount", {"amount": "10250.00"})


@extend_schema_view(
    list=extend_schema(
        summary="List offers",
        description="One's own on either side, the newest first; staff see all.",
        examples=KINDS,
    ),
    retrieve=extend_schema(
        summary="Read an offer",
        description="As buyer, as seller or as staff. An `if_bid` is the highest bid of an auction that missed its "
        "reserve, a `second_chance` the seller's offer to the next bidder when a sale came to nothing; below the "
        "reserve it is that bidder's to the seller (`made_by`).",
        examples=KINDS,
    ),
    create=extend_schema(
        summary="Make an offer",
        description="For a listing before its bidding, by anybody who may bid and does not sell it (403 "
        "`seller_cannot_offer`). It binds until it expires or is withdrawn. A second one for the same listing is 409 "
        "`offer_exists` (`meta.offer`) while the first is pending; a listing that is not public is 422 "
        "`does_not_exist`. " + FOR_SALE + ABLE,
        responses={201: OfferSerializer},
        examples=[
            sent("for a listing", {"listing": 9, "amount": "9500.00", "message": "I could fetch it tomorrow."}),
            OFFER,
        ],
    ),
)
class OfferViewSet(ListMixin, RetrieveMixin, CreateMixin, ApiViewSet):
    """What two people negotiate; those of others do not exist."""

    queryset = Offer.objects.all()
    serializer_class = OfferSerializer
    filterset_class = OfferFilter
    permission_classes = [SignedIn]
    action_serializers = {"create": CreateOfferSerializer, "list": OfferSerializer, "retrieve": OfferSerializer}

    def get_queryset(self) -> QuerySet[Offer]:
        return Offer.objects.visible_to(self.caller).select_related("counter", "order")

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Offer:
        terms = dict(data)
        listing_id = terms.pop("listing")
        return offers.create_offer(listing_id=listing_id, buyer_id=self.caller.pk, **terms)

    @command(
        detail=True,
        response=OfferSerializer,
        summary="Accept an offer",
        description="By whom it was made to. The vehicle is sold at its amount (`order`), the listing's other offers "
        "are superseded, and an auction that has not begun is cancelled. "
        + WHOSE_TURN
        + IS_PENDING
        + FOR_SALE
        + ABLE
        + "A seller gets 409 `buyer_not_eligible` for what the buyer's account lacks.",
        examples=[shown("accepted", ACCEPTED)],
    )
    @idempotent
    def accept(self, request: Request, pk: int) -> Response:
        return self.answer(offers.accept_offer(offer_id=self.get_object().pk, actor=self.caller))

    @command(
        detail=True,
        response=OfferSerializer,
        summary="Decline an offer",
        description="By whom it was made to. After the last offer on a bid below the reserve the listing is active "
        "again. " + WHOSE_TURN + IS_PENDING,
        examples=[shown("declined", PENDING | DECIDED | {"status": "declined"})],
    )
    @idempotent
    def decline(self, request: Request, pk: int) -> Response:
        return self.answer(offers.decline_offer(offer_id=self.get_object().pk, actor=self.caller))

    @command(
        detail=True,
        request=CounterOfferSerializer,
        response=OfferSerializer,
        status=201,
        summary="Counter an offer",
        description="By whom it was made to: a new offer with the roles swapped, which has its full time. At most "
        "three times, then 409 `too_many_rounds`. " + WHOSE_TURN + IS_PENDING + FOR_SALE + ABLE,
        examples=[AMOUNT, shown("the counter-offer", COUNTER)],
    )
    @idempotent
    def counter(self, request: Request, pk: int) -> Response:
        offer, data = self.get_object(), self.validated(CounterOfferSerializer)
        counter = offers.counter_offer(offer_id=offer.pk, actor=self.caller, **data)
        return self.answer(counter, status=201, headers=self.location_of(counter))

    @command(
        detail=True,
        response=OfferSerializer,
        summary="Withdraw an offer",
        description="By whoever made it. A buyer's offer that follows from a bid below the reserve binds: 409 "
        "`offer_binding`. " + WHOSE_TURN + IS_PENDING,
        examples=[shown("withdrawn", PENDING | DECIDED | {"status": "withdrawn"})],
    )
    @idempotent
    def withdraw(self, request: Request, pk: int) -> Response:
        return self.answer(offers.withdraw_offer(offer_id=self.get_object().pk, actor=self.caller))
