"""The worked cases, by the pure rules alone and by the services on the database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from accounts.models import User
from auctions import bidding
from auctions.bidding import Entry, Replay, State, Step, Terms
from auctions.models import Auction, Bid
from auctions.models.auctions import tiers_of
from auctions.serializers.bids import BidAmountField
from auctions.services.bids import buy_now, place_bid
from auctions.services.closing import close_auction
from auctions.services.corrections import retract_bid
from common.errors import DomainError
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.worked_cases import (
    CASES,
    DAY,
    NO_FORMAT,
    Op,
    at,
    bidders,
    code_of,
    money,
    op_of,
    tiers_of_case,
)

BY_SERVICE = {"seller_cannot_bid", "bid_limit_exceeded"}  # What the rules of bidding do not know.
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])


def shown(price: Any, leader: Any, reserve: str, least: Any, ends_at: Any, status: str) -> dict[str, Any]:
    sold_to = leader if status in ("sold", "bought_now") else None
    return {
        "price": price,
        "leader": leader,
        "reserve_met": None if reserve == "none" else reserve == "met",
        "min_next": least,
        "ends_at": ends_at,
        "outcome": None if status == "live" else status,
        "winner": sold_to,
    }


def expected(case: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    ends_at = at(step["ends_at"]) if step["ends_at"] else None
    return {name: step[name] for name in ("leader", "reserve_met", "outcome", "winner")} | {
        "price": money(step["price"]),
        "min_next": money(step["min_next"]),
        "ends_at": ends_at,
    }


class ByRules:
    """The case on the pure rules; names of bidders stand for ids."""

    def __init__(self, case: dict[str, Any]) -> None:
        given = case["initial"]
        self.terms = Terms(
            starts_at=None,
            starting_price=Decimal(given["start"]),
            tiers=tiers_of(tiers_of_case(given["table"])),
            under_reserve=given["under_reserve"],
            buy_now_price=money(given["buy_now"]),
            window=timedelta(seconds=given["window_s"]),
            extension=timedelta(seconds=given["ext_s"]),
            max_extensions=given["max_ext"],
        )
        end, hard = given["ends_at"], given["hard_end"]
        opening = State("live", end and at(end), reserve=money(given["reserve"]), hard_end=hard and at(hard))
        self.replay, self.own = Replay(opening, self.terms), dict[Any, Decimal]()

    def do(self, op: Op) -> None:
        state, now, who = self.replay.state, op.now, op.who
        if op.verb == "bid":
            amount = Decimal(op.amount)
            made: Step = bidding.place(
                state,
                self.terms,
                bidder=who,
                amount=amount,
                own_max=self.own.get(who),
                now=now,  # type: ignore[arg-type]
            )
            self.own[who] = amount
            assert self.replay.apply(Entry("bid", now, len(self.replay.done), who, amount)) == made.state  # type: ignore[arg-type]
        elif op.verb == "buy":
            bought = bidding.buy_now(state, self.terms, bidder=who, now=now)  # type: ignore[arg-type]
            assert self.replay.apply(Entry("buy_now", now, bidder=who)) == bought  # type: ignore[arg-type]
        elif op.verb == "retract":
            bid = next(entry.bid for entry in self.replay.done if entry.kind == "bid" and entry.bidder == who)
            self.replay.apply(Entry("void", now, bid))
            del self.own[who]
        else:
            self.replay.apply(Entry("closed", now))

    def shown(self) -> dict[str, Any]:
        state = self.replay.state
        least, reserve = bidding.min_next(state, self.terms), bidding.reserve_status(state)
        return shown(state.price, state.leader, reserve, least, state.ends_at, state.status)


class ByServices:
    """The case on the database, its clock the cases' own."""

    def __init__(self, case: dict[str, Any]) -> None:
        given, ends_at = case["initial"], case["initial"]["ends_at"]
        self.has_end = ends_at is not None
        self.auction: Auction = AuctionFactory(
            starts_at=DAY,
            ends_at=at(ends_at) if ends_at else DAY + timedelta(days=9),
            hard_end=given["hard_end"] and at(given["hard_end"]),
            starting_price=money(given["start"]),
            reserve_price=money(given["reserve"]),
            buy_now_price=money(given["buy_now"]),
            soft_close_window_s=given["window_s"],
            soft_close_extension_s=given["ext_s"],
            max_extensions=given["max_ext"],
            under_reserve=given["under_reserve"],
            increments=tiers_of_case(given["table"]),
        )
        self.people: dict[str, User] = {"SELLER": self.auction.seller}
        for name in bidders(case):
            self.people[name] = BidderFactory(bid_limit=money(given["limits"].get(name)))

    def do(self, op: Op) -> None:
        facts = {"auction_id": self.auction.pk, "clock": lambda: op.now}
        if op.verb == "bid":
            place_bid(user_id=self.people[op.who].pk, amount=BidAmountField().run_validation(op.amount), **facts)
        elif op.verb == "buy":
            buy_now(user_id=self.people[op.who].pk, **facts)
        elif op.verb == "retract":
            bidder = self.people[op.who]
            bid = Bid.objects.get(auction=self.auction, bidder=bidder)
            retract_bid(bid_id=bid.pk, bidder=bidder, reason="A typing error.", clock=lambda: op.now)
        else:
            close_auction(**facts)

    def shown(self) -> dict[str, Any]:
        row = self.auction = Auction.objects.get(pk=self.auction.pk)
        names = {user.pk: name for name, user in self.people.items()}
        ends_at = row.ends_at if self.has_end else None
        return shown(row.price, names.get(row.leader_id or 0), row.reserve_status, row.min_next, ends_at, row.status)


def result_of(run: ByRules | ByServices, op: Op) -> tuple[str, Any]:
    try:
        run.do(op)
    except ValidationError:
        return "format", None
    except bidding.Refused as refusal:
        return refusal.code, getattr(refusal, "min_next", None)
    except DomainError as refusal:
        return refusal.code, refusal.meta.get("min_next") if refusal.meta else None
    return "ok", None


@every_case
def test_a_worked_case_by_the_rules(case: dict[str, Any]) -> None:
    run = ByRules(case)
    for step in case["steps"]:
        if step["result"] not in NO_FORMAT and code_of(step["result"])[0] not in BY_SERVICE:
            assert result_of(run, op_of(step["op"])) == code_of(step["result"]), step
        assert run.shown() == expected(case, step), step


@pytest.mark.django_db
@every_case
def test_a_worked_case_by_the_services(case: dict[str, Any]) -> None:
    run = ByServices(case)
    for step in case["steps"]:
        wanted = ("format", None) if step["result"] in NO_FORMAT else code_of(step["result"])
        assert result_of(run, op_of(step["op"])) == wanted, step
        assert run.shown() == expected(case, step), step


def test_the_cases_name_each_table_and_most_refusals() -> None:
    assert {case["initial"]["table"].split()[0] for case in CASES} == {"FLAT", "EBAY", "VEH"}
    codes = {code_of(step["result"])[0] for case in CASES for step in case["steps"]}
    assert codes >= {"ok", "bid_too_low", "max_not_raised", "auction_ended", "auction_not_live", *BY_SERVICE}
