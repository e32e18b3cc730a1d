"""Taking back bids: retraction by the bidder, void by staff (R14, R17)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry
from auctions.services.auctions import pause_auction
from auctions.services.audit import audit_auction
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid, closed

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
WHY = {"reason": "One zero too many."}


@pytest.fixture
def auction() -> Auction:
    """Long enough to retract in."""
    return AuctionFactory(ends_at=timezone.now() + timedelta(days=1))


@pytest.fixture
def moderator(make_user: Any) -> User:
    return make_user(roles=["moderator"])


def retract(client: APIClient, bid_id: Any) -> Any:
    return client.post(f"/api/bids/{bid_id}/retract", WHY)


def void(client: APIClient, bid_id: Any) -> Any:
    return client.post(f"/api/bids/{bid_id}/void", WHY)


def code_of(answer: Any) -> str:
    return str(answer.json()["errors"][0]["code"])


def test_a_retraction_lets_the_bids_that_stand_decide(auction: Auction, as_user: SignIn) -> None:
    ann, bob, cleo = BidderFactory.create_batch(3)
    bid(auction, ann, "1500")
    bid(auction, bob, "3000")
    third = bid(auction, cleo, "2500")
    answer = retract(as_user(cleo), third)
    assert answer.status_code == 200
    assert answer.json() | {"server_time": None, "ends_at": None} == {
        "bid": str(third), "auction": auction.pk, "position": None, "price": "1600.00", "min_next": "1700.00",
        "bid_count": 2, "reserve_status": "none", "ends_at": None, "event_seq": 5, "server_time": None,
    }  # fmt: skip
    auction.refresh_from_db()
    assert (auction.leader, auction.leader_max, auction.runner_up_max) == (bob, Decimal(3000), Decimal(1500))


def test_when_all_bids_are_taken_back_the_auction_is_as_before_the_first(auction: Auction, as_user: SignIn) -> None:
    ann = BidderFactory()
    only = bid(auction, ann, "1500")
    answer = retract(as_user(ann), only).json()
    assert (answer["price"], answer["min_next"], answer["bid_count"]) == (None, "1000.00", 0)
    auction.refresh_from_db()
    assert (auction.leader_id, auction.leader_number, auction.leader_max) == (None, None, None)
    assert AuctionBidder.objects.get().maximum is None
    assert audit_auction(auction.pk).problems == []
    assert bid(auction, ann, "1000")  # The number 1 is kept, the old maximum is not.


def test_the_log_keeps_the_bid_and_gains_a_row_that_names_it(auction: Auction, moderator: User) -> None:
    ann = BidderFactory()
    first = bid(auction, ann, "1500")
    before = AuctionLogEntry.objects.filter(pk=first).values().get()
    void(_client(moderator), first)
    row = AuctionLogEntry.objects.get(kind="void")
    assert AuctionLogEntry.objects.filter(pk=first).values().get() == before
    assert (row.seq, row.voids_id, row.bidder, row.actor) == (3, first, ann, moderator)
    assert (row.amount, row.reason, row.price, row.alias) == (None, WHY["reason"], None, "Bidder 1")


def _client(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_the_end_is_not_rolled_back(moderator: User) -> None:
    auction = AuctionFactory(ends_at=timezone.now() + timedelta(seconds=60))
    late = bid(auction, BidderFactory(), "1500")
    extended = Auction.objects.get(pk=auction.pk).ends_at
    assert extended > auction.ends_at
    assert void(_client(moderator), late).status_code == 200
    after = Auction.objects.get(pk=auction.pk)
    assert (after.ends_at, after.extensions) == (extended, 1)
    assert audit_auction(auction.pk).problems == []


def test_a_met_reserve_may_be_unmet_again(moderator: User) -> None:
    auction = AuctionFactory(reserve_price=Decimal(3000))
    bid(auction, BidderFactory(), "2000")
    high = bid(auction, BidderFactory(), "5000")
    answer = void(_client(moderator), high).json()
    assert (answer["reserve_status"], answer["price"]) == ("not_met", "2000.00")
    event = AuctionEvent.objects.filter(auction=auction).last()
    assert event is not None
    assert (event.kind, event.reserve_status, event.leader_alias) == ("bid_voided", "not_met", "Bidder 1")


def test_the_public_list_leaves_a_voided_bid_out_and_tells_of_it(auction: Auction, as_user: SignIn) -> None:
    ann, bob = BidderFactory.create_batch(2)
    bid(auction, ann, "1500")
    second = bid(auction, bob, "2000")
    retract(as_user(bob), second)
    event = AuctionEvent.objects.filter(auction=auction).last()
    assert event is not None
    assert (event.kind, event.bid_seq, event.alias, event.bid_count) == ("bid_voided", 2, "Bidder 2", 1)
    rows = APIClient().get(f"/api/auctions/{auction.pk}/bids").json()["results"]
    assert [row["seq"] for row in rows] == [1]
    bid(auction, bob, "2000")
    assert Auction.objects.get(pk=auction.pk).bid_seq == 3


def test_the_void_of_a_silent_raise_that_changes_nothing_is_silent(auction: Auction, as_user: SignIn) -> None:
    ann = BidderFactory()
    bid(auction, ann, "1500")
    raised = bid(auction, ann, "4000")
    before = Auction.objects.values("price", "bid_count", "event_seq", "bid_seq", "ends_at").get(pk=auction.pk)
    answer = retract(as_user(ann), raised).json()
    assert answer["position"] == "leading"
    after = Auction.objects.values("price", "bid_count", "event_seq", "bid_seq", "ends_at").get(pk=auction.pk)
    assert (after, AuctionBidder.objects.get().maximum) == (before, Decimal(1500))
    assert audit_auction(auction.pk).problems == []


def test_the_void_of_a_silent_raise_that_decided_is_told_without_naming_whose(
    auction: Auction, moderator: User
) -> None:
    ann, bob = BidderFactory.create_batch(2)
    bid(auction, ann, "1500")
    raised = bid(auction, ann, "4000")
    bid(auction, bob, "3000")
    void(_client(moderator), raised)
    event = AuctionEvent.objects.filter(auction=auction).last()
    assert event is not None
    assert (event.kind, event.alias, event.bid_seq, event.price) == ("bid_voided", "Bidder 2", None, Decimal(1600))
    assert audit_auction(auction.pk).problems == []


def test_a_bid_falls_once(auction: Auction, as_user: SignIn, moderator: User) -> None:
    ann = BidderFactory()
    first = bid(auction, ann, "1500")
    assert retract(as_user(ann), first).status_code == 200
    again = (retract(as_user(ann), first), void(_client(moderator), first))
    assert [(answer.status_code, code_of(answer)) for answer in again] == [(409, "bid_voided")] * 2


@pytest.mark.parametrize(
    ("age", "left", "status"),
    [
        (timedelta(minutes=59), timedelta(hours=13), 200),
        (timedelta(minutes=61), timedelta(hours=13), 409),
        (timedelta(minutes=59), timedelta(hours=11), 409),
    ],
)
def test_retraction_has_its_time(age: timedelta, left: timedelta, status: int, as_user: SignIn) -> None:
    ann, now = BidderFactory(), timezone.now()
    auction = AuctionFactory(starts_at=now - timedelta(days=2), ends_at=now + left)
    placed = bid(auction, ann, "1500", at=now - age)
    answer = retract(as_user(ann), placed)
    assert answer.status_code == status
    if status == 409:
        assert code_of(answer) == "retraction_too_late"


def test_staff_void_at_any_time_before_the_end_also_while_paused(moderator: User) -> None:
    auction = AuctionFactory()
    early = bid(auction, BidderFactory(), "1500", at=auction.starts_at)
    pause_auction(auction_id=auction.pk, actor=moderator, reason="A look at the bids.")
    assert void(_client(moderator), early).status_code == 200
    assert Auction.objects.get(pk=auction.pk).status == "paused"
    assert audit_auction(auction.pk).problems == []


def test_nobody_retracts_while_the_auction_is_paused(auction: Auction, as_user: SignIn, moderator: User) -> None:
    ann = BidderFactory()
    first = bid(auction, ann, "1500")
    pause_auction(auction_id=auction.pk, actor=moderator, reason="A look at the bids.")
    assert code_of(retract(as_user(ann), first)) == "auction_not_live"


def test_after_the_end_nothing_falls_however_late_the_closer_is(moderator: User) -> None:
    auction = AuctionFactory(ends_at=timezone.now() - timedelta(seconds=1))
    last = bid(auction, BidderFactory(), "1500", at=auction.ends_at - timedelta(minutes=3))
    assert code_of(void(_client(moderator), last)) == "auction_ended"
    close_auction(auction_id=auction.pk)
    assert code_of(void(_client(moderator), last)) == "auction_not_live"
    assert Auction.objects.get(pk=auction.pk).status == "sold"


def test_a_bid_is_its_bidders_to_retract_and_moderators_to_void(
    auction: Auction, as_user: SignIn, make_user: Any, moderator: User
) -> None:
    ann, rival = BidderFactory.create_batch(2)
    first = bid(auction, ann, "1500")
    bid(auction, rival, "1600")
    others = (rival, auction.seller, make_user(roles=["finance"]), moderator)
    assert [retract(as_user(user), first).status_code for user in others] == [404] * 4
    assert [void(as_user(user), first).status_code for user in (ann, *others[:3])] == [403] * 4
    assert [call(APIClient(), first).status_code for call in (retract, void)] == [401, 401]
    assert [void(as_user(moderator), wrong).status_code for wrong in (uuid4(), "7", first)] == [404, 404, 200]


def test_only_bids_can_be_taken_back(auction: Auction, moderator: User) -> None:
    opened = AuctionLogEntry.objects.get(auction=auction, kind="opened")
    assert void(_client(moderator), opened.pk).status_code == 404


def test_a_reason_is_needed(auction: Auction, as_user: SignIn) -> None:
    ann = BidderFactory()
    client, first = as_user(ann), bid(auction, ann, "1500")
    for body in ({}, {"reason": ""}, {"reason": "x" * 501}, {"reason": 7}, WHY | {"bid": 1}):
        assert client.post(f"/api/bids/{first}/retract", body).status_code == 400
    assert not AuctionLogEntry.objects.filter(kind="void").exists()


def test_a_kept_bid_stands_where_it_was_placed(moderator: User) -> None:
    """E7: the 201 lifted the price to where the 203.50 had to be; without it the 203.50 stands all the same."""
    steps = [{"up_to": None, "step": "2.50"}]
    auction = AuctionFactory(starting_price=Decimal(100), increments=steps)
    ann, bob, cleo = BidderFactory.create_batch(3)
    bid(auction, ann, "200")
    middle = bid(auction, bob, "201")
    bid(auction, cleo, "203.50")
    answer = void(_client(moderator), middle).json()
    assert (answer["price"], answer["bid_count"]) == ("202.50", 2)
    assert audit_auction(auction.pk).problems == []


def test_a_keyed_retraction_is_answered_again(auction: Auction, as_user: SignIn) -> None:
    ann = BidderFactory()
    client, first = as_user(ann), bid(auction, ann, "1500")
    answers = [
        client.post(f"/api/bids/{first}/retract", WHY, headers={"Idempotency-Key": "one"}).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert AuctionLogEntry.objects.filter(kind="void").count() == 1


def test_a_bidder_may_bid_anew_below_the_maximum_that_fell(auction: Auction, as_user: SignIn) -> None:
    ann, bob = BidderFactory.create_batch(2)
    bid(auction, bob, "1200")
    wrong = bid(auction, ann, "15000")
    retract(as_user(ann), wrong)
    answer = place_bid(user_id=ann.pk, auction_id=auction.pk, amount=Decimal(1500))
    assert (answer.position, answer.price) == ("leading", Decimal(1300))
    assert closed(auction).price == Decimal(1300)
