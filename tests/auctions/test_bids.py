"""Bids: placing one, who may, what is refused in which order, and what others see of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from accounts.models import User
from auctions.increments import MOST_AMOUNT, MOST_STEP
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Bid, Order
from auctions.services.auctions import pause_auction
from auctions.services.bids import AuctionEnded, BidAnswer, BidTooLow, _standing, place_bid
from auctions.services.corrections import void_bid
from auctions.services.offers import exposure_of
from tests.answers import error, refused
from tests.auctions.factories import AuctionFactory, BidderFactory, OrderFactory
from tests.auctions.trust import closed

pytestmark = pytest.mark.django_db


@pytest.fixture
def auction(db: None) -> Auction:
    return AuctionFactory()


@pytest.fixture
def bidder(db: None) -> User:
    return BidderFactory()


@pytest.fixture
def client(as_user: Any, bidder: User) -> APIClient:
    return as_user(bidder)


def path(auction: Auction) -> str:
    return f"/api/auctions/{auction.pk}/bids"


def bid(auction: Auction, amount: str, user: User | None = None, at: datetime | None = None) -> BidAnswer:
    clock = {"clock": lambda: at} if at else {}
    user = user or BidderFactory()
    return place_bid(user_id=user.pk, auction_id=auction.pk, amount=Decimal(amount), **clock)  # type: ignore[arg-type]


def rows(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


# --- Placing


def test_the_first_bid_leads_at_the_starting_price(client: APIClient, auction: Auction, bidder: User) -> None:
    answer = client.post(path(auction), {"amount": "2500.00"})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    entry = Bid.objects.get()
    assert shown == {
        "bid": str(entry.pk),
        "position": "leading",
        "price": "1000.00",
        "min_next": "1100.00",
        "ends_at": shown["ends_at"],
        "extended": False,
        "event_seq": 2,
        "server_time": shown["server_time"],
    }
    assert (entry.bidder, entry.amount, entry.alias, entry.seq) == (bidder, Decimal(2500), "Bidder 1", 2)


def test_who_bids_less_than_the_leader_is_outbid_at_once(client: APIClient, auction: Auction) -> None:
    bid(auction, "2000")
    shown = client.post(path(auction), {"amount": 1500}).json()
    assert (shown["position"], shown["price"], shown["min_next"]) == ("outbid", "1600.00", "1700.00")


def test_a_tie_goes_to_the_earlier_bid(client: APIClient, auction: Auction) -> None:
    bid(auction, "2000")
    shown = client.post(path(auction), {"amount": "2000"}).json()
    assert (shown["position"], shown["price"]) == ("outbid", "2000.00")


def test_a_late_bid_extends_the_auction_and_says_so(client: APIClient, bidder: User) -> None:
    auction = AuctionFactory(ends_at=timezone.now() + timedelta(seconds=60))
    shown = client.post(path(auction), {"amount": "1000"}).json()
    assert shown["extended"] is True
    assert shown["ends_at"] > auction.ends_at.isoformat()
    kinds = list(auction.events.order_by("seq").values_list("seq", "kind", "alias"))
    assert kinds == [(1, "opened", ""), (2, "bid", "Bidder 1"), (3, "extended", "Bidder 1")]
    assert Auction.objects.get().original_ends_at == auction.ends_at


def test_a_silent_raise_is_seen_by_nobody_else(auction: Auction, bidder: User, api: APIClient) -> None:
    bid(auction, "2000", bidder)
    public = api.get(path(auction)).content
    before = Auction.objects.get()
    answer = bid(auction, "9000", bidder)
    after = Auction.objects.get()
    assert (answer.position, answer.price, answer.event_seq) == ("leading", Decimal(1000), before.event_seq)
    assert (after.bid_count, after.bid_seq, after.event_seq) == (before.bid_count, before.bid_seq, before.event_seq)
    assert (after.log_seq, after.leader_max) == (before.log_seq + 1, Decimal(9000))
    assert AuctionBidder.objects.get().maximum == Decimal(9000)
    assert api.get(path(auction)).content == public


def test_the_reserve_is_met_once_and_told_once() -> None:
    auction = AuctionFactory(reserve_price=Decimal(3000))
    bid(auction, "2000")
    bid(auction, "5000")
    bid(auction, "6000")
    events = list(auction.events.order_by("seq").values_list("kind", "reserve_status"))
    assert events == [
        ("opened", "not_met"), ("bid", "not_met"), ("bid", "met"), ("reserve_met", "met"), ("bid", "met"),
    ]  # fmt: skip


def test_the_first_bid_opens_an_auction_whose_start_has_come(bidder: User) -> None:
    auction = AuctionFactory(status="scheduled")
    answer = bid(auction, "1000", bidder, at=auction.starts_at)
    auction.refresh_from_db()
    assert (auction.status, auction.opened_at, answer.event_seq) == ("live", auction.starts_at, 2)
    assert list(auction.log.values_list("seq", "kind")) == [(1, "opened"), (2, "bid")]


def test_a_refused_first_bid_opens_nothing(bidder: User) -> None:
    auction = AuctionFactory(status="scheduled")
    with pytest.raises(BidTooLow):
        bid(auction, "999.99", bidder, at=auction.starts_at)
    auction.refresh_from_db()
    assert (auction.status, auction.log_seq, AuctionBidder.objects.count()) == ("scheduled", 0, 0)


def test_the_exact_end_is_too_late_though_nobody_has_closed(auction: Auction, bidder: User) -> None:
    bid(auction, "1000", bidder, at=auction.ends_at - timedelta(microseconds=1))
    end = Auction.objects.get().ends_at
    with pytest.raises(AuctionEnded) as refusal:
        bid(auction, "9000", at=end)
    assert refusal.value.meta == {"status": "live", "ends_at": end, "server_time": end}


# --- Refusals


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "-5", "1200.005", "1e3", " 1000", "", "01000", 0, -5, 1200.005, True, None, "10000000000"]
)
def test_amounts_that_are_none_are_malformed(client: APIClient, auction: Auction, amount: Any) -> None:
    answer = client.post(path(auction), {"amount": amount})
    assert answer.status_code == 400, answer.content
    assert error(answer)["attr"] == "amount"
    assert not Bid.objects.exists()


def test_the_smallest_and_the_largest_amount_are_well_formed(client: APIClient, auction: Auction) -> None:
    assert refused(client.post(path(auction), {"amount": "0.01"})) == (409, "bid_too_low")
    assert client.post(path(auction), {"amount": str(MOST_AMOUNT)}).status_code == 201


@pytest.mark.parametrize("amount", ["1000000000.00", "9999999999.99", 1000000000, 9999999999.99])
def test_an_amount_whose_next_step_would_not_fit_is_refused(client: APIClient, auction: Auction, amount: Any) -> None:
    answer = client.post(path(auction), {"amount": amount})
    assert refused(answer) == (400, "invalid" if isinstance(amount, str) else "max_value")
    assert error(answer)["attr"] == "amount"
    assert not Bid.objects.exists()


@pytest.mark.parametrize("step", [None, MOST_STEP])
def test_the_largest_amounts_and_the_largest_step_fit_together(
    client: APIClient, as_user: Any, step: Decimal | None
) -> None:
    """The event of the second bid holds the price and the step above it."""
    auction = AuctionFactory(increments=step and [{"up_to": None, "step": str(step)}])
    for bidder in (client, as_user(BidderFactory())):
        assert bidder.post(path(auction), {"amount": str(MOST_AMOUNT)}).status_code == 201
    auction.refresh_from_db()
    assert (auction.price, auction.min_next) == (MOST_AMOUNT, MOST_AMOUNT + (step or 500))
    assert auction.events.latest("seq").min_next == auction.min_next
    assert closed(auction).status == "sold"


def test_refusals_come_in_their_order(as_user: Any) -> None:
    """Each step mends what was refused before, and meets the next refusal."""
    auction = AuctionFactory(ends_at=timezone.now() - timedelta(seconds=5))
    seller = as_user(auction.seller)
    assert seller.post(path(auction), {"amount": "x"}).status_code == 400
    assert refused(seller.post("/api/auctions/987654/bids", {"amount": "1"})) == (404, "not_found")
    assert refused(seller.post(path(auction), {"amount": "1"})) == (409, "auction_ended")
    Auction.objects.update(ends_at=timezone.now() + timedelta(hours=1))
    assert refused(seller.post(path(auction), {"amount": "1"})) == (403, "seller_cannot_bid")
    user = BidderFactory(identity_verified_at=None, bid_limit=1500)
    client = as_user(user)
    assert refused(client.post(path(auction), {"amount": "1"})) == (403, "not_eligible")
    User.objects.filter(pk=user.pk).update(identity_verified_at=timezone.now())
    assert client.post(path(auction), {"amount": "1500"}).status_code == 201
    bid(auction, "3000")
    assert refused(client.post(path(auction), {"amount": "1500"})) == (409, "max_not_raised")
    assert refused(client.post(path(auction), {"amount": "1550"})) == (409, "bid_too_low")
    assert refused(client.post(path(auction), {"amount": "1700"})) == (409, "bid_limit_exceeded")


def test_too_low_names_the_minimum(client: APIClient, auction: Auction) -> None:
    bid(auction, "2000")
    facts = error(client.post(path(auction), {"amount": "1050"}))
    assert (facts["meta"]["min_next"], facts["attr"]) == ("1100.00", "amount")
    assert facts["meta"]["server_time"].endswith("Z")


def test_what_the_account_lacks_is_listed_at_once(as_user: Any, auction: Auction, user: User) -> None:
    facts = error(as_user(user).post(path(auction), {"amount": "1000"}))
    assert facts["meta"] == {"missing": ["identity_verified", "payment_profile"]}


def test_nobody_bids_without_signing_in(api: APIClient, auction: Auction) -> None:
    assert api.post(path(auction), {"amount": "1000"}).status_code == 401


@pytest.mark.parametrize("role", ["moderator", "finance"])
def test_staff_bid_as_everybody_does(as_user: Any, make_user: Any, auction: Auction, role: str) -> None:
    answer = as_user(make_user(roles=[role])).post(path(auction), {"amount": "1000"})
    assert refused(answer) == (403, "not_eligible")


@pytest.mark.parametrize("status", ["scheduled", "paused", "cancelled", "sold"])
def test_an_auction_that_is_not_live_takes_no_bids(client: APIClient, auction: Auction, status: str) -> None:
    bid(auction, "1000")
    over = {"closed_at": timezone.now()} if status in ("cancelled", "sold") else {}
    Auction.objects.update(status=status, starts_at=timezone.now() + timedelta(minutes=1), **over)
    answer = client.post(path(auction), {"amount": "2000"})
    assert refused(answer) == (409, "auction_not_live")
    assert error(answer)["meta"]["status"] == status


@pytest.mark.parametrize("is_over", [False, True])
def test_what_was_taken_off_the_marketplace_does_not_exist(client: APIClient, auction: Auction, is_over: bool) -> None:
    if is_over:
        Auction.objects.update(status="cancelled", closed_at=timezone.now())
    auction.listing.status = "suspended"
    auction.listing.save()
    assert refused(client.post(path(auction), {"amount": "2000"})) == (404, "not_found")
    assert client.get(path(auction)).status_code == 404


def test_a_refused_bid_changes_nothing(client: APIClient, auction: Auction, bidder: User) -> None:
    bid(auction, "2000")
    before = Auction.objects.values().get()
    assert client.post(path(auction), {"amount": "1050"}).status_code == 409
    assert Auction.objects.values().get() == before
    assert not AuctionBidder.objects.filter(user=bidder).exists()


# --- The limit


def test_the_limit_counts_what_one_leads_elsewhere_and_has_not_paid(client: APIClient, bidder: User) -> None:
    User.objects.filter(pk=bidder.pk).update(bid_limit=6000)
    bid(AuctionFactory(), "2000", bidder)
    OrderFactory(buyer=bidder, hammer_price=1000)
    OrderFactory(buyer=bidder, hammer_price=500, status="paid")
    bid(AuctionFactory(), "1000")
    auction = AuctionFactory()
    answer = client.post(path(auction), {"amount": "3000.01"})
    assert refused(answer) == (409, "bid_limit_exceeded")
    assert "meta" not in error(answer)
    assert client.post(path(auction), {"amount": "3000.00"}).status_code == 201


def test_bids_and_offers_reckon_alike_what_one_is_bound_to(bidder: User) -> None:
    User.objects.filter(pk=bidder.pk).update(bid_limit=100_000)
    bidder.refresh_from_db()
    paused = AuctionFactory()
    for auction in (AuctionFactory(), paused, AuctionFactory()):
        bid(auction, "2000", bidder)
    pause_auction(auction_id=paused.pk, actor=paused.seller, reason="Rest.")
    closed(auction)
    for number, status in enumerate(Order.Status.values):
        held = {"disputed_from": "paid"} if status == "disputed" else {}
        OrderFactory(buyer=bidder, hammer_price=100 + number, status=status, **held)
    assert _standing(bidder, AuctionFactory()).exposure == exposure_of(bidder)
    assert exposure_of(bidder) > 5000


def test_an_auction_one_lost_the_lead_in_does_not_count(client: APIClient, bidder: User) -> None:
    User.objects.filter(pk=bidder.pk).update(bid_limit=3000)
    lost = AuctionFactory()
    bid(lost, "2000", bidder)
    bid(lost, "2500")
    assert client.post(path(AuctionFactory()), {"amount": "3000"}).status_code == 201


def test_a_raise_counts_once(client: APIClient, auction: Auction, bidder: User) -> None:
    User.objects.filter(pk=bidder.pk).update(bid_limit=3000)
    bid(auction, "2000", bidder)
    assert client.post(path(auction), {"amount": "3000"}).status_code == 201
    assert refused(client.post(path(auction), {"amount": "3000.01"})) == (409, "bid_limit_exceeded")


# --- Sent again


def test_a_bid_that_is_sent_again_is_one_bid(client: APIClient, auction: Auction) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "bid-1"}
    first = client.post(path(auction), {"amount": "1000"}, **key)
    again = client.post(path(auction), {"amount": "1000"}, **key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert Bid.objects.count() == 1


# --- The public list


def test_everybody_sees_prices_and_aliases_and_no_maximum(api: APIClient, auction: Auction) -> None:
    first = BidderFactory()
    bid(auction, "2000", first)
    bid(auction, "7777.77")
    bid(auction, "3333.33", first)
    answer = api.get(path(auction))
    assert [(row["seq"], row["alias"], row["price"], row["mine"]) for row in rows(answer)] == [
        (3, "Bidder 1", "3433.33", False),
        (2, "Bidder 2", "2100.00", False),
        (1, "Bidder 1", "1000.00", False),
    ]
    assert b"7777" not in answer.content
    assert b"3333" not in answer.content


def test_own_bids_are_marked_and_the_aliases_belong_to_one_auction(client: APIClient, bidder: User) -> None:
    first, second = AuctionFactory(), AuctionFactory()
    bid(first, "1000")
    bid(first, "2000", bidder)
    bid(second, "1000", bidder)
    assert [(row["alias"], row["mine"]) for row in rows(client.get(path(first)))] == [
        ("Bidder 2", True), ("Bidder 1", False),
    ]  # fmt: skip
    assert [(row["alias"], row["mine"]) for row in rows(client.get(path(second)))] == [("Bidder 1", True)]


def test_voided_bids_are_not_listed(api: APIClient, auction: Auction, admin_user: User) -> None:
    bid(auction, "2000")
    wrong = bid(auction, "3000")
    void_bid(bid_id=wrong.bid, actor=admin_user, reason="A typing error.")
    assert [row["seq"] for row in rows(api.get(path(auction)))] == [1]


def test_the_list_is_walked_by_cursor_with_a_fixed_number_of_queries(client: APIClient, auction: Auction) -> None:
    for amount in range(1000, 4000, 200):
        bid(auction, str(amount))
    with CaptureQueriesContext(connection) as few:
        page = client.get(path(auction), {"limit": 2}).json()
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(path(auction), {"limit": 100}).json()["results"]) == 15
    assert len(few) == len(many) <= 4, [query["sql"] for query in many]
    following = client.get(page["next"]).json()["results"]
    assert [row["seq"] for row in following] == [13, 12]


@pytest.mark.parametrize("query", [{"page": 2}, {"ordering": "price"}, {"amount": "1"}, {"limit": 101}])
def test_the_list_takes_no_other_parameters(api: APIClient, auction: Auction, query: dict[str, Any]) -> None:
    assert api.get(path(auction), query).status_code == 400


# --- One's own


def test_mine_shows_maxima_and_where_one_stands(client: APIClient, bidder: User, admin_user: User) -> None:
    won, lost, fell = AuctionFactory(), AuctionFactory(), AuctionFactory()
    bid(won, "2000", bidder)
    bid(lost, "2000", bidder)
    bid(lost, "3000")
    gone = bid(fell, "2000", bidder)
    void_bid(bid_id=gone.bid, actor=admin_user, reason="A typing error.")
    shown = rows(client.get("/api/bids/mine"))
    assert [(row["auction"], row["amount"], row["position"]) for row in shown] == [
        (fell.pk, "2000.00", "withdrawn"), (lost.pk, "2000.00", "outbid"), (won.pk, "2000.00", "leading"),
    ]  # fmt: skip
    assert set(shown[0]) == {"id", "auction", "amount", "placed_at", "position"}
    assert shown[0]["id"] == str(gone.bid)


def test_mine_is_nobody_elses(as_user: Any, api: APIClient, auction: Auction, other_user: User) -> None:
    bid(auction, "2000")
    assert rows(as_user(other_user).get("/api/bids/mine")) == []
    assert api.get("/api/bids/mine").status_code == 401


def test_mine_costs_the_same_for_one_and_for_many(client: APIClient, auction: Auction, bidder: User) -> None:
    bid(auction, "2000", bidder)
    with CaptureQueriesContext(connection) as few:
        client.get("/api/bids/mine")
    for number in range(12):
        bid(auction, str(2100 + number), bidder)
    with CaptureQueriesContext(connection) as many:
        page = client.get("/api/bids/mine", {"limit": 10}).json()
    assert len(few) == len(many) <= 2
    assert len(client.get(page["next"]).json()["results"]) == 3


# --- Cost and metrics


@pytest.mark.parametrize("earlier", [1, 200])
def test_a_bid_costs_the_same_whatever_was_bid_before(as_user: Any, auction: Auction, earlier: int) -> None:
    """Five beside the user check; the other four are savepoints, one of them this test's own."""
    users = [BidderFactory(bid_limit=10**6) for _ in range(2)]
    for number in range(earlier):
        bid(auction, str(1000 + 500 * number), users[number % 2])
    clients = [as_user(user) for user in users]
    clients[earlier % 2].get(path(auction))
    with CaptureQueriesContext(connection) as made:
        answer = clients[earlier % 2].post(path(auction), {"amount": str(1000 + 500 * earlier)})
    assert answer.status_code == 201, answer.content
    # SQLite writes by a statement for each row.
    assert len(made) - 1 == (9 if connection.vendor == "postgresql" else 11), [
        str(query["sql"])[:150] for query in made
    ]


def test_results_and_amounts_are_counted_after_the_commit(
    auction: Auction, django_capture_on_commit_callbacks: Any
) -> None:
    def counted(result: str) -> float:
        return REGISTRY.get_sample_value("auction_bids_total", {"result": result}) or 0

    leading, refusals = counted("leading"), counted("bid_too_low")
    amounts = REGISTRY.get_sample_value("auction_bid_amount_count") or 0
    with django_capture_on_commit_callbacks() as callbacks:
        bid(auction, "1000")
    assert counted("leading") == leading
    for callback in callbacks:
        callback()
    with pytest.raises(BidTooLow):
        bid(auction, "1")
    assert (counted("leading"), counted("bid_too_low")) == (leading + 1, refusals + 1)
    assert REGISTRY.get_sample_value("auction_bid_amount_count") == amounts + 1


def test_no_event_or_answer_names_a_person_or_a_maximum(client: APIClient, auction: Auction) -> None:
    bid(auction, "8888.88")
    answer = client.post(path(auction), {"amount": "4444.44"})
    assert b"8888" not in answer.content
    shown = AuctionEvent.objects.filter(kind="bid").values("alias", "price", "min_next", "leader_alias")
    assert "8888" not in str(list(shown))
    assert AuctionLogEntry.objects.filter(kind="bid").count() == 2
