"""Listings: `/api/vehicles`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from auctions import caches, pdf
from auctions.filters.listings import FacetFilter, ListingFilter, OwnListingFilter
from auctions.models import Listing
from auctions.models.listings import VIEW_LISTING
from auctions.permissions import EmailVerified, Seller, SellerOr
from auctions.serializers.history import HistoryListingSerializer, ListingPublicHistorySerializer
from auctions.serializers.listings import (
    FacetsSerializer,
    ListingChangeSerializer,
    ListingCreatedSerializer,
    ListingCreateSerializer,
    ListingDetailSerializer,
    ListingEventSerializer,
    ListingReasonSerializer,
    ListingSerializer,
    ListingSuspendSerializer,
    VinSourceSerializer,
)
from auctions.services import listings, moderation
from auctions.services.facets import count_facets
from auctions.services.history import PublicHistory, read_history
from auctions.views.files import FileActions
from cars.services import VinAnswer, decode_vin
from cars.views.examples import PUBLIC, SEAL, VIN_DECODE
from common import clock
from common.conditional import etag_of
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.pagination import CursorPagination
from common.pdf_views import PDFMixin, pdf_action
from common.permissions import HasPerm, Public, SignedIn
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    conditional,
    reading,
)

MODERATE = "auctions.moderate_listing"
ACCORD = {
    "vin": "1HGCM82633A004352",
    "year": 2003,
    "make": "Honda",
    "model": "Accord",
    "trim": "EX",
    "body_type": "sedan",
    "engine": "3.0 V6",
    "transmission": "automatic",
    "drivetrain": "fwd",
    "fuel_type": "gasoline",
    "exterior_color": "silver",
    "interior_color": "black",
    "mileage": 113400,
    "odometer_status": "actual",
    "condition": "runs_drives",
    "title_type": "clean",
    "title_state": "NY",
    "has_keys": True,
    "shares_history": True,
    "description": "One owner, always in a garage.",
    "starting_price": "1000.00",
    "reserve_price": "2500.00",
    "buy_now_price": "4000.00",
    "currency": "USD",
    "location_address": "4 Railway Street",
    "location_city": "Albany",
    "location_state": "NY",
    "location_zip": "12207",
    "latitude": "42.652600",
    "longitude": "-73.756200",
}
OWN = {
    "id": 31,
    "status": "draft",
    "seller": {"id": 7, "business_name": None, "is_dealer": False},
    "vehicle": 12,
    **ACCORD,
    "images": [],
    "auction": None,
    "submitted_at": None,
    "published_at": None,
    "created_at": "2025-03-01T09:30:00Z",
}
HISTORY = [{"kind": "registered", "at": "2025-02-27T18:02:11Z", "summary": "Registered in the garage."}]
SHOWN = {name: value for name, value in OWN.items() if name not in ("vehicle", "reserve_price", "submitted_at")} | {
    "status": "in_auction",
    "auction": {
        "id": 9,
        "status": "live",
        "ends_at": "2025-03-08T18:00:00Z",
        "price": "1200.00",
        "bid_count": 3,
        "reserve_status": "not_met",
        "buy_now": "4000.00",
    },
    "published_at": "2025-03-01T12:00:00Z",
}

PAST = shown(
    "what everybody may know",
    {
        "number": "VH-31-3F9A0C1E",
        **SEAL,
        "listing": {name: SHOWN[name] for name in HistoryListingSerializer.Meta.fields},
        "vin_decode": VIN_DECODE,
        "sale_price": None,
        "shared": True,
        "history": PUBLIC,
    },
)


def _own(status: str, **more: Any) -> OpenApiExample:
    return shown(status, OWN | {"status": status, "service_history": HISTORY} | more)


BODY = sent("a vehicle", ACCORD)
REPLACEMENT = sent("the listing", {name: value for name, value in ACCORD.items() if name != "vin"})
CREATED = _own("draft", vin_decode={"source": "vininfo", "verified": False})
ROW = shown("a listing", SHOWN)
DETAIL = shown("a listing", SHOWN | {"service_history": HISTORY})
DRAFT = _own("draft")
SUBMITTED = "2025-03-01T11:00:00Z"
PENDING = _own("pending_review", submitted_at=SUBMITTED)
ACTIVE = _own("active", submitted_at=SUBMITTED, published_at="2025-03-01T12:00:00Z")
EVENT = shown(
    "an approval",
    {
        "id": 88,
        "kind": "status",
        "old": "pending_review",
        "new": "active",
        "reason": "",
        "actor": 3,
        "at": "2025-03-01T12:00:00Z",
    },
)
FACETS = shown(
    "what there is",
    {
        "count": 3,
        "make": [{"value": "honda", "name": "Honda", "count": 2}, {"value": "kia", "name": "Kia", "count": 1}],
        "body_type": [{"value": "sedan", "count": 3}],
        "title_type": [{"value": "clean", "count": 2}, {"value": "salvage", "count": 1}],
        "price": [{"from": "0", "to": "5000", "count": 3}, {"from": "5000", "to": None, "count": 0}],
    },
)
REASON = sent("why", {"reason": "The photos show another vehicle."})
MOVES = "Another status is 409 `invalid_transition` with `from`, `to` and `allowed` in `meta`."
RULES = (
    "A draft, or one with changes requested, may change in everything but its VIN. On the marketplace: the "
    "description, `buy_now_price` (down only, 409 `buy_now_only_down`) and `reserve_price` (down, or null; 409 "
    "`reserve_only_down`); in an auction the description. Everything else is 409 `listing_locked` with the refused "
    "`fields` and those `allowed` in `meta`. Prices that contradict each other are 422 `reserve_below_start`, "
    "`buy_now_below_start` or `buy_now_not_above_reserve`."
)


def decoding_first(method: Callable[..., Response]) -> Callable[..., Response]:
    """Reads the VIN before `@idempotent` opens its transaction: a provider outside may take five seconds."""

    @wraps(method)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = view.validated(ListingCreateSerializer)
        reason = data.get("vin_exempt_reason", "")
        view.decoded = decode_vin(vin=data["vin"], exempt_reason=reason, now=clock.now())
        return method(view, request, *args, **kwargs)

    return wrapper


@extend_schema_view(
    list=extend_schema(
        summary="Search the marketplace",
        description="Listings that are active or in an auction, newest first unless ordered otherwise. `state` is that "
        "of the place. What a listing's seller keeps secret no filter and no order can find out.",
        examples=[ROW],
    ),
    retrieve=extend_schema(
        summary="Read a listing",
        description="What is or was for sale is public. Drafts and the like are for their seller and staff; to them "
        "alone the answer has `vehicle`, `reserve_price` and `submitted_at`. `service_history` is null unless the "
        "seller shares it.",
        examples=[DETAIL],
    ),
    create=extend_schema(
        summary="Draft a listing",
        description="By its VIN, which is checked (422 `invalid_vin` with the findings) and decoded: blank fields are "
        "filled in, and a provider that is down is no hindrance. The vehicle is the one in the caller's garage, else "
        "it is registered there. 409 `vin_in_use`: it is somebody else's; 409 `vehicle_listed`: there is a listing of "
        "it already. One without an owner becomes the caller's on approval. 403 `email_not_verified`. Chassis numbers "
        "from before 1981 and other short ones are admitted with a `vin_exempt_reason`. 422 for a currency other than "
        "the deployment's, for years to come, and for prices that contradict each other.",
        responses={201: ListingCreatedSerializer},
        examples=[BODY, CREATED],
    ),
    update=extend_schema(
        summary="Replace a listing",
        description=f"Members that are left out stay. {RULES}",
        examples=[REPLACEMENT, DRAFT],
    ),
    partial_update=extend_schema(
        summary="Change a listing",
        description=RULES,
        examples=[sent("a lower reserve", {"reserve_price": "2000.00"}), DRAFT],
    ),
    destroy=extend_schema(
        summary="Remove a listing",
        description="A draft that never was on the marketplace is gone; others are archived. 409 `invalid_transition` "
        "when it is sold, in an auction, or archived already.",
    ),
)
class ListingViewSet(
    FileActions, PDFMixin, FastListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet
):
    """Vehicles for sale."""

    queryset = Listing.objects.all()
    serializer_class = ListingDetailSerializer
    filterset_class = ListingFilter
    audience = (VIEW_LISTING,)
    throttle_scopes = {"history_pdf": "documents"}
    replica_reads = frozenset({"list", "retrieve"})
    action_serializers = {
        "list": ListingSerializer,
        "retrieve": ListingDetailSerializer,
        "create": ListingCreateSerializer,
        "update": ListingChangeSerializer,
    }
    action_permissions = {
        **getattr(FileActions, "action_permissions", {}),
        "list": [Public],
        "retrieve": [Public],
        "facets": [Public],
        "history": [Public],
        "history_pdf": [Public],
        "create": [SignedIn, EmailVerified],
        "update": [SignedIn, Seller],
        "destroy": [SignedIn, Seller],
        "submit": [SignedIn, Seller],
        "withdraw": [SignedIn, SellerOr.of(MODERATE)],
        "archive": [SignedIn, SellerOr.of(MODERATE)],
        "relist": [SignedIn, SellerOr.of(MODERATE)],
        "approve": [HasPerm.of(MODERATE)],
        "reject": [HasPerm.of(MODERATE)],
        "request_changes": [HasPerm.of(MODERATE)],
        "suspend": [HasPerm.of(MODERATE)],
        "unsuspend": [HasPerm.of(MODERATE)],
        "queue": [HasPerm.of(MODERATE)],
        "events": [SignedIn, SellerOr.of(VIEW_LISTING)],
    }
    decoded: VinAnswer

    def get_queryset(self) -> QuerySet[Listing]:
        shown = Listing.objects.public() if self.action == "list" else Listing.objects.visible_to(self.caller)
        if self.action in ("history", "history_pdf"):
            return shown.select_related("vehicle")
        return shown.select_related("seller__seller_profile", "auction", "vehicle").prefetch_related("images")

    @decoding_first
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.validated(ListingCreateSerializer)
        listing = listings.create_listing(seller=self.caller, data=data, decoded=self.decoded, now=clock.now())
        shown = self.represent(listing, ListingDetailSerializer)
        headers = {**self.location_of(listing), "ETag": etag_of(shown)}
        source = self.represent(self.decoded, VinSourceSerializer)
        return Response({**shown, "vin_decode": source}, status=201, headers=headers)

    def perform_update(self, instance: Listing, data: dict[str, Any]) -> Listing:
        return listings.update_listing(listing=instance, actor=self.caller, data=data, now=clock.now())

    def perform_destroy(self, instance: Listing) -> None:
        listings.remove_listing(listing=instance, actor=self.caller, now=clock.now())

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="Submit a listing for review",
        description="422 names everything that is missing at once, each with its `attr` and the code `missing`: year, "
        "make, model, mileage, starting price, city and state of the place, title, and a photo that is ready. A "
        f"deployment may let listings on the marketplace without a review. {MOVES}",
        examples=[PENDING],
    )
    @idempotent
    def submit(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(listings.submit_listing(listing=listing, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="Withdraw a listing from its review",
        description=f"It is a draft again. {MOVES}",
        examples=[DRAFT],
    )
    @idempotent
    def withdraw(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(listings.withdraw_listing(listing=listing, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="Archive a listing",
        description=f"Off the marketplace, to be kept. A suspended one is archived by moderators only. {MOVES}",
        examples=[_own("archived")],
    )
    @idempotent
    def archive(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(listings.archive_listing(listing=listing, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="List an archived vehicle again",
        description="It is a draft again. 409 `vehicle_listed` when there is another listing of the vehicle, "
        f"`vin_in_use` when it is somebody else's by now, `vehicle_archived` when it left the garage. {MOVES}",
        examples=[DRAFT],
    )
    @idempotent
    def relist(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(listings.relist_listing(listing=listing, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="Approve a listing",
        description="By moderators: it goes on the marketplace, and its seller is told. A vehicle without an owner "
        f"becomes the seller's; 409 `vin_in_use` or `vehicle_archived` when that is not possible any more. {MOVES}",
        examples=[ACTIVE],
    )
    @idempotent
    def approve(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(moderation.approve_listing(listing=listing, actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        request=ListingReasonSerializer,
        response=ListingDetailSerializer,
        summary="Reject a listing",
        description=f"By moderators, with a reason that its seller is told. {MOVES}",
        examples=[REASON, _own("rejected")],
    )
    @idempotent
    def reject(self, request: Request, pk: int) -> Response:
        listing, data = self.get_object(), self.validated(ListingReasonSerializer)
        return self.answer(moderation.reject_listing(listing=listing, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        request=ListingReasonSerializer,
        response=ListingDetailSerializer,
        url_path="request-changes",
        summary="Request changes of a listing",
        description=f"By moderators, with a reason that its seller is told; it may be submitted again. {MOVES}",
        examples=[REASON, _own("changes_requested")],
    )
    @idempotent
    def request_changes(self, request: Request, pk: int) -> Response:
        listing, data = self.get_object(), self.validated(ListingReasonSerializer)
        return self.answer(moderation.request_changes(listing=listing, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        request=ListingSuspendSerializer,
        response=ListingDetailSerializer,
        summary="Suspend a listing",
        description="By moderators: off the marketplace; an open auction is cancelled. 409 `auction_ended` when the "
        f"auction's end has come and its result is about to be written. {MOVES}",
        examples=[REASON, _own("suspended")],
    )
    @idempotent
    def suspend(self, request: Request, pk: int) -> Response:
        listing, data = self.get_object(), self.validated(ListingSuspendSerializer)
        return self.answer(moderation.suspend_listing(listing=listing, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=ListingDetailSerializer,
        summary="Lift a listing's suspension",
        description=f"By moderators: it is active again. {MOVES}",
        examples=[ACTIVE],
    )
    @idempotent
    def unsuspend(self, request: Request, pk: int) -> Response:
        listing = self.get_object()
        return self.answer(moderation.unsuspend_listing(listing=listing, actor=self.caller, now=clock.now()))

    @reading(
        detail=False,
        response=FacetsSerializer,
        query=FacetFilter,
        schema={
            "summary": "Count the marketplace",
            "description": "By make, body, title and price, for the same filters as the list. Cached for up to a "
            "minute, so bids may show late in the prices.",
            "examples": [FACETS],
        },
    )
    def facets(self, request: Request) -> Response:
        values = self.query()

        def produce() -> Any:
            found = FacetFilter().apply(Listing.objects.public(), values)
            return self.represent(count_facets(found), FacetsSerializer)

        return conditional(request, caches.facets.get_or_set((sorted(values.items()),), produce))

    @reading(
        detail=False,
        response=ListingSerializer(many=True),
        filterset_class=OwnListingFilter,
        schema={
            "summary": "List one's own listings",
            "description": "In every status, newest first.",
            "examples": [shown("one's own", OWN)],
        },
    )
    def mine(self, request: Request) -> Response:
        return self.listing(self.get_queryset().filter(seller=self.caller), ListingSerializer)

    @reading(
        detail=False,
        response=ListingSerializer(many=True),
        schema={
            "summary": "List what waits for review",
            "description": "For moderators, the longest waiting first.",
            "examples": [shown("submitted", OWN | {"status": "pending_review", "submitted_at": SUBMITTED})],
        },
    )
    def queue(self, request: Request) -> Response:
        waiting = self.get_queryset().filter(status=Listing.Status.PENDING_REVIEW).order_by("submitted_at")
        return self.listing(waiting, ListingSerializer)

    @reading(
        detail=True,
        response=ListingEventSerializer(many=True),
        pagination_class=CursorPagination,
        schema={
            "summary": "Read a listing's history",
            "description": "For its seller and staff; newest first.",
            "examples": [EVENT],
        },
    )
    def events(self, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().events.all(), ListingEventSerializer)

    @reading(
        detail=True,
        response=ListingPublicHistorySerializer,
        schema={
            "summary": "Read the public history of a listed vehicle",
            "description": "As public as the listing, and the same for everybody: what the seller states, what the VIN "
            "says, and, when the seller shares it, the public part of the vehicle's history with a verdict on its "
            "odometer. No names, plates, places or private notes; the price only of an auction.",
            "examples": [PAST],
        },
    )
    def history(self, request: Request, pk: int) -> Response:
        return conditional(request, self._history()[1])

    @pdf_action(
        url_path="history.pdf",
        summary="Download the public history of a listed vehicle as PDF",
        description="With a chart of the odometer and the address at which it can be checked. Number and fingerprint "
        "are those of the JSON.",
    )
    def history_pdf(self, request: Request, pk: int) -> HttpResponse:
        history, data = self._history()
        address = reverse("listing-history", kwargs={"pk": pk}, request=request)
        seal = {"number": data["number"], "fingerprint": data["fingerprint"], "address": address}
        return self.rendered(request, data["number"], etag_of(data), lambda: pdf.public_history_pdf(history, **seal))

    def _history(self) -> tuple[PublicHistory, dict[str, Any]]:
        history = read_history(listing=self.get_object(), now=clock.now())
        return history, self.represent(history, ListingPublicHistorySerializer)
