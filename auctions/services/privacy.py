"""A person's right to a copy of what they sold, bid and bought, and to be forgotten.

Lock order: the user, whom the caller has locked, then the listings that are theirs or that they have offers for, by
their ids. A bid and an offer lock their buyer's row first and an own listing comes on the marketplace under its
seller's, so nothing new begins meanwhile.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import User
from auctions.models import Auction, AuctionBidder, AuctionLogEntry, Listing, Order, SavedSearch, Watch
from auctions.models.auctions import OPEN
from auctions.services import settlement_privacy
from auctions.services.files import forget_files
from auctions.services.listings import remove_listing
from auctions.services.states import lock_listing, move_listing
from common.errors import Conflict

UNDECIDED = [*OPEN, "reserve_not_met", "negotiating"]  # Who leads, or sells, there may still be bound by it.
_STATEMENTS = (
    "id", "status", "vin", "year", "make", "model", "trim", "mileage", "condition", "title_type", "description",
    "starting_price", "reserve_price", "buy_now_price", "currency", "location_address", "location_city",
    "location_state", "location_zip", "latitude", "longitude", "submitted_at", "published_at", "created_at",
)  # fmt: skip
# What an archived listing still says of where its seller is.
_PLACE: dict[str, Any] = {"location_address": "", "latitude": None, "longitude": None}
_GONE = ["archived", "rejected", "sold"]


class AuctionsOpen(Conflict):
    """The user leads them, or sells in them; `meta.auctions` lists them."""

    code = "auctions_open"
    detail = "You lead an open auction, or sell in one. Delete your account when it is over."


def export_auctions(user: User) -> dict[str, Any]:
    """What a person's data export says about auctions: the own reserve prices and maxima, and nobody else's."""
    own = AuctionLogEntry.objects.filter(bidder=user, kind__in=["bid", "buy_now"]).order_by("at", "id")
    watches = Watch.objects.filter(user=user).order_by("id")
    searches = SavedSearch.objects.filter(user=user).order_by("id")
    return {
        "listings": list(Listing.objects.filter(seller=user).order_by("id").values(*_STATEMENTS)),
        "bids": list(own.values("id", "kind", "auction", "amount", "alias", "at", currency=F("auction__currency"))),
        "offers": settlement_privacy.offers_of(user),
        "purchases": settlement_privacy.purchases_of(user),
        "sales": settlement_privacy.sales_of(user),
        "reasons": settlement_privacy.reasons_of(user),
        "watched": list(watches.values("auction", "created_at")),
        "saved_searches": list(searches.values("name", "filters", "cadence", "created_at")),
    }


def erase_auctions(user: User, *, now: datetime) -> bool:
    """Take a person, whose row is locked, out of the auctions. What they watched and searched for is deleted, as are
    drafts; other listings are archived and lose the address, text, photos and papers, and pending offers end. What was
    said and shown of a vehicle that was sold stays, for whoever bought it, and so do bids, offers and orders with their
    money, without messages and addresses: then the answer is True.

    Raises AuctionsOpen, OrdersOpen.
    """
    listings = [lock_listing(pk) for pk in _ids_of_listings(user)]
    _refuse_if_bound(user)
    settlement_privacy.refuse_if_unsettled(user)
    settlement_privacy.end_offers(user, now=now)
    for listing in listings:
        if listing.seller_id == user.pk:
            _take_down(listing, user, now=now)
    theirs = Listing.objects.filter(seller=user)
    theirs.update(**_PLACE)
    theirs.exclude(status=Listing.Status.SOLD).update(description="")
    _forget_pictures_and_papers(theirs)
    Watch.objects.filter(user=user).delete()
    list(SavedSearch.objects.select_for_update(no_key=True).filter(user=user).order_by("pk").values_list("pk"))
    SavedSearch.objects.filter(user=user).delete()
    settlement_privacy.forget_places(user)
    has_bid = AuctionBidder.objects.filter(user=user).exists()
    return theirs.exists() or has_bid or settlement_privacy.is_named(user)


def _ids_of_listings(user: User) -> list[int]:
    offered = settlement_privacy.pending_offers(user).order_by().values("listing_id")
    concerned = Listing.objects.filter(Q(seller=user) | Q(pk__in=offered))
    return list(concerned.order_by("pk").values_list("pk", flat=True))


def _take_down(listing: Listing, user: User, *, now: datetime) -> None:
    if listing.status == Listing.Status.SUSPENDED:
        move_listing(listing, Listing.Status.ARCHIVED, actor=None, now=now, reason="Account deleted.")
    elif listing.status not in _GONE:
        remove_listing(listing=listing, actor=user, now=now)


def _forget_pictures_and_papers(theirs: QuerySet[Listing]) -> None:
    """Of locked listings that nobody bought, or whose sale came to nothing. The rows of uploads are left to their
    sweep: a form that was given out may still be used, and of what it brings only its row knows."""
    bought = Order.objects.live().filter(listing=OuterRef("pk"))
    for listing in theirs.exclude(status=Listing.Status.SOLD).exclude(Exists(bought)):
        forget_files(listing)
        listing.documents.all().delete()
        listing.images.all().delete()


def _refuse_if_bound(user: User) -> None:
    """Raises AuctionsOpen."""
    bound = Auction.objects.filter(Q(leader=user) | Q(seller=user), status__in=UNDECIDED).order_by("pk")
    if ids := list(bound.values_list("pk", flat=True)):
        raise AuctionsOpen(meta={"auctions": ids})
