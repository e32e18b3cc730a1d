"""The end of an auction: which of the outcomes, at which instant, and that late and doubled closers change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from accounts.models import User
from auctions import tasks
from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import Auction, Listing, Order
from auctions.services import closing
from auctions.services.bids import AuctionEnded, buy_now, place_bid
from auctions.services.closing import close_auction, close_due, open_due
from cars.models import VehicleEvent
from common.errors import NotFound
from common.sweeps import SweepResult
from tests.auctions.factories import AuctionFactory, BidderFactory

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def bid(auction: Auction, amount: int, *, when: datetime | None = None) -> User:
    bidder = BidderFactory()
    clock = at(when or timezone.now())
    place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount), clock=clock)
    return bidder


def ended(auction: Auction, *, ago: timedelta = MINUTE) -> Auction:
    """The same one, whose end has come and whose closer has not."""
    end = timezone.now() - ago
    times = {"starts_at": end - timedelta(days=1), "ends_at": end, "original_ends_at": end}
    Auction.objects.filter(pk=auction.pk).update(**times)
    auction.refresh_from_db()
    return auction


def facts(auction: Auction) -> tuple[Any, ...]:
    auction = Auction.objects.get(pk=auction.pk)
    counts = auction.log.count(), auction.events.count(), Order.objects.count(), VehicleEvent.objects.count()
    return auction.status, auction.closed_at, auction.updated_at, auction.log_hash, *counts


# --- The outcomes


def test_the_leader_gets_it_at_the_price_and_not_at_the_maximum() -> None:
    auction = AuctionFactory()
    bid(auction, 3000)
    winner = bid(auction, 9000)
    closed = close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    order = Order.objects.get()
    assert (closed.status, closed.closed_at) == ("sold", auction.ends_at)
    assert (order.auction, order.listing, order.buyer, order.seller) == (
        closed,
        auction.listing,
        winner,
        auction.seller,
    )
    assert (order.hammer_price, order.currency, order.status) == (3100, "USD", "awaiting_payment")
    assert (order.order_number[:3], order.fee_schedule) == ("FO-", auction.fee_schedule)
    assert auction.fee_schedule.keys() >= DEFAULT_SCHEDULE.keys()
    listing = Listing.objects.get(pk=auction.listing_id)
    assert (listing.status, listing.auction_id) == ("pending_sale", auction.pk)


def test_the_end_is_told_and_logged() -> None:
    auction = AuctionFactory()
    bid(auction, 3000)
    close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    event, entry = auction.events.last(), auction.log.last()
    assert (event.kind, event.status, event.price, event.alias, event.at) == (
        "closed", "sold", 1000, "Bidder 1", auction.ends_at,
    )  # fmt: skip
    assert (entry.kind, entry.at, entry.actor, event.entry) == ("closed", auction.ends_at, None, entry)


def test_the_vehicle_remembers_the_sale_and_its_next_owner_not_the_price() -> None:
    auction = AuctionFactory()
    bid(auction, 3000)
    close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    event = VehicleEvent.objects.get()
    assert (event.kind, event.vehicle, event.reference) == (
        "bid_won", auction.listing.vehicle, f"order:{Order.objects.get().pk}",
    )  # fmt: skip
    assert (event.public_summary, event.private_summary) == ("", "Sold at auction for 1000.00 USD.")


def test_without_bids_the_listing_is_on_the_marketplace_again() -> None:
    auction = AuctionFactory(reserve_price=Decimal(5000))
    closed = close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    assert (closed.status, closed.closed_at) == ("no_bids", auction.ends_at)
    assert Listing.objects.get(pk=auction.listing_id).status == "active"
    assert (auction.events.last().kind, Order.objects.count()) == ("closed", 0)


@pytest.mark.parametrize(("maximum", "status"), [(4999, "reserve_not_met"), (5000, "sold")])
def test_below_the_reserve_nothing_is_sold(maximum: int, status: str) -> None:
    auction = AuctionFactory(reserve_price=Decimal(5000))
    bid(auction, maximum)
    assert close_auction(auction_id=auction.pk, clock=at(auction.ends_at)).status == status
    assert Order.objects.count() == (status == "sold")
    listing_status = "pending_sale" if status == "sold" else "in_auction"
    assert Listing.objects.get(pk=auction.listing_id).status == listing_status


def test_bought_at_once_is_the_same_end() -> None:
    auction, buyer = AuctionFactory(buy_now_price=Decimal(5000)), BidderFactory()
    order = buy_now(user_id=buyer.pk, auction_id=auction.pk)
    auction.refresh_from_db()
    assert (auction.status, auction.closed_at is not None, order.hammer_price) == ("bought_now", True, 5000)
    assert [row.kind for row in (auction.events.last(), auction.log.last())] == ["closed", "buy_now"]
    assert Listing.objects.get(pk=auction.listing_id).status == "pending_sale"
    before = facts(auction)
    close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    assert facts(auction) == before


def test_a_sale_without_a_buyer_is_impossible() -> None:
    auction = AuctionFactory()
    with pytest.raises(RuntimeError, match="nobody"):
        closing._sell(auction, auction.listing, now=timezone.now())


# --- The instant


def test_the_exact_end_is_the_end_for_closers_and_for_bids() -> None:
    auction = AuctionFactory()
    assert close_auction(auction_id=auction.pk, clock=at(auction.ends_at - TICK)).status == "live"
    bid(auction, 2000, when=auction.ends_at - timedelta(minutes=3))
    with pytest.raises(AuctionEnded):
        bid(auction, 3000, when=auction.ends_at)
    assert close_auction(auction_id=auction.pk, clock=at(auction.ends_at)).status == "sold"


def test_a_bid_close_to_the_end_moves_it_and_the_closer_goes_by_the_new_one() -> None:
    auction = AuctionFactory()
    end, late = auction.ends_at, auction.ends_at - timedelta(seconds=1)
    bid(auction, 2000, when=late)
    assert close_auction(auction_id=auction.pk, clock=at(end)).status == "live"
    auction.refresh_from_db()
    assert (auction.ends_at, auction.original_ends_at) == (late + 2 * MINUTE, end)
    assert close_auction(auction_id=auction.pk, clock=at(auction.ends_at)).status == "sold"


def test_while_the_worker_is_stopped_the_clock_refuses_bids() -> None:
    auction = ended(AuctionFactory())
    assert auction.status == "live"
    with pytest.raises(AuctionEnded):
        bid(auction, 2000)
    close_due(now=timezone.now())
    assert Auction.objects.get(pk=auction.pk).status == "no_bids"


@pytest.mark.parametrize("outcome", ["sold", "no_bids", "reserve_not_met"])
def test_late_and_doubled_closers_change_nothing(outcome: str) -> None:
    auction = AuctionFactory(reserve_price=Decimal(9000) if outcome == "reserve_not_met" else None)
    if outcome != "no_bids":
        bid(auction, 2000)
    close_auction(auction_id=auction.pk, clock=at(auction.ends_at))
    before = facts(auction)
    assert before[0] == outcome
    for delay in (timedelta(), timedelta(days=3)):
        close_auction(auction_id=auction.pk, clock=at(auction.ends_at + delay))
        close_due(now=auction.ends_at + delay)
    assert facts(auction) == before


@pytest.mark.parametrize("status", ["scheduled", "paused"])
def test_only_live_auctions_are_closed(status: str) -> None:
    auction = ended(AuctionFactory(status="scheduled" if status == "scheduled" else "live"))
    Auction.objects.filter(pk=auction.pk).update(status=status)
    assert close_auction(auction_id=auction.pk).status == status
    assert close_due(now=timezone.now()) == SweepResult(0, 0)


def test_what_does_not_exist_is_not_closed() -> None:
    with pytest.raises(NotFound):
        close_auction(auction_id=2**62)


# --- The sweeps


def test_the_sweep_opens_what_is_due_once() -> None:
    due, later = AuctionFactory(status="scheduled"), AuctionFactory(status="scheduled")
    now = due.starts_at
    Auction.objects.filter(pk=later.pk).update(starts_at=now + TICK)
    assert open_due(now=now - TICK) == SweepResult(0, 0)
    assert open_due(now=now) == SweepResult(1, 0)
    assert open_due(now=now) == SweepResult(0, 0)
    due.refresh_from_db(), later.refresh_from_db()
    assert (due.status, due.opened_at, later.status) == ("live", now, "scheduled")
    assert [event.kind for event in due.events.all()] == ["opened"]
    assert due.increments
    assert due.fee_schedule


def test_a_window_that_passed_while_the_worker_was_stopped_ends_without_bids() -> None:
    auction = AuctionFactory(status="scheduled")
    after = auction.ends_at + MINUTE
    open_due(now=after)
    close_due(now=after, clock=at(after))
    auction.refresh_from_db()
    assert (auction.status, auction.closed_at) == ("no_bids", after)


def test_one_that_fails_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (ended(AuctionFactory()) for _ in range(3))
    original = closing.close_auction

    def fail(*, auction_id: int, **more: Any) -> Auction:
        if auction_id == second.pk:
            raise RuntimeError
        return original(auction_id=auction_id, **more)

    monkeypatch.setattr(closing, "close_auction", fail)
    assert close_due(now=timezone.now()) == SweepResult(2, 1)
    statuses = Auction.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["no_bids", "live", "no_bids"]
    monkeypatch.undo()
    assert close_due(now=timezone.now()) == SweepResult(1, 0)
    assert first.pk < second.pk < third.pk


def test_an_order_that_cannot_be_made_leaves_the_auction_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    auction = AuctionFactory()
    bid(auction, 2000)
    before = facts(ended(auction))

    def fail(**_: Any) -> Order:
        raise RuntimeError

    monkeypatch.setattr(closing, "make_order", fail)
    assert close_due(now=timezone.now()) == SweepResult(0, 1)
    assert facts(auction) == before


def test_the_tasks_open_and_close() -> None:
    scheduled, over = AuctionFactory(status="scheduled"), ended(AuctionFactory())
    Auction.objects.filter(pk=scheduled.pk).update(starts_at=timezone.now() - MINUTE)
    tasks.open_auctions(), tasks.close_auctions()
    assert Auction.objects.get(pk=scheduled.pk).status == "live"
    assert Auction.objects.get(pk=over.pk).status == "no_bids"


# --- The figures


def test_the_lag_of_a_close_is_observed_once_and_after_the_commit(django_capture_on_commit_callbacks: Any) -> None:
    def observed() -> tuple[float, float]:
        name = "auction_close_lag_seconds"
        return tuple(REGISTRY.get_sample_value(f"{name}_{part}") or 0.0 for part in ("count", "sum"))  # type: ignore[return-value]

    auction = AuctionFactory()
    count, total = observed()
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            close_auction(auction_id=auction.pk, clock=at(auction.ends_at + timedelta(seconds=4)))
        assert observed() == (count, total)
    assert observed() == (count + 1, total + 4)


def test_the_table_tells_how_many_there_are_and_how_late_the_closer_is(scrape: Callable[[], str]) -> None:
    AuctionFactory(status="scheduled")
    assert "auction_overdue_seconds 0.0" in scrape()
    ended(AuctionFactory(), ago=timedelta(hours=1))
    assert "auction_overdue_seconds 36" in scrape()
    for status, number in (("scheduled", 1.0), ("live", 1.0), ("paused", 0.0)):
        assert f'auction_active_count{{status="{status}"}} {number}' in scrape()


@pytest.fixture
def scrape(api: APIClient, settings: Any) -> Callable[[], str]:
    settings.METRICS_TOKEN = "t"
    return lambda: api.get("/metrics", headers={"Authorization": "Bearer t"}).content.decode()
