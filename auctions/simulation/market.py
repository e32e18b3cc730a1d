"""The market that a simulation needs, made directly in the database, and the check afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from accounts.tokens import issue_tokens
from auctions.models import Auction, Bid, Listing, Order
from auctions.models.auctions import OPEN
from auctions.models.orders import UNPAID_ORDER
from auctions.services.audit import audit_auction
from auctions.services.closing import close_auction
from auctions.services.states import lock_auction, move_listing, open_auction
from auctions.simulation.load import Bidder, Lot, Tally
from cars.models import Vehicle
from common import clock

START, STEP = Decimal(1000), Decimal(100)
RESERVE, BUY_NOW = Decimal(8000), Decimal(12_000)
LIMITS = (None, None, Decimal(250_000), Decimal(20_000))  # By turns.
GRACE_S = 60.0  # For the closer of the schedule, before the simulation closes by itself.
MARK = "Simulation"


def make_bidders(number: int, *, run: str) -> list[Bidder]:
    """People who may bid, under addresses that lead nowhere; some with a limit."""
    bidders = []
    for place in range(number):
        user = _make_person(f"bidder-{place:03}", run, bid_limit=LIMITS[place % len(LIMITS)])
        bidders.append(Bidder(user.pk, issue_tokens(user=user, now=clock.now()).access))
    return bidders


def _make_person(name: str, run: str, *, bid_limit: Decimal | None = None) -> User:
    now = clock.now()
    return User.objects.create_user(
        email=f"{name}-{run}@simulation.invalid",
        first_name=name,
        last_name=MARK,
        email_verified_at=now,
        identity_verified_at=now,
        payment_provider="sandbox",
        payment_reference=f"pm_{name}",
        payment_last4="4242",
        bid_limit=bid_limit,
    )


def make_lots(number: int, *, run: str, duration: timedelta, buy_now: bool, rng: random.Random) -> list[Lot]:
    """Live auctions of one seller, marked as what they are. Every second one has a reserve, and all that can be bought
    at once: so that it stays possible amid bids."""
    seller = _make_person("seller", run)
    lots = []
    for _ in range(number):
        reserve = RESERVE if buy_now or rng.random() < 0.5 else None
        auction = _make_auction(seller, duration=duration, reserve=reserve, buy_now=BUY_NOW if buy_now else None)
        lots.append(Lot(auction.pk, START, STEP, buy_now))
    return lots


@transaction.atomic
def _make_auction(seller: User, *, duration: timedelta, reserve: Decimal | None, buy_now: Decimal | None) -> Auction:
    now = clock.now()
    words = {"year": 2020, "make": MARK, "model": "Test lot"}
    vehicle = Vehicle.objects.create(owner=seller, vin_exempt_reason=MARK, **words)
    listing = Listing.objects.create(
        seller=seller, vehicle=vehicle, status=Listing.Status.ACTIVE, mileage=1, published_at=now, matched_at=now,
        currency="USD", starting_price=START, description="Made by simulate_auction. Not for sale.", **words,
    )  # fmt: skip
    auction = Auction.objects.create(
        listing=listing, seller=seller, created_by=seller, currency="USD", starts_at=now, ends_at=now + duration,
        original_ends_at=now + duration, soft_close_window_s=2, soft_close_extension_s=2, max_extensions=5,
        starting_price=START, reserve_price=reserve, original_reserve_price=reserve, buy_now_price=buy_now,
    )  # fmt: skip
    move_listing(listing, Listing.Status.IN_AUCTION, actor=seller, now=now, reason=MARK, auction=auction)
    open_auction(lock_auction(auction.pk), at=now)
    return auction


def await_ends(lots: Sequence[Lot]) -> int:
    """Until all are closed: by the schedule, or by us when it is late. Answers how many were left to us."""
    ids = [lot.auction_id for lot in lots]
    ours = 0
    while rows := list(Auction.objects.filter(pk__in=ids, status__in=OPEN).values_list("pk", "ends_at")):
        now = clock.now()
        for pk, ends_at in rows:
            if now > ends_at + timedelta(seconds=GRACE_S):
                close_auction(auction_id=pk)
                ours += 1
        time.sleep(0.5)
    return ours


def violations(lots: Sequence[Lot], bidders: Sequence[Bidder], tally: Tally) -> Iterator[str]:
    """Everything that must not be."""
    for status, times in tally.server_errors.items():
        yield f"{times} answers were {status}"
    for text, times in tally.unexpected.items():
        yield f"{times} answers were {text}"
    for lot in lots:
        yield from _in_auction(lot, tally)
    yield from _over_limit(bidders)


def _in_auction(lot: Lot, tally: Tally) -> Iterator[str]:
    name = f"auction {lot.auction_id}"
    for problem in audit_auction(lot.auction_id).problems:
        yield f"{name}: {problem.code} {problem.field} (row {problem.seq})"
    auction = Auction.objects.get(pk=lot.auction_id)
    stored = {
        bid.pk: (bid.bidder_id, bid.amount) for bid in Bid.objects.filter(auction=auction).only("bidder_id", "amount")
    }
    said = {bid.bid: (bid.user_id, bid.amount) for bid in tally.accepted if bid.auction_id == lot.auction_id}
    lost = [pk for pk, what in said.items() if stored.get(pk) != what]
    if lost:
        yield f"{name}: {len(lost)} accepted bids are not in the log"
    if len(stored) - len(said) > tally.unanswered:
        yield f"{name}: {len(stored) - len(said)} bids are in the log whose bidder was not told"
    yield from _outcome(name, auction, [buyer for auction_id, buyer in tally.bought if auction_id == auction.pk])


def _outcome(name: str, auction: Auction, bought: list[int]) -> Iterator[str]:
    """One winner or none, and the order at the price."""
    orders = list(Order.objects.filter(auction=auction))
    wanted = 1 if auction.status in ("sold", "bought_now") else 0
    if auction.status in OPEN:
        yield f"{name} is still {auction.status}"
    if len(orders) != wanted:
        yield f"{name}: {auction.status} with {len(orders)} orders"
    for order in orders:
        if (order.buyer_id, order.hammer_price) != (auction.leader_id, auction.price):
            yield f"{name}: its order is not what the auction says"
    if len(bought) > 1 or (bought and bought != [auction.leader_id]):
        yield f"{name}: {len(bought)} were told that they had bought it"


def _over_limit(bidders: Sequence[Bidder]) -> Iterator[str]:
    """Limits hold at every acceptance; without voids nothing can lift an exposure afterwards."""
    limits = dict(
        User.objects.filter(pk__in=[bidder.user_id for bidder in bidders], bid_limit__isnull=False).values_list(
            "pk", "bid_limit"
        )
    )
    unpaid = Order.objects.filter(buyer_id__in=limits, status__in=UNPAID_ORDER).order_by()
    for buyer, total in unpaid.values("buyer_id").annotate(total=Sum("hammer_price")).values_list("buyer_id", "total"):
        if total > (limits[buyer] or 0):
            yield f"bidder {buyer} is bound beyond the limit"
