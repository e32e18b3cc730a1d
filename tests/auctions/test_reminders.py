"""Reminders of the ends of watched auctions: when, whom, once in each stage."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import unsubscribe
from auctions.models import Auction, AuctionEvent, Watch
from auctions.services import watching
from auctions.services.auctions import pause_auction
from auctions.services.bids import place_bid
from auctions.services.watching import remind_watchers, unwatch_auction, watch_auction
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.factories import UserFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
DAY, SOON, MINUTE = timedelta(days=1), timedelta(minutes=15), timedelta(minutes=1)


@pytest.fixture
def auction() -> Auction:
    """Live, and to the end it is two days."""
    return AuctionFactory(ends_at=timezone.now() + 2 * DAY)


@pytest.fixture
def watcher(auction: Auction) -> User:
    user = UserFactory()
    watch_auction(auction=auction, user=user, now=timezone.now())
    return user


def remind(now: datetime) -> list[str]:
    """The stages that are told in this run."""
    known = list(Notification.objects.values_list("pk", flat=True))
    assert remind_watchers(now=now).failed == 0
    return [row.data["stage"] for row in Notification.objects.exclude(pk__in=known).order_by("pk")]


def extend(auction: Auction, *, at: datetime, to: datetime) -> None:
    """As a bid or a pause moves the end."""
    Auction.objects.filter(pk=auction.pk).update(ends_at=to)
    last = auction.events.latest("seq")
    AuctionEvent.objects.create(
        auction=auction, seq=last.seq + 1, kind="extended", at=at, status="live", ends_at=to, min_next=last.min_next,
        bid_count=0, reserve_status="none", entry=last.entry,
    )  # fmt: skip


def test_a_watcher_is_reminded_a_day_and_a_quarter_of_an_hour_before_once_each(auction, watcher):
    end = auction.ends_at
    assert remind(end - DAY - MINUTE) == []
    assert remind(end - DAY) == ["day"]
    assert remind(end - DAY + MINUTE) == []
    assert remind(end - SOON - MINUTE) == []
    assert remind(end - SOON) == ["soon"]
    assert remind(end - MINUTE) == []
    assert remind(end) == []


def test_it_says_what_ends_and_when_by_app_and_mail(auction, watcher):
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(2000))
    remind(auction.ends_at - SOON)
    row = Notification.objects.get(user=watcher)
    assert (row.kind, row.title) == ("ending_soon", "Ends in less than 15 minutes: 2018 Honda Accord")
    assert "The price is 1,000.00 USD. The next bid has to be 1,100.00 USD or more." in row.body
    assert "2,000" not in row.body
    assert send_due(auction.ends_at) == [watcher.email]
    assert all(f"/api/auctions/{auction.pk}" in part for part in parts_of_last_mail())


def test_a_run_that_comes_late_tells_the_later_stage_alone(auction, watcher):
    assert remind(auction.ends_at - MINUTE) == ["soon"]
    assert remind(auction.ends_at - MINUTE) == []


def test_who_begins_to_watch_within_a_stage_is_told(auction):
    now = auction.ends_at - timedelta(hours=3)
    late = UserFactory()
    assert remind(now) == []
    watch_auction(auction=auction, user=late, now=now)
    assert remind(now) == ["day"]


def test_watching_anew_does_not_tell_again(auction, watcher):
    now = auction.ends_at - SOON
    assert remind(now) == ["soon"]
    unwatch_auction(auction=auction, user=watcher)
    watch_auction(auction=auction, user=watcher, now=now)
    assert remind(now) == []


def test_a_soft_close_within_the_stage_does_not_tell_again(auction, watcher):
    end = auction.ends_at
    remind(end - SOON)
    extend(auction, at=end - MINUTE, to=end + MINUTE)
    assert remind(end - MINUTE / 2) == []


def test_an_end_that_moves_beyond_the_stage_lets_it_tell_again_however_late_it_runs(auction, watcher):
    end = auction.ends_at
    remind(end - SOON)
    moved = end - MINUTE + SOON + MINUTE
    extend(auction, at=end - MINUTE, to=moved)  # 16 minutes off for one minute, in which nobody looked.
    assert remind(moved - SOON + MINUTE) == ["soon"]
    assert remind(moved - SOON + 2 * MINUTE) == []


def test_the_day_tells_again_after_a_long_pause(auction, watcher):
    end = auction.ends_at
    remind(end - DAY)
    extend(auction, at=end - DAY + MINUTE, to=end + 3 * DAY)
    assert remind(end) == []
    assert remind(end + 2 * DAY) == ["day"]
    assert remind(end + 3 * DAY - SOON) == ["soon"]


def test_auctions_that_are_not_live_are_not_told(auction, watcher, make_user):
    scheduled = AuctionFactory(status="scheduled", ends_at=timezone.now() + timedelta(hours=2))
    watch_auction(auction=scheduled, user=watcher, now=timezone.now())
    pause_auction(auction_id=auction.pk, actor=make_user(roles=["moderator"]), reason="To be looked into.")
    assert remind(auction.ends_at - SOON) == []
    assert remind(scheduled.ends_at - SOON) == []


def test_who_does_not_want_the_mail_has_it_in_the_app(auction, watcher):
    unsubscribe(user=watcher, kind="ending_soon")
    assert remind(auction.ends_at - SOON) == ["soon"]
    assert send_due(auction.ends_at) == []


def test_an_auction_that_fails_does_not_stop_the_others(auction, watcher):
    other = AuctionFactory(ends_at=auction.ends_at)
    watch_auction(auction=other, user=watcher, now=timezone.now())
    real = watching._remind_some

    def break_one(row, stage, *, now):
        if row.pk == auction.pk:
            raise RuntimeError("planted")
        return real(row, stage, now=now)

    with mock.patch.object(watching, "_remind_some", break_one):
        result = remind_watchers(now=auction.ends_at - SOON)
    assert result == (1, 1)
    assert remind(auction.ends_at - SOON) == ["soon"]


def test_many_watchers_are_told_in_parts(auction, monkeypatch):
    monkeypatch.setattr(watching, "AT_ONCE", 2)
    Watch.objects.bulk_create(Watch(user=user, auction=auction) for user in UserFactory.create_batch(5))
    assert remind(auction.ends_at - SOON) == ["soon"] * 5


def queries_for(watchers: int) -> int:
    Watch.objects.all().delete()
    auction = AuctionFactory(ends_at=timezone.now() + 2 * DAY)
    users = User.objects.bulk_create(User(email=f"w{watchers}-{n}@example.com") for n in range(watchers))
    Watch.objects.bulk_create(Watch(user=user, auction=auction) for user in users)
    with CaptureQueriesContext(connection) as queries:
        assert remind_watchers(now=auction.ends_at - SOON).done == watchers
    return len(queries)


@pytest.mark.postgres  # SQLite takes 62 rows in one INSERT.
def test_two_hundred_watchers_cost_as_many_queries_as_one():
    assert queries_for(1) == queries_for(200) <= 16
