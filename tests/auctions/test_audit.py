"""The audit: what staff and the public read, and that every planted corruption is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions import chain
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Listing, Order, SettlementEvent
from auctions.services.auctions import cancel_auction, lower_reserve, pause_auction, resume_auction
from auctions.services.audit import audit_auction
from auctions.services.bids import buy_now
from auctions.services.corrections import void_bid
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid, closed, planted

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def moderator(make_user: Any) -> User:
    return make_user(roles=["moderator"])


@pytest.fixture
def eventful(moderator: User) -> Auction:
    """A reserve that is lowered, a silent raise, a void, a pause, an extension and a sale."""
    end = timezone.now() + timedelta(seconds=90)
    auction = AuctionFactory(reserve_price=Decimal(5000), under_reserve="minimum", ends_at=end)
    ann, bob, cleo = BidderFactory.create_batch(3)
    bid(auction, ann, "1500")
    bid(auction, bob, "2500")
    bid(auction, bob, "2700")
    fallen = bid(auction, cleo, "9000")
    void_bid(bid_id=fallen, actor=moderator, reason="Not serious.")
    pause_auction(auction_id=auction.pk, actor=moderator, reason="Rest.")
    resume_auction(auction_id=auction.pk, actor=moderator)
    lower_reserve(auction_id=auction.pk, actor=auction.seller, reserve_price=Decimal(2600))
    bid(auction, ann, "3000")
    return closed(auction)


def codes(auction: Auction) -> set[str]:
    return {problem.code for problem in audit_auction(auction.pk).problems}


def audit(client: APIClient, auction: Auction, **query: Any) -> Any:
    return client.get(f"/api/auctions/{auction.pk}/audit", query)


def test_an_eventful_auction_is_as_its_log_says(eventful: Auction) -> None:
    assert audit_auction(eventful.pk).problems == []
    kinds = [row.kind for row in AuctionLogEntry.objects.filter(auction=eventful)]
    assert kinds == ["opened", *["bid"] * 4, "void", "paused", "resumed", "reserve", "bid", "closed"]


@pytest.mark.parametrize("status", ["scheduled", "cancelled", "no_bids", "reserve_not_met", "bought_now"])
def test_whatever_the_end_the_audit_agrees(status: str, moderator: User) -> None:
    fields = {"reserve_price": Decimal(9000), "buy_now_price": Decimal(20_000)}
    auction = AuctionFactory(**fields, **({"status": status} if status == "scheduled" else {}))
    if status == "bought_now":
        buy_now(user_id=BidderFactory().pk, auction_id=auction.pk)
    elif status == "cancelled":
        cancel_auction(auction_id=auction.pk, actor=moderator, reason="Withdrawn.")
    elif status != "scheduled":
        for _ in range(status == "reserve_not_met"):
            bid(auction, BidderFactory(), "3000")
        closed(auction)
    assert Auction.objects.get(pk=auction.pk).status == status
    assert audit_auction(auction.pk).problems == []


def test_a_reserve_that_is_lowered_before_the_start_is_the_logs_first_row(moderator: User) -> None:
    auction = AuctionFactory(status="scheduled", reserve_price=Decimal(5000))
    lower_reserve(auction_id=auction.pk, actor=auction.seller, reserve_price=Decimal(2000))
    later = auction.starts_at + timedelta(minutes=1)
    bid(auction, BidderFactory(), "2500", at=later)
    assert Auction.objects.get(pk=auction.pk).price == Decimal(2000)
    assert audit_auction(auction.pk).problems == []


def test_a_pause_moves_a_hard_end_and_the_replay_follows(moderator: User) -> None:
    end = timezone.now() + timedelta(hours=1)
    auction = AuctionFactory(ends_at=end, hard_end=end + timedelta(minutes=1))
    pause_auction(auction_id=auction.pk, actor=moderator, reason="Rest.")
    resume_auction(auction_id=auction.pk, actor=moderator, clock=lambda: timezone.now() + timedelta(minutes=7))
    moved = Auction.objects.get(pk=auction.pk)
    bid(auction, BidderFactory(), "1500", at=moved.ends_at - timedelta(seconds=5))
    after = Auction.objects.get(pk=auction.pk)
    assert after.ends_at == after.hard_end == moved.hard_end
    assert audit_auction(auction.pk).problems == []


# --- Who reads what -------------------------------------------------------------------------------------------------


def test_the_public_reads_the_chain_once_the_auction_has_ended(eventful: Auction) -> None:
    answer = audit(APIClient(), eventful)
    assert (answer.status_code, answer.json()["valid"], answer.json()["head"]) == (200, True, eventful.log_hash)
    assert set(answer.json()) == {"view", "valid", "head", "next_after", "rows"}
    row = answer.json()["rows"][1]
    assert set(row) == {"hash", *chain.content_of(AuctionLogEntry.objects.earliest("seq"))}
    for secret in (
        "2700.00",
        "9000.00",
        "3000.00",
        "Not serious",
        *AuctionLogEntry.objects.values_list("salt", flat=True),
    ):
        assert secret not in answer.content.decode()


def test_before_the_end_only_staff_read_it(as_user: SignIn, make_user: Any, moderator: User) -> None:
    auction, ann = AuctionFactory(), BidderFactory()
    bid(auction, ann, "1500")
    for client in (APIClient(), *map(as_user, (ann, auction.seller, make_user(roles=["finance"])))):
        answer = audit(client, auction)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "auction_not_closed")
    answer = audit(as_user(moderator), auction).json()
    assert (answer["valid"], answer["problems"]) == (True, [])
    row = answer["rows"][1]
    assert (row["seq"], row["kind"], row["bidder"], row["amount"]) == (2, "bid", ann.pk, "1500.00")
    assert {"seq", "kind", "bid", "bidder", "amount", "price", "leader", "at", "hash"} <= set(row)


def test_an_auction_that_was_taken_off_is_404_for_the_public(
    eventful: Auction, as_user: SignIn, moderator: User
) -> None:
    Listing.objects.filter(pk=eventful.listing_id).update(status=Listing.Status.SUSPENDED)
    assert [audit(client, eventful).status_code for client in (APIClient(), as_user(moderator))] == [404, 200]
    assert audit(APIClient(), eventful).json()["errors"][0]["code"] == "not_found"


def test_a_long_log_is_read_in_parts_with_the_verdict_on_the_whole(eventful: Auction) -> None:
    rows, after = [], 0
    while after is not None:
        part = audit(APIClient(), eventful, after=after, limit=4).json()
        assert part["valid"]
        rows, after = rows + part["rows"], part["next_after"]
    assert rows == audit(APIClient(), eventful).json()["rows"]
    for query in ({"limit": 0}, {"limit": 10_001}, {"after": -1}, {"page": 1}):
        assert audit(APIClient(), eventful, **query).status_code == 400


def test_the_audit_is_cached_by_its_readers_until_it_changes(eventful: Auction) -> None:
    tag = audit(APIClient(), eventful)["ETag"]
    url = f"/api/auctions/{eventful.pk}/audit"
    assert APIClient().get(url, headers={"If-None-Match": tag}).status_code == 304


def test_queries_do_not_grow_with_the_log(eventful: Auction, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(8):
        assert audit(APIClient(), eventful).status_code == 200


def test_anonymous_readers_are_limited(eventful: Auction, settings: Any) -> None:
    """A replay costs more than a page."""
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"audits": "1/minute"}
    assert [audit(APIClient(), eventful).status_code for _ in range(2)] == [200, 429]


# --- Corruptions ----------------------------------------------------------------------------------------------------


COLUMNS = {
    "price": F("price") + Decimal(1),
    "leader_max": F("leader_max") + Decimal(1),
    "runner_up_max": F("runner_up_max") - Decimal(1),
    "ends_at": F("ends_at") + timedelta(microseconds=1),
    "reserve_price": None,
    "extensions": F("extensions") + 1,
    "bid_count": F("bid_count") + 1,
    "bid_seq": F("bid_seq") + 1,
    "bidder_count": F("bidder_count") + 1,
    "event_seq": F("event_seq") + 1,
    "log_seq": F("log_seq") + 1,
    "status": "bought_now",
    "leader_number": 3,
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_column_of_the_auction_is_found(eventful: Auction, column: str) -> None:
    Auction.objects.filter(pk=eventful.pk).update(**{column: COLUMNS[column]})
    problems = audit_auction(eventful.pk).problems
    assert ("auction_differs", column) in {(problem.code, problem.field) for problem in problems}
    assert not audit(APIClient(), eventful).json()["valid"]


def test_another_leader_is_found(eventful: Auction) -> None:
    Auction.objects.filter(pk=eventful.pk).update(leader=BidderFactory())
    assert codes(eventful) == {"auction_differs"}


def test_another_head_is_found(eventful: Auction) -> None:
    Auction.objects.filter(pk=eventful.pk).update(log_hash="0" * 64)
    assert codes(eventful) == {"head_differs"}


@pytest.mark.parametrize("amount", [None, Decimal(2999), Decimal(3001)])
def test_another_maximum_of_a_bidder_is_found(eventful: Auction, amount: Decimal | None) -> None:
    AuctionBidder.objects.filter(auction=eventful, number=1).update(maximum=amount)
    assert codes(eventful) == {"bidder_differs"}


def test_a_bidder_out_of_nowhere_is_found(eventful: Auction) -> None:
    AuctionBidder.objects.create(
        auction=eventful, user=BidderFactory(), number=4, maximum=Decimal(1), first_bid_at=timezone.now()
    )
    assert "bidder_without_bid" in codes(eventful)


@pytest.mark.parametrize("seq", [1, 3, 9])
def test_an_event_that_was_removed_is_found(eventful: Auction, seq: int) -> None:
    AuctionEvent.objects.filter(auction=eventful, seq=seq).delete()
    assert {"event_missing_or_extra", "event_gap", "auction_differs"} <= codes(eventful)


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal(1)}, {"min_next": Decimal(1)}, {"leader_alias": "Bidder 9"}, {"bid_count": 9},
        {"status": "paused"}, {"reserve_status": "none"}, {"is_voided": True}, {"bid_seq": 9},
        {"ends_at": timezone.now()},
    ],
)  # fmt: skip
def test_an_event_that_shows_something_else_is_found(eventful: Auction, change: dict[str, Any]) -> None:
    AuctionEvent.objects.filter(auction=eventful, kind="bid", bid_seq=1).update(**change)
    assert codes(eventful) == {"event_differs"}


def test_an_event_about_a_silent_raise_is_found(eventful: Auction) -> None:
    """It would tell what nobody may know."""
    silent = AuctionLogEntry.objects.get(auction=eventful, amount=Decimal(2700))
    copy = AuctionEvent.objects.filter(auction=eventful, kind="bid").earliest("seq")
    copy.pk, copy.entry, copy.seq = None, silent, 1000
    copy.save(force_insert=True)
    assert "event_missing_or_extra" in codes(eventful)


@pytest.mark.parametrize("change", [{"hammer_price": Decimal(2801)}, {"currency": "EUR"}, {"buyer": None}])
def test_another_order_is_found(eventful: Auction, change: dict[str, Any]) -> None:
    change = change if change != {"buyer": None} else {"buyer": BidderFactory()}
    with planted():
        Order.objects.filter(auction=eventful).update(**change)
    assert codes(eventful) == {"order_differs"}


def test_a_missing_order_is_found(eventful: Auction) -> None:
    with planted():
        SettlementEvent.objects.filter(order__auction=eventful).delete()
        Order.objects.filter(auction=eventful).delete()
    assert codes(eventful) == {"order_missing"}


ROW_CHANGES = {
    "amount": (Decimal(2650), "commitment_differs"),
    "price": (Decimal(1), "price_differs"),
    "leader_alias": ("Bidder 1", "leader_differs"),
    "alias": ("Bidder 1", "alias_differs"),
    "ends_at": (timezone.now(), "end_differs"),
    "deadline": (timezone.now() + timedelta(days=9), "deadline_differs"),
    "salt": ("0" * 32, "commitment_differs"),
    "reason": ("Because.", "commitment_differs"),
    "commitment": ("0" * 64, "hash_differs"),
    "previous_hash": ("0" * 64, "chain_broken"),
    "hash": ("0" * 64, "hash_differs"),
    "seq": (99, "log_gap"),
    "at": (timezone.now() - timedelta(days=1), "not_allowed"),
}


@pytest.mark.parametrize("column", ROW_CHANGES)
def test_an_edited_row_of_the_log_is_found(eventful: Auction, column: str) -> None:
    value, code = ROW_CHANGES[column]
    with planted():
        AuctionLogEntry.objects.filter(auction=eventful, amount=Decimal(2700)).update(**{column: value})
    assert code in codes(eventful)


def test_a_row_that_was_removed_is_found(eventful: Auction) -> None:
    silent = AuctionLogEntry.objects.filter(auction=eventful, amount=Decimal(2700))
    with planted():
        silent._raw_delete(silent.db)
    assert {"log_gap", "chain_broken", "auction_differs"} <= codes(eventful)


def test_a_log_that_was_hashed_anew_is_found_by_its_commitments(eventful: Auction) -> None:
    """Who edits a maximum and all the hashes after it still does not know what the bidder's receipt says."""
    row = AuctionLogEntry.objects.get(auction=eventful, amount=Decimal(2700))
    receipt = row.commitment
    with planted():
        row.amount = Decimal(2600)
        row.commitment = chain.commitment_of(salt=row.salt, bidder=row.bidder_id, amount=row.amount)
        AuctionLogEntry.objects.filter(pk=row.pk).update(amount=row.amount, commitment=row.commitment)
        previous = ""
        for one in AuctionLogEntry.objects.filter(auction=eventful).order_by("seq"):
            one.previous_hash = previous
            previous = one.hash = chain.hash_of(one)
            AuctionLogEntry.objects.filter(pk=one.pk).update(previous_hash=one.previous_hash, hash=one.hash)
        Auction.objects.filter(pk=eventful.pk).update(log_hash=previous)
    published = [one["commitment"] for one in audit(APIClient(), eventful).json()["rows"]]
    assert receipt not in published


def test_staff_are_told_what_does_not_fit_and_no_values(eventful: Auction, as_user: SignIn, moderator: User) -> None:
    AuctionBidder.objects.filter(auction=eventful, number=1).update(maximum=Decimal("8888.17"))
    answer = audit(as_user(moderator), eventful)
    assert answer.json()["problems"] == [{"code": "bidder_differs", "seq": None, "field": "Bidder 1: maximum"}]
    assert "8888.17" not in answer.content.decode()


def test_a_corruption_that_repeats_itself_is_reported_in_bounds(eventful: Auction) -> None:
    with planted():
        AuctionLogEntry.objects.filter(auction=eventful).update(price=Decimal(1), hash="0" * 64)
    assert 10 < len(audit_auction(eventful.pk).problems) < 200


@pytest.mark.postgres
def test_an_audit_does_not_hold_the_auction_while_it_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a running auction ends with the reading."""
    auction, held = AuctionFactory(), []
    monkeypatch.setattr("auctions.services.audit.judge", lambda facts: held.append(connection.in_atomic_block))
    with transaction.atomic():
        outer = len(connection.savepoint_ids)
        audit_auction(auction.pk)
        assert len(connection.savepoint_ids) == outer
    assert held == [True]  # The test's own transaction, and none inside it.
