"""The page on which people follow an auction and bid: `/auctions/{id}/live`, outside of the schema. It is whole without
scripts; with them it lives on the stream and the API, like any other client."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import View
from rest_framework.request import Request

from auctions import bidding
from auctions.models import Auction, AuctionBidder, AuctionEvent, Listing, ListingImage
from auctions.models.auctions import OPEN
from auctions.services import images
from common import clock
from common.throttling import GeneralThrottle
from common.uploads import store

SHOWN_BIDS = 20
TEMPLATE = "auctions/live.html"
_CONDITIONS = {
    "runs_drives": "runs and drives",
    "starts_not_drive": "starts, does not drive",
    "does_not_start": "does not start",
    "parts_only": "for parts only",
}
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self' {place}"
)


class LivePage(View):
    """Public; whoever is signed in by session can bid here."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        throttle, asked = GeneralThrottle(), Request(request)
        # Else it looks for one by itself, and the page takes whoever has a session for nobody.
        asked.user = request.user
        if not throttle.allow_request(asked, cast("Any", self)):
            wait = str(round(throttle.wait() or 1))
            return _page(request, {"problem": "busy"}, status=429, headers={"Retry-After": wait})
        auction = _auctions(request).filter(pk=pk).first()
        if auction is None:
            return _page(request, {"problem": "not_found"}, status=404)
        photo = _photo_of(auction.listing)
        return _page(request, _context(request, auction) | {"photo": photo}, status=200, headers=_headers(photo))


def _auctions(request: HttpRequest) -> Any:
    ready = ListingImage.objects.filter(status=ListingImage.Status.READY).order_by("-is_primary", "position")
    photos = Prefetch("listing__images", queryset=ready, to_attr="ready_images")
    return Auction.objects.visible_to(request.user).select_related("listing").prefetch_related(photos)


def _context(request: HttpRequest, auction: Auction) -> dict[str, Any]:
    user, now = request.user, clock.now()
    own = AuctionBidder.objects.filter(auction=auction, user_id=user.pk).first() if user.is_authenticated else None
    bids = AuctionEvent.objects.filter(auction=auction, kind=AuctionEvent.Kind.BID, is_voided=False)
    buy_now = auction.buy_now_price if bidding.is_buy_now_open(auction.state(), auction.terms()) else None
    return {
        "auction": auction,
        "listing": auction.listing,
        "title": str(auction.listing),
        "condition": _CONDITIONS.get(auction.listing.condition, ""),
        "bids": bids.order_by("-bid_seq")[:SHOWN_BIDS],
        "own": own,
        "leads": own is not None and own.user_id == auction.leader_id,
        "is_seller": auction.seller_id == user.pk,
        "is_over": auction.status not in OPEN,
        "buy_now": buy_now,
        "now": now,
    }


def _photo_of(listing: Listing) -> str:
    """The address of the photo that is shown first, "" without one. Of a bucket's file its own address: what a page may
    load is judged after a redirect."""
    first = next(iter(listing.ready_images), None)  # type: ignore[attr-defined]
    if first is None:
        return ""
    if store().is_local:
        return f"/api/vehicles/{listing.pk}/images/{first.pk}/file?size=large"
    return images.file_of(image=first, size="large", now=clock.now()).url


def _headers(photo: str) -> dict[str, str]:
    place = urlsplit(photo)
    return {"Content-Security-Policy": _POLICY.format(place=f"{place.scheme}://{place.netloc}")} if place.netloc else {}


def _page(
    request: HttpRequest, context: dict[str, Any], *, status: int, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(render_to_string(TEMPLATE, context, request), status=status, headers=headers or {})
