"""Workers that tell at the same moment, and people who save, bid and leave at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import Message, notify_many
from accounts.privacy import delete_account
from auctions.filters.watching import found_by
from auctions.models import Auction, AuctionEvent, SavedSearch, SearchMatch, Watch
from auctions.services import bids, digests, privacy, searches, telling, watching
from auctions.services.bids import place_bid
from auctions.services.searches import MOST_SEARCHES, TooManySearches, create_search, match_searches
from auctions.services.telling import tell_events
from auctions.services.watching import remind_watchers, watch_auction
from common.sweeps import SweepResult
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.concurrency.race import race
from tests.factories import UserFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
WORKERS = 6


def without_keys(messages: Any, *, now: datetime) -> None:
    notify_many([message._replace(dedupe_key=None) for message in messages], now=now)


def fine(results: Sequence[object]) -> bool:
    return all(isinstance(result, SweepResult) and not result.failed for result in results)


# --- Events
# ---------------------------------------------------------------------------------------------------------------------


def bids_to_tell() -> Auction:
    auction = AuctionFactory()
    for amount in (2000, 3000, 4000, 5000):
        place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount))
    return auction


def test_workers_at_once_tell_each_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lock alone: the messages carry no key here."""
    monkeypatch.setattr(telling, "notify_many", without_keys)
    bids_to_tell()
    results = race([partial(tell_events, now=timezone.now())] * WORKERS)
    assert fine(results), results
    tell_events(now=timezone.now())
    assert not AuctionEvent.objects.filter(told_at=None).exists()
    assert Notification.objects.count() == 4 + 4 + 3  # To the seller, receipts, and those who were outbid.


def tell_as_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers whose sweep takes the rows as it first saw them."""
    all_have_seen = threading.Barrier(2)

    def naive(queryset: QuerySet[Any], handle: Callable[..., None], *, now: datetime) -> SweepResult:
        rows = list(queryset.order_by("pk"))
        all_have_seen.wait(timeout=30)
        for row in rows:
            handle(row, now=now)
        return SweepResult(len(rows), 0)

    monkeypatch.setattr(telling, "sweep", naive)
    bids_to_tell()
    assert fine(race([partial(tell_events, now=timezone.now())] * 2))


def test_without_the_lock_the_key_still_tells_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tell_as_first_seen(monkeypatch)
    assert Notification.objects.count() == 11


def test_without_lock_and_key_people_are_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(telling, "notify_many", without_keys)
    tell_as_first_seen(monkeypatch)
    assert Notification.objects.count() == 22


# --- Reminders
# ---------------------------------------------------------------------------------------------------------------------


def watched_auction(watchers: int) -> Auction:
    auction = AuctionFactory(ends_at=timezone.now() + timedelta(days=2))
    Watch.objects.bulk_create(Watch(user=user, auction=auction) for user in UserFactory.create_batch(watchers))
    return auction


def remind_at_once(auction: Auction, workers: int) -> list[Any]:
    return race([partial(remind_watchers, now=auction.ends_at - timedelta(minutes=5))] * workers)


def test_workers_at_once_remind_each_watcher_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the locks alone."""
    monkeypatch.setattr(watching, "notify_many", without_keys)
    monkeypatch.setattr(watching, "AT_ONCE", 3)
    results = remind_at_once(watched_auction(12), WORKERS)
    assert fine(results), results
    assert sum(result.done for result in results) == Notification.objects.count() == 12


def test_without_the_locks_watchers_are_reminded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    all_have_seen = threading.Barrier(2)

    def tell_late(messages: Any, *, now: datetime) -> None:
        rows: list[Message] = list(messages)
        all_have_seen.wait(timeout=30)
        without_keys(rows, now=now)

    monkeypatch.setattr(watching, "notify_many", tell_late)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
    assert fine(remind_at_once(watched_auction(1), 2))
    assert Notification.objects.count() == 2


def test_of_those_who_watch_at_once_one_row_remains() -> None:
    auction, user = AuctionFactory(), UserFactory()
    watch = partial(watch_auction, auction=auction, user=user, now=timezone.now())
    assert race([watch] * WORKERS) == [None] * WORKERS
    assert Watch.objects.count() == 1


# --- Searches
# ---------------------------------------------------------------------------------------------------------------------


def match_at_once(workers: int) -> list[Any]:
    return race([partial(match_searches, select=found_by, now=timezone.now())] * workers)


def a_listing_for(count: int) -> None:
    ListingFactory()
    for user in UserFactory.create_batch(count):
        SavedSearch.objects.create(user=user, name="Mine", filters={"make": "Honda"})


def test_workers_at_once_match_and_tell_each_search_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "notify_many", without_keys)
    monkeypatch.setattr(searches, "AT_ONCE", 4)
    a_listing_for(12)
    results = match_at_once(WORKERS)
    assert sum(results) == SearchMatch.objects.count() == Notification.objects.count() == 12


def test_without_the_lock_the_constraint_refuses_the_second_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both have seen that nobody was told."""
    all_have_seen, real = threading.Barrier(2), SearchMatch.objects.bulk_create

    def create_late(rows: Any) -> Any:
        new = list(rows)
        all_have_seen.wait(timeout=30)
        return real(new)

    a_listing_for(1)
    monkeypatch.setattr(SearchMatch.objects, "bulk_create", create_late)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
    results = match_at_once(2)
    assert sorted(isinstance(result, IntegrityError) for result in results) == [False, True]
    assert Notification.objects.count() == 1


def save_at_once(user: User) -> list[Any]:
    SavedSearch.objects.bulk_create(SavedSearch(user=user, name="Mine") for _ in range(MOST_SEARCHES - 1))
    return race([partial(create_search, user=user, name="More", filters={}, now=timezone.now())] * 4)


def test_of_those_who_save_at_once_none_passes_the_bound() -> None:
    results = save_at_once(UserFactory())
    assert sum(isinstance(result, TooManySearches) for result in results) == 3
    assert SavedSearch.objects.count() == MOST_SEARCHES


def test_without_the_users_lock_they_pass_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have counted before one saves."""
    all_have_counted = threading.Barrier(4)
    monkeypatch.setattr(searches, "lock_user", lambda pk: User.objects.get(pk=pk))
    monkeypatch.setattr(searches, "_set_due", lambda _search, *, now: all_have_counted.wait(timeout=30))
    save_at_once(UserFactory())
    assert SavedSearch.objects.count() == MOST_SEARCHES + 3


# --- Digests
# ---------------------------------------------------------------------------------------------------------------------

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def digest_due() -> User:
    user = UserFactory()
    search = SavedSearch.objects.create(user=user, name="Mine", cadence="daily", digest_due_at=EIGHT)
    SearchMatch.objects.create(search=search, listing=ListingFactory())
    return user


def test_workers_at_once_send_one_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "notify_many", without_keys)
    digest_due()
    results = race([partial(digests.send_digests, now=EIGHT)] * WORKERS)
    assert fine(results), results
    assert Notification.objects.count() == 1


def test_without_the_users_lock_two_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    all_have_seen, user = threading.Barrier(2), digest_due()

    def tell_late(messages: Any, *, now: datetime) -> None:
        all_have_seen.wait(timeout=30)
        without_keys(messages, now=now)

    monkeypatch.setattr(digests, "notify_many", tell_late)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
    race([partial(digests._send_digest, user, now=EIGHT)] * 2)
    assert Notification.objects.count() == 2


# --- Leaving
# ---------------------------------------------------------------------------------------------------------------------


def test_who_bids_and_leaves_at_once_does_one_of_them() -> None:
    for _ in range(6):
        auction, bidder = AuctionFactory(), BidderFactory()
        bid = partial(place_bid, user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(2000))
        left, placed = race([partial(delete_account, user=bidder, now=timezone.now()), bid])
        auction.refresh_from_db()
        if isinstance(left, privacy.AuctionsOpen):
            assert auction.leader_id == bidder.pk
        else:
            assert left is None, left
            assert isinstance(placed, Exception), placed
            assert auction.leader_id is None


def test_without_the_bidders_lock_somebody_who_left_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the bid comes between the question whether one leads and the deletion."""
    auction, bidder = AuctionFactory(), BidderFactory()
    real = privacy._refuse_if_bound

    def refuse_and_let_in(user: User) -> None:
        real(user)
        bid = partial(place_bid, user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(2000))
        race([bid])

    monkeypatch.setattr(bids, "lock_bidder", lambda pk: User.objects.get(pk=pk))
    monkeypatch.setattr(privacy, "_refuse_if_bound", refuse_and_let_in)
    delete_account(user=bidder, now=timezone.now())
    auction.refresh_from_db()
    bidder.refresh_from_db()
    assert (auction.leader_id, bidder.is_active) == (bidder.pk, False)
