"""The proof of an auction: its log replayed from the first row on, and compared with everything that is stored.

Two steps. `read_facts` reads all rows of one moment (an auction that may still change is locked while it is read, not
while it is judged); `judge` is pure and answers what does not fit. Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from auctions import bidding, chain
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Offer, Order
from auctions.models.auctions import ENDED, alias
from auctions.services.replays import entry_of, opening_of, paused_for
from auctions.services.states import AUCTION_MOVES, lock_auction
from common.errors import Conflict

MOST_PROBLEMS = 100  # Of one auction: after a first one, the rest mostly repeats it.
_FINAL = frozenset(ENDED) - set(AUCTION_MOVES)  # Nothing writes to these any more.
# The event of a row where it has another name.
_TELLS = {"void": "bid_voided", "buy_now": "closed"}
# What is compared after the last row: the column, and the rules' name for it.
_STATE = (
    ("ends_at", "ends_at"), ("reserve_price", "reserve"), ("hard_end", "hard_end"), ("price", "price"),
    ("leader_id", "leader"), ("leader_max", "leader_max"), ("runner_up_max", "runner_up_max"),
    ("extensions", "extensions"), ("paused_at", "paused_at"),
)  # fmt: skip


class AuctionNotClosed(Conflict):
    """Before the end only staff may read the log."""

    code = "auction_not_closed"
    detail = "The log is published when the auction has ended."


class Problem(NamedTuple):
    """What does not fit: `seq` is that of the log's row (of the event for `event_...`), null for the auction as a
    whole; `field` says where. No values: those of secrets stay where they are."""

    code: str
    seq: int | None = None
    field: str = ""


class Facts(NamedTuple):
    """All that is stored about an auction, of one moment."""

    auction: Auction
    log: list[AuctionLogEntry]
    events: list[AuctionEvent]
    bidders: list[AuctionBidder]
    orders: list[Order]


@dataclass(slots=True)
class Audit:
    """The verdict. `head` is the hash of the log's last row; `log` are the rows that it speaks of."""

    head: str
    log: list[AuctionLogEntry]
    problems: list[Problem] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return not self.problems


def audit_auction(auction_id: int) -> Audit:
    """Raises NotFound."""
    return judge(read_facts(auction_id))


def audit_published(auction: Auction) -> Audit:
    """For everybody, once the auction has ended. Raises AuctionNotClosed, NotFound."""
    if auction.status not in ENDED:
        raise AuctionNotClosed(meta={"status": auction.status})
    return audit_auction(auction.pk)


def own_receipts(*, auction: Auction, bidder: User) -> QuerySet[AuctionLogEntry]:
    """The rows by which somebody committed to pay, whose salts are theirs."""
    kinds = (AuctionLogEntry.Kind.BID, AuctionLogEntry.Kind.BUY_NOW)
    return AuctionLogEntry.objects.filter(auction=auction, bidder=bidder, kind__in=kinds).order_by("at", "id")


def read_facts(auction_id: int) -> Facts:
    """Five queries, and a lock while they run if the auction can still change. Raises NotFound."""
    status = Auction.objects.filter(pk=auction_id).values_list("status", flat=True).first()
    if status in _FINAL:
        return _read(Auction.objects.get(pk=auction_id))
    with transaction.atomic():
        return _read(lock_auction(auction_id))


def _read(auction: Auction) -> Facts:
    own: dict[str, Any] = {"auction_id": auction.pk}
    return Facts(
        auction=auction,
        log=list(AuctionLogEntry.objects.filter(**own).order_by("seq")),
        events=list(AuctionEvent.objects.filter(**own).order_by("seq")),
        bidders=list(AuctionBidder.objects.filter(**own).order_by("number")),
        orders=list(Order.objects.filter(**own).select_related("offer").order_by("id")),
    )


def judge(facts: Facts) -> Audit:
    """Pure."""
    return _Judge(facts).audit()


class _Judge:
    """One run through the log, with what has to be known on the way."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.auction = facts, facts.auction
        self.problems: list[Problem] = []
        self.entries = [entry_of(row) for row in facts.log]
        self.terms = facts.auction.terms()
        self.replay = bidding.Replay(opening_of(facts.auction, paused_for=paused_for(self.entries)), self.terms)
        self.numbers = {bidder.user_id: bidder.number for bidder in facts.bidders}
        self.told: dict[Any, list[AuctionEvent]] = {}
        for event in facts.events:
            self.told.setdefault(event.entry_id, []).append(event)
        self.maxima: dict[int, list[tuple[Any, Decimal]]] = {}
        self.standing: dict[int, Decimal | None] = {}
        self.shown: set[Any] = set()  # Bids that had a public row.
        self.voided: set[Any] = set()
        self.counted = self.numbered = 0

    def audit(self) -> Audit:
        for number, (row, entry) in enumerate(zip(self.facts.log, self.entries, strict=True), start=1):
            if len(self.problems) >= MOST_PROBLEMS:
                break
            self._check(row.seq == number, "log_gap", row.seq)
            self._step(row, entry)
        else:
            self._check_chain()
            self._check_outcome()
            self._check_bidders()
            self._check_events()
            self._check_orders()
        return Audit(self.auction.log_hash, self.facts.log, self.problems)

    def _check(self, holds: bool, code: str, seq: int | None = None, name: str = "") -> None:
        if not holds:
            self.problems.append(Problem(code, seq, name))

    def _step(self, row: AuctionLogEntry, entry: bidding.Entry) -> None:
        before = self.replay.state
        self._check_allowed(row, entry, before)
        try:
            after = self.replay.apply(entry)
        except (StopIteration, TypeError, ArithmeticError):  # Terms or amounts that the rules cannot work with.
            self.problems.append(Problem("not_replayable", row.seq))
            return
        self._remember(entry)
        self._check(row.price == after.price, "price_differs", row.seq)
        self._check(row.leader_alias == self._alias_of(after.leader), "leader_differs", row.seq)
        self._check(row.ends_at == after.ends_at, "end_differs", row.seq)
        self._check(row.deadline == before.ends_at, "deadline_differs", row.seq)
        self._check(row.alias == self._alias_of(row.bidder_id), "alias_differs", row.seq)
        self._check_told(row, entry, before, after)

    def _alias_of(self, bidder: int | None) -> str:
        return "" if bidder is None else alias(self.numbers.get(bidder, 0))

    def _remember(self, entry: bidding.Entry) -> None:
        """Whose which maximum is, and the highest of each bidder's that stands."""
        if entry.kind in ("bid", "buy_now") and entry.bidder is not None and entry.amount is not None:
            self.maxima.setdefault(entry.bidder, []).append((entry.bid, entry.amount))
            self.standing[entry.bidder] = max(entry.amount, self.standing.get(entry.bidder) or entry.amount)
        elif entry.kind == "void" and entry.bidder is not None:
            self.voided.add(entry.bid)
            own = self.maxima.get(entry.bidder, ())
            self.standing[entry.bidder] = max((amount for bid, amount in own if bid not in self.voided), default=None)

    def _check_allowed(self, row: AuctionLogEntry, entry: bidding.Entry, before: bidding.State) -> None:
        """What was asked of the row when it was written, is asked again of the log as it was then."""
        try:
            if entry.kind == "bid" and entry.bidder is not None and entry.amount is not None:
                own = self.standing.get(entry.bidder)
                bidding.place(before, self.terms, bidder=entry.bidder, amount=entry.amount, own_max=own, now=entry.at)
            elif entry.kind == "buy_now" and entry.bidder is not None:
                bidding.buy_now(before, self.terms, bidder=entry.bidder, now=entry.at)
            elif entry.kind == "reserve":
                bidding.lower_reserve(before, entry.amount)
            elif entry.kind == "void":
                self._check(entry.bid in self.replay.places and entry.bid not in self.voided, "not_allowed", row.seq)
        except (bidding.Refused, StopIteration, TypeError):
            self.problems.append(Problem("not_allowed", row.seq))

    # --- Events -----------------------------------------------------------------------------------------------------

    def _check_told(
        self, row: AuctionLogEntry, entry: bidding.Entry, before: bidding.State, after: bidding.State
    ) -> None:
        """The row's events: none too many, none too few, each showing the state after the row."""
        events = self.told.get(row.pk, ())
        kinds = [event.kind for event in events]
        wanted = self._wanted(entry, before, after)
        self._check(sorted(kinds) == sorted(wanted), "event_missing_or_extra", row.seq)
        if "bid" in kinds:
            self.shown.add(entry.bid)
            self.counted += 1
            self.numbered += 1
        elif entry.kind == "void" and entry.bid in self.shown:
            self.counted -= 1
        for event in events:
            self._check_event(event, after)

    def _wanted(self, entry: bidding.Entry, before: bidding.State, after: bidding.State) -> set[str]:
        """The kinds of events that belong to a row. A silent raise, and its void, tell nothing."""
        changed = (before.price, before.leader) != (after.price, after.leader)
        wanted = set() if entry.kind == "reserve" else {_TELLS.get(entry.kind, entry.kind)}
        if entry.kind in ("bid", "void") and not changed and entry.bid not in self.shown:
            wanted = set()
        if entry.kind == "bid" and after.ends_at != before.ends_at:
            wanted.add("extended")
        old, new = bidding.reserve_status(before), bidding.reserve_status(after)
        if after.leader and old == "not_met" != new and entry.kind in ("bid", "reserve"):
            wanted.add("reserve_met")
        return wanted

    def _check_event(self, event: AuctionEvent, state: bidding.State) -> None:
        shown = {
            "status": event.status == state.status,
            "price": event.price == state.price,
            "leader_alias": event.leader_alias == self._alias_of(state.leader),
            "ends_at": event.ends_at == state.ends_at,
            "min_next": event.min_next == bidding.min_next(state, self.terms),
            "reserve_status": event.reserve_status == bidding.reserve_status(state),
            "bid_count": event.bid_count == self.counted,
            "bid_seq": event.kind != "bid" or event.bid_seq == self.numbered,
            "is_voided": not event.is_voided or event.kind == "bid",
        }
        for name, holds in shown.items():
            self._check(holds, "event_differs", event.seq, name)

    def _check_events(self) -> None:
        events = self.facts.events
        for number, event in enumerate(events, start=1):
            if event.seq != number:
                self.problems.append(Problem("event_gap", event.seq))
                break
        rows = {row.pk for row in self.facts.log}
        for event in events:
            self._check(event.entry_id in rows, "event_without_row", event.seq)
            if event.kind == "bid":
                self._check(event.is_voided == (event.entry_id in self.voided), "event_differs", event.seq, "is_voided")

    # --- Chain ------------------------------------------------------------------------------------------------------

    def _check_chain(self) -> None:
        previous = chain.GENESIS
        for row in self.facts.log:
            committed = chain.commitment_of(salt=row.salt, bidder=row.bidder_id, amount=row.amount, reason=row.reason)
            self._check(row.commitment == committed, "commitment_differs", row.seq)
            self._check(row.previous_hash == previous, "chain_broken", row.seq)
            self._check(row.hash == chain.hash_of(row), "hash_differs", row.seq)
            previous = row.hash
        self._check(self.auction.log_hash == previous, "head_differs")

    # --- What is stored now -----------------------------------------------------------------------------------------

    def _check_outcome(self) -> None:
        """The auction's row. After a close without a sale, what the parties settle between them is not the log's."""
        auction, state = self.auction, self.replay.state
        settled = AUCTION_MOVES["negotiating"] + AUCTION_MOVES["reserve_not_met"]
        later = state.status == "reserve_not_met" and auction.status in settled
        self._check(auction.status == state.status or later, "auction_differs", name="status")
        for column, name in _STATE:
            self._check(getattr(auction, column) == getattr(state, name), "auction_differs", name=column)
        number = None if state.leader is None else self.numbers.get(state.leader)
        counters = {
            "leader_number": number,
            "bid_count": self.counted,
            "bid_seq": self.numbered,
            "bidder_count": len(self.facts.bidders),
            "event_seq": len(self.facts.events),
            "log_seq": len(self.facts.log),
        }
        for column, value in counters.items():
            self._check(getattr(auction, column) == value, "auction_differs", name=column)

    def _check_bidders(self) -> None:
        for number, bidder in enumerate(self.facts.bidders, start=1):
            self._check(bidder.number == number, "bidder_differs", name=f"{alias(number)}: number")
            standing = self.standing.get(bidder.user_id)
            self._check(bidder.maximum == standing, "bidder_differs", name=f"{bidder}: maximum")
            self._check(bidder.user_id in self.maxima, "bidder_without_bid", name=str(bidder))
        self._check(set(self.maxima) <= set(self.numbers), "bid_without_bidder")

    def _check_orders(self) -> None:
        """R12: the first order of a sale is that of its close. Where the reserve was missed it is that of the highest
        bidder's offer, and the later ones are second chances. An auction that sold nothing has none."""
        status, orders = self.replay.state.status, self.facts.orders
        is_sale = status in ("sold", "bought_now")
        if not is_sale and self.auction.status != "sold":
            self._check(not orders, "order_without_sale")
            return
        self._check(bool(orders), "order_missing")
        for order in orders:
            self._check(order.seller_id == self.auction.seller_id, "order_differs", name="seller")
            self._check(order.currency == self.auction.currency, "order_differs", name="currency")
        for order in orders[:1]:
            self._check(order.buyer_id == self.replay.state.leader, "order_differs", name="buyer")
            if is_sale:
                self._check(order.hammer_price == self.replay.state.price, "order_differs", name="hammer_price")
            else:
                self._check_offer(order, Offer.Kind.IF_BID)
        for order in orders[1:]:
            self._check(self.standing.get(order.buyer_id) is not None, "order_differs", name="buyer")
            self._check_offer(order, Offer.Kind.SECOND_CHANCE)

    def _check_offer(self, order: Order, kind: str) -> None:
        """An order that two people agreed on is that of their offer."""
        offer = order.offer
        if offer is None or offer.kind != kind or offer.status != Offer.Status.ACCEPTED:
            self._check(False, "order_differs", name="offer")
            return
        self._check(offer.auction_id == self.auction.pk, "order_differs", name="offer")
        self._check(offer.buyer_id == order.buyer_id, "order_differs", name="buyer")
        self._check(offer.amount == order.hammer_price, "order_differs", name="hammer_price")
