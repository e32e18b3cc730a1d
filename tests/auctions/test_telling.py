"""Who is told what of an auction's events, and that it is what happened then."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification, NotificationPreference, User
from auctions import tasks
from auctions.models import Auction, AuctionBidder, AuctionEvent, Listing
from auctions.services import telling
from auctions.services.auctions import cancel_auction, pause_auction, resume_auction
from auctions.services.bids import buy_now, place_bid
from auctions.services.closing import close_auction
from auctions.services.corrections import retract_bid, void_bid
from auctions.services.telling import tell_events
from common import doorbell
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
SECRET = Decimal("4711.00")


def bid(auction: Auction, bidder: User, amount: Any) -> Any:
    return place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount))


def tell() -> None:
    assert tell_events(now=timezone.now()).failed == 0


def told(user: User) -> list[tuple[str, str]]:
    """Kinds and titles, the oldest first, since the last call."""
    rows = Notification.objects.filter(user=user).order_by("id")
    news = [(row.kind, row.title.split(":")[0]) for row in rows]
    rows.delete()
    return news


def close(auction: Auction) -> None:
    ended = auction.ends_at + timedelta(seconds=1)
    close_auction(auction_id=auction.pk, clock=lambda: ended)
    tell()


@pytest.fixture
def auction() -> Auction:
    return AuctionFactory(ends_at=timezone.now() + timedelta(days=2))


@pytest.fixture
def ann() -> User:
    return BidderFactory()


@pytest.fixture
def ben() -> User:
    return BidderFactory()


def test_a_bid_is_told_to_the_seller_and_as_a_receipt_to_its_bidder(auction, ann):
    bid(auction, ann, 2000)
    tell()
    assert told(auction.seller) == [("bid_placed", "A new bid")]
    assert told(ann) == [("bid_placed", "You lead")]
    assert send_due(timezone.now()) == []  # In the app alone.


def test_who_led_is_outbid_by_app_and_mail(auction, ann, ben):
    bid(auction, ann, 2000)
    tell()
    told(ann)
    bid(auction, ben, 3000)
    tell()
    row = Notification.objects.get(user=ann)
    assert (row.kind, row.title) == ("outbid", "You were outbid: 2018 Honda Accord")
    assert "2,100.00 USD; the next bid has to be 2,200.00 USD or more" in row.body
    assert row.data == {"auction": auction.pk, "listing": auction.listing_id, "event_seq": 3}
    assert send_due(timezone.now()) == [ann.email]
    assert all(f"/api/auctions/{auction.pk}" in part for part in parts_of_last_mail())
    assert "List-Unsubscribe" in mail.outbox[-1].extra_headers


def test_of_equal_maxima_the_later_bidder_is_told_and_nobody_is_outbid(auction, ann, ben):
    bid(auction, ann, 2000)
    bid(auction, ben, 2000)
    tell()
    assert told(ann) == [("bid_placed", "You lead")]
    assert told(ben) == [("bid_placed", "Your bid does not lead")]


def test_a_silent_raise_is_told_to_nobody(auction, ann):
    bid(auction, ann, 2000)
    tell()
    Notification.objects.all().delete()
    bid(auction, ann, 3000)
    tell()
    assert not Notification.objects.exists()


def test_the_seller_is_told_once_that_the_reserve_is_met(ann):
    auction = AuctionFactory(reserve_price=Decimal("1500.00"))
    bid(auction, ann, 1400)
    tell()
    assert told(auction.seller) == [("bid_placed", "A new bid")]
    bid(auction, ann, 1600)
    tell()
    assert sorted(told(auction.seller)) == [("bid_placed", "A new bid"), ("reserve_met", "The reserve is met")]
    assert "reserve_met" not in dict(told(ann))


def test_at_the_end_the_winner_the_others_and_the_seller_are_told(auction, ann, ben):
    bid(auction, ann, 2000)
    bid(auction, ben, 3000)
    tell()
    Notification.objects.all().delete()
    close(auction)
    won, lost = Notification.objects.get(user=ben), Notification.objects.get(user=ann)
    assert (won.kind, lost.kind) == ("auction_won", "auction_lost")
    assert all("2,100.00 USD" in row.body for row in (won, lost))
    assert send_due(timezone.now()) == sorted([ann.email, ben.email, auction.seller.email])
    assert told(auction.seller) == [("auction_closed", "Sold")]


def test_who_buys_at_once_has_won_and_who_led_has_not(ann, ben):
    auction = AuctionFactory(reserve_price=Decimal("4000.00"), buy_now_price=Decimal("5000.00"))
    bid(auction, ann, 2000)
    buy_now(user_id=ben.pk, auction_id=auction.pk)
    tell()
    assert told(ben) == [("auction_won", "You have won")]
    assert told(ann)[-1] == ("auction_lost", "You have not won")
    assert told(auction.seller)[-1] == ("auction_closed", "Sold")


def test_below_the_reserve_the_highest_bidder_and_the_others_learn_no_figure_of_it(ann, ben):
    auction = AuctionFactory(reserve_price=SECRET)
    bid(auction, ann, 2000)
    bid(auction, ben, 3000)
    close(auction)
    assert told(ben)[-1] == ("auction_closed", "The reserve was not met")
    assert told(ann)[-1] == ("auction_lost", "You have not won")
    assert told(auction.seller)[-1] == ("auction_closed", "The reserve was not met")


def test_without_bids_the_seller_alone_is_told(auction):
    close(auction)
    assert told(auction.seller) == [("auction_closed", "Ended without bids")]
    assert not Notification.objects.exists()


def test_a_voided_bid_is_told_to_its_bidder_and_to_who_leads_again(auction, ann, ben, make_user):
    bid(auction, ann, 2000)
    answer = bid(auction, ben, 3000)
    tell()
    Notification.objects.all().delete()
    void_bid(bid_id=answer.bid, actor=make_user(roles=["moderator"]), reason="A forged identity.")
    tell()
    assert "A forged identity." in Notification.objects.get(user=ben).body
    assert told(ben) == [("bid_voided", "A bid of yours was voided")]
    assert "A forged identity." not in Notification.objects.get(user=ann).body
    assert told(ann) == [("bid_voided", "You lead again")]


def test_who_took_a_bid_back_is_told_so(auction, ann):
    answer = bid(auction, ann, 2000)
    retract_bid(bid_id=answer.bid, bidder=ann, reason="One zero too many.")
    tell()
    assert told(ann)[-1] == ("bid_voided", "You took a bid back")


def test_a_pause_and_its_end_are_told_to_bidders_and_seller(auction, ann, make_user):
    moderator = make_user(roles=["moderator"])
    bid(auction, ann, 2000)
    tell()
    Notification.objects.all().delete()
    pause_auction(auction_id=auction.pk, actor=moderator, reason="To be looked into.")
    resume_auction(auction_id=auction.pk, actor=moderator)
    tell()
    for person in (ann, auction.seller):
        assert told(person) == [("auction_paused", "Paused"), ("auction_paused", "Bidding goes on")]


def test_a_cancellation_is_told_to_bidders_and_its_reason_to_the_seller_alone(auction, ann, make_user):
    bid(auction, ann, 2000)
    tell()
    Notification.objects.all().delete()
    cancel_auction(auction_id=auction.pk, actor=make_user(roles=["moderator"]), reason="Stolen.")
    tell()
    assert "Stolen." in Notification.objects.get(user=auction.seller).body
    assert "Stolen." not in Notification.objects.get(user=ann).body
    assert told(ann) == [("auction_cancelled", "Cancelled")]


def test_a_seller_who_cancels_is_not_told_so(auction):
    cancel_auction(auction_id=auction.pk, actor=auction.seller, reason="")
    tell()
    assert told(auction.seller) == []


def test_the_text_is_that_of_the_event_whatever_happened_since(auction, ann, ben):
    bid(auction, ann, 2000)
    bid(auction, ben, 3000)
    bid(auction, ann, 4000)  # Nothing was told yet: Ann is outbid, and leads again since.
    Auction.objects.filter(pk=auction.pk).update(currency="EUR", ends_at=auction.ends_at + timedelta(days=1))
    tell()
    (outbid,) = Notification.objects.filter(user=ann, kind="outbid")
    assert "The price is 2,100.00" in outbid.body
    assert telling.moment_text(auction.ends_at) in outbid.body
    (beaten,) = Notification.objects.filter(user=ben, kind="outbid")
    assert "The price is 3,100.00" in beaten.body


def test_no_notification_tells_a_maximum_or_the_reserve(ann, ben):
    auction = AuctionFactory(reserve_price=Decimal("1500.00"), ends_at=timezone.now() + timedelta(days=2))
    bid(auction, ann, 1600)
    bid(auction, ben, SECRET)
    bid(auction, ann, 2000)
    Auction.objects.filter(pk=auction.pk).update(reserve_price=Decimal("1432.00"))
    close(auction)
    rows = Notification.objects.all()
    assert rows.count() > 8
    text = " ".join(f"{row.title} {row.body} {row.data}" for row in rows)
    assert not [secret for secret in ("4,711", "4711", "1,432", "1432") if secret in text]


def test_running_again_tells_nothing_again(auction, ann):
    bid(auction, ann, 2000)
    tell()
    count = Notification.objects.count()
    AuctionEvent.objects.update(told_at=None)  # As if the mark of the first run had been lost.
    tell()
    assert Notification.objects.count() == count
    assert not AuctionEvent.objects.filter(told_at=None).exists()


def test_preferences_are_heeded(auction, ann, ben):
    NotificationPreference.objects.create(user=auction.seller, kind="bid_placed", in_app=False, email=False)
    NotificationPreference.objects.create(user=ann, kind="outbid", in_app=True, email=False)
    bid(auction, ann, 2000)
    bid(auction, ben, 3000)
    tell()
    assert told(auction.seller) == []
    assert ("outbid", "You were outbid") in told(ann)
    assert send_due(timezone.now()) == []


def test_who_is_not_active_any_more_is_not_told(auction, ann):
    bid(auction, ann, 2000)
    User.objects.filter(pk=ann.pk).update(is_active=False)
    tell()
    assert told(ann) == []


def test_an_event_that_fails_does_not_stop_the_others_and_is_told_later(auction, ann):
    broken, other = auction, AuctionFactory()
    bid(broken, ann, 2000)
    bid(other, ann, 2000)
    real = telling._of_bid

    def fail_once(event: AuctionEvent) -> Any:
        if event.auction_id == broken.pk:
            raise RuntimeError("planted")
        return real(event)

    with mock.patch.dict(telling._MESSAGES, {"bid": fail_once}):
        assert tell_events(now=timezone.now()).failed == 1
    assert Notification.objects.filter(user=ann).count() == 1
    tell()
    assert Notification.objects.filter(user=ann).count() == 2


def test_a_bid_rings_for_the_sweep_after_its_commit(auction, ann, django_capture_on_commit_callbacks):
    with mock.patch.object(doorbell, "_ring_in_turn") as ring, django_capture_on_commit_callbacks(execute=True):
        bid(auction, ann, 2000)
        ring.assert_not_called()
    ring.assert_called_once_with("auctions.tasks.tell_events")
    tasks.tell_events()
    assert told(ann) == [("bid_placed", "You lead")]


def losers_of(auction: Auction, count: int) -> None:
    start = AuctionBidder.objects.filter(auction=auction).count()
    users = User.objects.bulk_create(User(email=f"loser{auction.pk}-{n}@example.com") for n in range(count))
    AuctionBidder.objects.bulk_create(
        AuctionBidder(auction=auction, user=user, number=start + n + 1, first_bid_at=auction.starts_at)
        for n, user in enumerate(users)
    )


def queries_of_the_end(losers: int) -> int:
    auction, winner = AuctionFactory(), BidderFactory()
    bid(auction, winner, 2000)
    tell()
    losers_of(auction, losers)
    close_auction(auction_id=auction.pk, clock=partial(lambda at: at, auction.ends_at))
    with CaptureQueriesContext(connection) as queries:
        tell()
    assert Notification.objects.filter(kind="auction_lost", data__auction=auction.pk).count() == losers
    return len(queries)


@pytest.mark.postgres  # SQLite takes 62 rows in one INSERT.
def test_two_hundred_losers_cost_as_many_queries_as_one():
    assert queries_of_the_end(1) == queries_of_the_end(200) <= 12


def test_the_title_is_cut_where_the_name_is_long(auction, ann):
    Listing.objects.filter(pk=auction.listing_id).update(model="X" * 160, make="Y" * 128)
    bid(auction, ann, 2000)
    tell()
    assert len(Notification.objects.get(user=ann).title) == 200
