"""How an auction ends: at its end by the clock (R12) or bought at once (R13). Either way its order, the listing's next
status and the public event are written in the transaction that ends it.

Lock order: the listing, then the auction. Whoever only knows the auction reads its listing's id first, which never
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction

from auctions import bidding
from auctions.metrics import CLOSE_LAG
from auctions.models import Auction, AuctionEvent, AuctionLogEntry, Listing, Order
from auctions.services.sales import make_order
from auctions.services.states import Change, lock_auction, lock_listing, move_listing, open_auction
from common.clock import lock_clock
from common.errors import NotFound
from common.sweeps import SweepResult, sweep, sweep_ids


def lock_with_listing(auction_id: int) -> tuple[Listing, Auction]:
    """Both rows, in the order of locks. Raises NotFound."""
    listing_id = Auction.objects.filter(pk=auction_id).values_list("listing_id", flat=True).first()
    if listing_id is None:
        raise NotFound
    return lock_listing(listing_id), lock_auction(auction_id)


@transaction.atomic
def close_auction(*, auction_id: int, clock: Callable[[], datetime] = lock_clock) -> Auction:
    """End an auction whose end has come: sold, reserve_not_met or no_bids (R12). Before the end, and when it has ended
    already, nothing happens, so it may come late or twice. Raises NotFound."""
    listing, auction = lock_with_listing(auction_id)
    now = clock()
    state = bidding.close(auction.state(), now=now)
    if state.status == auction.status:
        return auction
    lag_s = (now - auction.ends_at).total_seconds()
    change = Change(auction, at=now)
    change.take(state, leader_number=auction.leader_number)
    change.auction.closed_at = now
    change.log(AuctionLogEntry.Kind.CLOSED)
    _announce_end(change)
    if auction.status == Auction.Status.SOLD:
        _sell(auction, listing, now=now)
    elif auction.status == Auction.Status.NO_BIDS:
        move_listing(listing, Listing.Status.ACTIVE, actor=None, now=now, reason="No bids.")
    transaction.on_commit(partial(CLOSE_LAG.observe, lag_s))
    return auction


def open_due(*, now: datetime) -> SweepResult:
    """Open the scheduled auctions whose start has come, and which no bid has opened yet."""
    return sweep(Auction.objects.due_to_open(now), _open, now=now)


def close_due(*, now: datetime, clock: Callable[[], datetime] = lock_clock) -> SweepResult:
    """Close the auctions whose end has come, each in a transaction of its own. The listing's lock comes first, so the
    rows are not locked when they are found; who comes late finds that nothing is due."""
    return sweep_ids(Auction.objects.due_to_close(now), partial(_is_closed_by, clock=clock))


def finish_bought(*, change: Change, listing: Listing) -> Order:
    """The end of an auction that was bought at once (R13), for the caller that holds both locks, has taken
    `bidding.buy_now`'s state and has logged `buy_now`. Writes the change. Raises InvalidTransition."""
    change.auction.closed_at = change.at
    _announce_end(change)
    return _sell(change.auction, listing, now=change.at)


def _open(auction: Auction, *, now: datetime) -> None:
    open_auction(auction, at=now)


def _is_closed_by(auction_id: int, *, clock: Callable[[], datetime]) -> bool:
    return close_auction(auction_id=auction_id, clock=clock).closed_at is not None


def _announce_end(change: Change) -> None:
    change.announce(AuctionEvent.Kind.CLOSED)
    change.write()


def _sell(auction: Auction, listing: Listing, *, now: datetime) -> Order:
    """To whoever leads, at the price and on the fees that the auction took over when it went live."""
    if auction.leader_id is None or auction.price is None or auction.fee_schedule is None:
        raise RuntimeError("An auction without a leader has nobody to sell to.")
    return make_order(
        listing=listing,
        auction=auction,
        buyer_id=auction.leader_id,
        price=auction.price,
        fee_schedule=auction.fee_schedule,
        now=now,
    )
