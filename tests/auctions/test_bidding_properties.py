"""Random auctions against an oracle that keeps every bid and computes from the definitions of R2 to R10 and R14."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from auctions import bidding
from auctions.bidding import Entry, Replay, State, Terms, Tier

START = datetime(2030, 5, 1, 18, tzinfo=UTC)
TIERS = [Tier(Decimal(14), Decimal(1)), Tier(Decimal(29), Decimal("2.50")), Tier(None, Decimal(5))]
PEOPLE = (1, 2, 3, 4)


@dataclass
class Oracle:
    """All bids that stand, as (bidder, amount), with the reserves that came between them as (None, reserve)."""

    terms: Terms
    ends_at: datetime
    hard_end: datetime | None
    first_reserve: Decimal | None
    history: list[tuple[int | None, Decimal | None]] = field(default_factory=list)
    extensions: int = 0

    @property
    def bids(self) -> list[tuple[int, Decimal]]:
        return [(who, amount) for who, amount in self.history if who is not None and amount is not None]

    def maximum(self, who: int, bids: Sequence[tuple[int, Decimal]] | None = None) -> Decimal | None:
        return max((amount for bidder, amount in (self.bids if bids is None else bids) if bidder == who), default=None)

    def leader(self, bids: Sequence[tuple[int, Decimal]]) -> int | None:
        """The largest maximum; of equals, who first reached it."""
        best = max((amount for _, amount in bids), default=None)
        return next((who for who, amount in bids if amount == best), None)

    def price(self) -> Decimal | None:
        """From the starting price on, one event after the other."""
        price: Decimal | None = None
        reserve, seen = self.first_reserve, list[tuple[int, Decimal]]()
        for who, amount in self.history:
            before = self.leader(seen)
            if who is None or amount is None:
                reserve = amount
            else:
                seen.append((who, amount))
            leader = self.leader(seen)
            if leader is None:
                continue
            most = self.maximum(leader, seen) or Decimal(0)
            others = [theirs for bidder, theirs in seen if bidder != leader]
            if price is None:
                price = self.terms.starting_price
            elif who is not None and not (who == before == leader):
                second = max(others)
                price = max(price, min(most, second + self.step(second)))
            if reserve is not None and most >= reserve:
                price = max(price, reserve)
            elif reserve is not None and who is not None and self.terms.under_reserve == "jump":
                price = most
        return price

    def step(self, price: Decimal) -> Decimal:
        return next(tier.step for tier in TIERS if tier.up_to is None or price <= tier.up_to)

    def refusal(self, who: int, amount: Decimal) -> str | None:
        own, price = self.maximum(who), self.price()
        if own is not None and amount <= own:
            return "max_not_raised"
        least = self.terms.starting_price if price is None else price + self.step(price)
        return "bid_too_low" if who != self.leader(self.bids) and amount < least else None

    def bid(self, who: int, amount: Decimal, now: datetime) -> None:
        before = (self.price(), self.leader(self.bids))
        self.history.append((who, amount))
        spent = self.terms.max_extensions is not None and self.extensions >= self.terms.max_extensions
        near = self.ends_at - now <= self.terms.window
        if (self.price(), self.leader(self.bids)) == before or spent or not near:
            return
        moved = min(now + self.terms.extension, self.hard_end or datetime.max.replace(tzinfo=UTC))
        if moved > self.ends_at:
            self.ends_at, self.extensions = moved, self.extensions + 1


money = st.integers(min_value=16, max_value=90).map(lambda halves: Decimal(halves) / 2)
ops = st.one_of(
    st.tuples(st.just("bid"), st.sampled_from(PEOPLE), money, st.integers(min_value=0, max_value=100)),
    st.tuples(st.just("bid"), st.sampled_from(PEOPLE), money, st.integers(min_value=0, max_value=100)),
    st.tuples(st.just("void"), st.integers(min_value=0, max_value=30), st.none(), st.just(0)),
    st.tuples(st.just("reserve"), st.none(), st.none() | money, st.just(0)),
)
auctions = st.fixed_dictionaries(
    {
        "reserve": st.none() | money,
        "under_reserve": st.sampled_from(["jump", "minimum"]),
        "hard_end_s": st.none() | st.integers(min_value=150, max_value=500),
        "max_extensions": st.none() | st.integers(min_value=0, max_value=3),
        "ops": st.lists(ops, min_size=1, max_size=25),
    }
)


class Auction:
    """The rules under test beside the oracle; after each step all that must hold is asked."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.terms = Terms(START, Decimal(10), TIERS, given["under_reserve"], max_extensions=given["max_extensions"])
        ends_at, hard = START + timedelta(seconds=150), given["hard_end_s"]
        hard_end = None if hard is None else START + timedelta(seconds=hard)
        reserve = given["reserve"] and max(given["reserve"], Decimal(10))
        self.opening = self.state = State("live", ends_at, reserve=reserve, hard_end=hard_end)
        self.oracle = Oracle(self.terms, ends_at, hard_end, reserve)
        self.log: list[Entry] = []
        self.placed: list[tuple[int, tuple[int, Decimal]]] = []  # The log's row and what the oracle keeps of it.
        self.now = START

    def do(self, op: tuple[str, Any, Any, int]) -> None:
        verb, who, amount, seconds = op
        before, self.now = self.state, self.now + timedelta(seconds=seconds)
        if verb == "bid":
            self.bid(who, amount)
        elif verb == "void" and self.placed:
            self.void(who % len(self.placed))
        elif verb == "reserve":
            self.reserve(amount)
        if verb != "void" and before.price is not None:
            assert self.state.price is not None
            assert self.state.price >= before.price
        self.check()

    def bid(self, who: int, amount: Decimal) -> None:
        before, own = self.state, self.oracle.maximum(who)
        ended = self.now >= self.oracle.ends_at
        code = "auction_ended" if ended else self.oracle.refusal(who, amount)
        judged = partial(bidding.place, self.state, self.terms, bidder=who, amount=amount, own_max=own, now=self.now)
        if code is not None:
            with pytest.raises(bidding.Refused) as refusal:
                judged()
            assert refusal.value.code == code
            assert self.state is before
            return
        step = judged()
        self.oracle.bid(who, amount, self.now)
        self.placed.append((len(self.log), self.oracle.history[-1]))  # type: ignore[arg-type]
        self.log.append(Entry("bid", self.now, len(self.log), who, amount))
        assert step.is_public == ((before.price, before.leader) != (step.state.price, step.state.leader))
        assert step.extended == (step.state.ends_at != before.ends_at)
        self.state = step.state

    def void(self, which: int) -> None:
        row, kept = self.placed.pop(which)
        self.oracle.history.remove(kept)  # Equal ones are as good: nobody bids the same twice while the first stands.
        self.log.append(Entry("void", self.now, row))
        self.state = self.replayed()

    def reserve(self, amount: Decimal | None) -> None:
        try:
            self.state = bidding.lower_reserve(self.state, amount)
        except bidding.ReserveOnlyDown:
            return
        self.oracle.history.append((None, amount))
        self.log.append(Entry("reserve", self.now, amount=amount))

    def replayed(self) -> State:
        replay = Replay(self.opening, self.terms)
        for _ in replay.run(self.log):
            pass
        return replay.state

    def check(self) -> None:
        state, oracle = self.state, self.oracle
        maxima = {who: most for who in PEOPLE if (most := oracle.maximum(who)) is not None}
        assert state == self.replayed()
        assert (state.leader, state.price) == (oracle.leader(oracle.bids), oracle.price())
        assert (state.ends_at, state.extensions) == (oracle.ends_at, oracle.extensions)
        if state.leader is None or state.price is None:
            assert not maxima
            return
        most = maxima.pop(state.leader)
        assert state.leader_max == most
        assert state.runner_up_max == max(maxima.values(), default=None)
        assert self.terms.starting_price <= state.price <= most
        assert all(state.price >= theirs for theirs in maxima.values())
        if state.reserve is not None:
            assert (most >= state.reserve) == (state.price >= state.reserve)


def play(given: dict[str, Any]) -> None:
    auction = Auction(given)
    for op in given["ops"]:
        auction.do(op)


@given(auctions)
@settings(max_examples=400, deadline=None)
def test_random_auctions_go_as_the_definitions_say(given: dict[str, Any]) -> None:
    play(given)


@given(st.lists(st.tuples(st.sampled_from(PEOPLE), money), max_size=15), st.data())
@settings(max_examples=100, deadline=None)
def test_a_void_leaves_what_the_other_bids_make_alone(bids: list[tuple[int, Decimal]], data: st.DataObject) -> None:
    auction = Auction({"reserve": None, "under_reserve": "jump", "hard_end_s": None, "max_extensions": None})
    for who, amount in bids:
        auction.bid(who, amount)
    while auction.placed:
        auction.void(data.draw(st.integers(min_value=0, max_value=len(auction.placed) - 1)))
        auction.check()
    assert (auction.state.price, auction.state.leader) == (None, None)


@pytest.mark.parametrize("broken", ["increment", "soft_close", "_priced"])
def test_the_oracle_sees_a_broken_rule(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with any of these rules left out some random auction goes wrong."""
    wrong = {"increment": lambda tiers, price: Decimal(1)}.get(broken, lambda state, *_: state)
    monkeypatch.setattr(bidding, broken, wrong)
    only_look = settings(
        max_examples=400, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        only_look(given(auctions)(play))()
