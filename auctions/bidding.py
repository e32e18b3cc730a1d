"""The rules of proxy bidding: who leads, at which price, until when. Pure: no database, no clock, no settings.

A bidder states the most they would pay (`maximum`); the house bids for them, no more than is needed. `State` is what
an auction's row holds, `Terms` what its seller laid down; each rule is a function from one state to the next. The
numbers R1 to R15 are those of docs/auctions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Bidder = int  # The id of a user.
Status = Literal[
    "scheduled", "live", "paused", "sold", "bought_now", "reserve_not_met", "no_bids", "cancelled", "negotiating",
    "unsold",
]  # fmt: skip
ReserveStatus = Literal["none", "not_met", "met"]


class Refused(Exception):
    """A rule refuses the step; nothing has changed. `code` is that of the API's answer."""

    code = "refused"


class AuctionNotLive(Refused):
    code = "auction_not_live"


class AuctionEnded(Refused):
    code = "auction_ended"


class MaxNotRaised(Refused):
    code = "max_not_raised"


class BidTooLow(Refused):
    code = "bid_too_low"

    def __init__(self, min_next: Decimal) -> None:
        super().__init__(str(min_next))
        self.min_next = min_next


class BuyNowUnavailable(Refused):
    code = "buy_now_unavailable"


class ReserveOnlyDown(Refused):
    code = "reserve_only_down"


class Tier(NamedTuple):
    """The step of prices up to and including `up_to`; None is the last tier."""

    up_to: Decimal | None
    step: Decimal


def increment(tiers: Sequence[Tier], price: Decimal) -> Decimal:
    """`inc(p)`: the step of the tier that contains the price."""
    return next(tier.step for tier in tiers if tier.up_to is None or price <= tier.up_to)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the whole auction. `under_reserve` says what is shown while the leader's maximum is below the
    reserve: that maximum (`jump`), or no more than the others force (`minimum`)."""

    starts_at: datetime | None
    starting_price: Decimal
    tiers: Sequence[Tier]
    under_reserve: Literal["jump", "minimum"] = "jump"
    buy_now_price: Decimal | None = None
    window: timedelta = timedelta(seconds=120)
    extension: timedelta = timedelta(seconds=120)
    max_extensions: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Where an auction stands. `leader_max` and `runner_up_max` are the two highest standing maxima, of different
    bidders: with them a bid needs nothing else of all that were placed before. No `ends_at` means no end."""

    status: Status
    ends_at: datetime | None
    reserve: Decimal | None = None
    hard_end: datetime | None = None
    price: Decimal | None = None
    leader: Bidder | None = None
    leader_max: Decimal | None = None
    runner_up_max: Decimal | None = None
    extensions: int = 0
    paused_at: datetime | None = None


class Step(NamedTuple):
    """What a bid did. `is_public`: it changed the price or the leader; otherwise nobody but its bidder learns of it."""

    state: State
    is_public: bool
    extended: bool


def min_next(state: State, terms: Terms) -> Decimal:
    """What somebody who does not lead must bid at least."""
    if state.price is None:
        return terms.starting_price
    return state.price + increment(terms.tiers, state.price)


def reserve_status(state: State) -> ReserveStatus:
    """Whether the auction has a reserve, and whether the price has reached it (R6: as soon as the leader's maximum
    does)."""
    if state.reserve is None:
        return "none"
    return "met" if state.price is not None and state.price >= state.reserve else "not_met"


def check_open(state: State, terms: Terms, now: datetime) -> None:
    """R1 and R11: the clock decides, whatever a late closer has left as the status. Raises AuctionNotLive,
    AuctionEnded."""
    if state.status != "live" or (terms.starts_at is not None and now < terms.starts_at):
        raise AuctionNotLive
    if state.ends_at is not None and now >= state.ends_at:
        raise AuctionEnded


def place(
    state: State, terms: Terms, *, bidder: Bidder, amount: Decimal, own_max: Decimal | None, now: datetime
) -> Step:
    """A bid: `amount` is the bidder's maximum, `own_max` the one that stands. Raises AuctionNotLive, AuctionEnded,
    MaxNotRaised (R9), BidTooLow (R2)."""
    check_open(state, terms, now)
    if own_max is not None and amount <= own_max:
        raise MaxNotRaised
    lowest = min_next(state, terms)
    if bidder != state.leader and amount < lowest:
        raise BidTooLow(lowest)
    after = commit(state, terms, bidder, amount)
    is_public = (after.price, after.leader) != (state.price, state.leader)
    if not is_public:
        return Step(after, is_public=False, extended=False)
    extended = soft_close(after, terms, now)
    return Step(extended, is_public=True, extended=extended.ends_at != after.ends_at)


def commit(state: State, terms: Terms, bidder: Bidder, amount: Decimal) -> State:
    """A maximum takes its place among the others, asking nothing (R3 to R8). A replay after a void comes this way."""
    if state.leader is None or state.leader_max is None:
        return _priced(replace(state, leader=bidder, leader_max=amount, price=terms.starting_price), terms)
    if bidder == state.leader:
        return _priced(replace(state, leader_max=max(amount, state.leader_max)), terms)
    if amount > state.leader_max:
        runner_up = state.leader_max
        leads = replace(state, leader=bidder, leader_max=amount, runner_up_max=runner_up)
    else:  # R5: of equal maxima the earlier one leads.
        runner_up = max(amount, state.runner_up_max or amount)
        leads = replace(state, runner_up_max=runner_up)
    forced = min(max(amount, state.leader_max), runner_up + increment(terms.tiers, runner_up))
    return _priced(replace(leads, price=max(forced, state.price or forced)), terms)


def soft_close(state: State, terms: Terms, now: datetime) -> State:
    """R10: what changed near the end moves the end, never backwards and never beyond the hard one."""
    if state.ends_at is None or state.ends_at - now > terms.window:
        return state
    if terms.max_extensions is not None and state.extensions >= terms.max_extensions:
        return state
    moved = now + terms.extension
    if state.hard_end is not None:
        moved = min(moved, state.hard_end)
    if moved <= state.ends_at:
        return state
    return replace(state, ends_at=moved, extensions=state.extensions + 1)


def is_buy_now_open(state: State, terms: Terms) -> bool:
    """R13: while nobody has bid, or the reserve is not met; and below the price to buy at once."""
    if terms.buy_now_price is None or state.status not in ("scheduled", "live", "paused"):
        return False
    unsettled = state.leader is None or reserve_status(state) == "not_met"
    return unsettled and (state.price is None or state.price < terms.buy_now_price)


def buy_now(state: State, terms: Terms, *, bidder: Bidder, now: datetime) -> State:
    """R13. Raises AuctionNotLive, AuctionEnded, BuyNowUnavailable."""
    check_open(state, terms, now)
    if not is_buy_now_open(state, terms):
        raise BuyNowUnavailable
    return _bought(state, terms, bidder)


def lower_reserve(state: State, reserve: Decimal | None) -> State:
    """R15, with R6: None removes it. Raises ReserveOnlyDown."""
    if state.reserve is None or (reserve is not None and reserve >= state.reserve):
        raise ReserveOnlyDown
    return _met(replace(state, reserve=reserve))


def pause(state: State, *, now: datetime) -> State:
    return replace(state, status="paused", paused_at=now)


def resume(state: State, *, now: datetime) -> State:
    """The time that it was paused is added to both ends."""
    gap = now - state.paused_at if state.paused_at else timedelta()
    return replace(
        state,
        status="live",
        paused_at=None,
        ends_at=state.ends_at and state.ends_at + gap,
        hard_end=state.hard_end and state.hard_end + gap,
    )


def is_due(state: State, now: datetime) -> bool:
    """Whether its end has come."""
    return state.status == "live" and state.ends_at is not None and now >= state.ends_at


def close(state: State, *, now: datetime) -> State:
    """R12: the outcome, once its end has come; before it, and after the first time, nothing."""
    if not is_due(state, now):
        return state
    if state.leader is None:
        return replace(state, status="no_bids")
    return replace(state, status="reserve_not_met" if reserve_status(state) == "not_met" else "sold")


class Entry(NamedTuple):
    """A row of an auction's log, as the replay needs it. `bid` names the bid, in a `void` the one that falls."""

    kind: Literal["opened", "bid", "void", "reserve", "paused", "resumed", "buy_now", "closed", "cancelled"]
    at: datetime
    bid: Any = None
    bidder: Bidder | None = None
    amount: Decimal | None = None


@dataclass(slots=True)
class Replay:
    """A fold over the log in its order: the result depends on the order, so no set of maxima could replace it."""

    opening: State
    terms: Terms
    state: State = field(init=False)
    done: list[Entry] = field(default_factory=list)
    voided: set[Any] = field(default_factory=set)
    # After each row of `done`: what the bids that stand make of it, so that a void goes back no further than its bid.
    standing: list[State] = field(default_factory=list)
    places: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self.opening

    def apply(self, entry: Entry) -> State:
        """The state after one more row."""
        if entry.kind == "bid":
            self.places[entry.bid] = len(self.done)
        self.done.append(entry)
        self.state = self._after(entry)
        if entry.kind != "void":
            self.standing.append(self.state)
        return self.state

    def run(self, entries: Iterable[Entry]) -> Iterator[State]:
        for entry in entries:
            yield self.apply(entry)

    def _after(self, entry: Entry) -> State:
        state, terms = self.state, self.terms
        if entry.kind == "opened":
            return replace(state, status="live")
        if entry.kind == "bid" and entry.bidder is not None and entry.amount is not None:
            after = commit(state, terms, entry.bidder, entry.amount)
            changed = (after.price, after.leader) != (state.price, state.leader)
            return soft_close(after, terms, entry.at) if changed else after
        if entry.kind == "void":
            self.voided.add(entry.bid)
            return self.without_voided(since=self.places.get(entry.bid, 0))
        if entry.kind == "reserve":
            return _met(replace(state, reserve=entry.amount))
        if entry.kind == "buy_now" and entry.bidder is not None:
            return _bought(state, terms, entry.bidder)
        if entry.kind == "paused":
            return pause(state, now=entry.at)
        if entry.kind == "resumed":
            return resume(state, now=entry.at)
        return replace(state, status="cancelled") if entry.kind == "cancelled" else close(state, now=entry.at)

    def without_voided(self, since: int = 0) -> State:
        """R14: the bids that stand, from the starting price on and in their order; the end stays where it is. What was
        asked of them when they were placed is not asked again. Before the row `since` nothing has changed."""
        kept = self.standing[since - 1] if since else self.opening
        del self.standing[since:]
        for entry in self.done[since:]:
            if entry.kind == "reserve":
                kept = _met(replace(kept, reserve=entry.amount))
            elif entry.kind == "bid" and entry.bid not in self.voided and entry.bidder is not None:
                kept = commit(kept, self.terms, entry.bidder, entry.amount or Decimal(0))
            self.standing.append(kept)
        return replace(
            self.state,
            price=kept.price,
            leader=kept.leader,
            leader_max=kept.leader_max,
            runner_up_max=kept.runner_up_max,
        )


def _priced(state: State, terms: Terms) -> State:
    """R6 and R7: what the reserve does to the price that the bids alone would make."""
    if state.reserve is None or state.leader_max is None:
        return state
    if state.leader_max >= state.reserve:
        return _met(state)
    return replace(state, price=state.leader_max) if terms.under_reserve == "jump" else state


def _met(state: State) -> State:
    """R6: never lower, never past the maximum."""
    if state.reserve is None or state.leader_max is None or state.price is None or state.leader_max < state.reserve:
        return state
    return replace(state, price=max(state.price, state.reserve))


def _bought(state: State, terms: Terms, bidder: Bidder) -> State:
    paid = terms.buy_now_price
    return replace(state, status="bought_now", leader=bidder, price=paid, leader_max=paid)
