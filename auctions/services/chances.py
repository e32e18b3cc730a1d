"""What is offered when an auction did not end in money: the highest bid to a seller whose reserve it missed, and a
lost sale to the next bidder.

Lock order: the listing, then the auction or the order.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, Subquery

from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Bid, Listing, Offer, Order
from auctions.services.closing import lock_with_listing
from auctions.services.offers import end_negotiation, move_negotiation, pending_of, put_forward, supersede_pending
from auctions.services.settling import lock_order
from auctions.services.states import lock_listing
from common.sweeps import SweepResult, sweep_ids

LOST = [Order.Status.DEFAULTED, Order.Status.CANCELLED]


def make_offers(*, now: datetime) -> SweepResult:
    """Both kinds, each in a transaction of its own."""
    missed = sweep_ids(Auction.objects.filter(status=Auction.Status.RESERVE_NOT_MET), partial(_negotiate, now=now))
    lost = sweep_ids(
        Order.objects.filter(status__in=LOST, auction__isnull=False, chances_ended_at=None),
        partial(_ask_next_bidder, now=now),
    )
    return SweepResult(missed.done + lost.done, missed.failed + lost.failed)


# --- A reserve that was missed


@transaction.atomic
def _negotiate(auction_id: int, *, now: datetime) -> bool:
    """The highest bid becomes an offer that binds its bidder. Where there is nobody to sell to, or nothing to sell any
    more, the auction is over."""
    listing, auction = lock_with_listing(auction_id)
    if auction.status != Auction.Status.RESERVE_NOT_MET:
        return False
    move_negotiation(auction, Auction.Status.NEGOTIATING)
    supersede_pending(listing, actor=None, now=now)
    bidder, price = auction.leader, auction.price
    if bidder is None or price is None or not bidder.is_active or listing.status != Listing.Status.IN_AUCTION:
        end_negotiation(auction, listing, actor=None, now=now)
        return True
    offer = Offer(
        kind=Offer.Kind.IF_BID,
        listing=listing,
        auction=auction,
        buyer=bidder,
        seller_id=auction.seller_id,
        made_by=Offer.Party.BUYER,
        amount=price,
        currency=auction.currency,
    )
    put_forward(offer, actor=None, now=now)
    return True


# --- A sale that was lost


@transaction.atomic
def _ask_next_bidder(order_id: int, *, now: datetime) -> bool:
    """One bidder at a time is asked, by rank. It ends when the listing went another way, or nobody is left."""
    listing = lock_listing(Order.objects.values_list("listing_id", flat=True).get(pk=order_id))
    order = lock_order(order_id)
    if order.status not in LOST or order.chances_ended_at is not None:
        return False
    pending = pending_of(listing)
    if pending.filter(kind=Offer.Kind.SECOND_CHANCE).exists():
        return False
    bidder = _next_bidder(order) if listing.status == Listing.Status.ACTIVE else None
    if bidder is None:
        order.chances_ended_at = now
        order.save(update_fields=["chances_ended_at", "updated_at"])
        return True
    if pending.filter(buyer=bidder.user).exists():
        return False  # They negotiate already; what comes of it decides.
    price = _price_for(bidder)
    offer = Offer(
        kind=Offer.Kind.SECOND_CHANCE,
        listing=listing,
        auction=order.auction,
        buyer=bidder.user,
        seller_id=order.seller_id,
        made_by=_proposer_of(order, price),
        amount=price,
        currency=order.currency,
    )
    put_forward(offer, actor=None, now=now)
    return True


def _proposer_of(order: Order, price: Decimal) -> Offer.Party:
    """From the reserve on the seller's word stands, so the bidder decides. Below it the seller never gave one: it is
    the bidder's proposal, as the highest bid is where the reserve was missed, and the seller's to decide on."""
    reserve = order.auction.reserve_price if order.auction else None
    return Offer.Party.BUYER if reserve is not None and price < reserve else Offer.Party.SELLER


def _next_bidder(order: Order) -> AuctionBidder | None:
    """Of those whose word stands and who were not asked before: the highest maximum, of equal ones the first."""
    asked = Offer.objects.filter(auction=order.auction, kind=Offer.Kind.SECOND_CHANCE)
    bought = Order.objects.filter(auction=order.auction)
    own = Bid.objects.filter(auction=OuterRef("auction"), bidder=OuterRef("user"), amount=OuterRef("maximum"))
    first = own.filter(voided_by=None).order_by("seq").values("seq")[:1]
    return (
        AuctionBidder.objects.filter(auction=order.auction, maximum__isnull=False, user__is_active=True)
        .exclude(user__in=asked.values("buyer"))
        .exclude(user__in=bought.values("buyer"))
        .exclude(user=order.seller_id)
        .select_related("user")
        .order_by("-maximum", Subquery(first))
        .first()
    )


def _price_for(bidder: AuctionBidder) -> Decimal:
    """The price that this bidder's last public bid made, and never more than the bidder said. A maximum without one
    (what was public was taken back) stands for itself."""
    shown = AuctionEvent.objects.filter(auction=bidder.auction_id, kind=AuctionEvent.Kind.BID, is_voided=False)
    own = shown.filter(entry__in=AuctionLogEntry.objects.filter(auction=bidder.auction_id, bidder=bidder.user_id))
    prices = [bidder.maximum, own.order_by("-seq").values_list("price", flat=True).first()]
    return min(price for price in prices if price is not None)
