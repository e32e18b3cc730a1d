"""Watching an auction, and the list of those that one watches."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from auctions.models import Listing, Watch
from auctions.services.bids import place_bid
from auctions.services.watching import watch_auction
from tests.auctions.factories import AuctionFactory, BidderFactory

pytestmark = pytest.mark.django_db
WATCHLIST = "/api/watchlist"


def path_of(auction):
    return f"/api/auctions/{auction.pk}/watch"


def watch(user, *auctions):
    for auction in auctions:
        watch_auction(auction=auction, user=user, now=timezone.now())


def test_watching_twice_is_watching_once_and_so_is_the_end_of_it(user, as_user):
    auction, client = AuctionFactory(), as_user(user)
    for _ in range(2):
        answer = client.put(path_of(auction))
        assert (answer.status_code, answer.content) == (204, b"")
    assert Watch.objects.filter(user=user, auction=auction).count() == 1
    for _ in range(2):
        assert client.delete(path_of(auction)).status_code == 204
    assert not Watch.objects.exists()


def test_watching_anew_keeps_what_was_told(user, as_user):
    auction = AuctionFactory()
    watch(user, auction)
    Watch.objects.update(reminded_day_at=timezone.now())
    assert as_user(user).put(path_of(auction), {}, format="json").status_code == 204
    assert Watch.objects.get().reminded_day_at is not None


def test_nobody_watches_without_signing_in(api):
    auction = AuctionFactory()
    for call in (api.put, api.delete):
        assert call(path_of(auction)).status_code == 401
    assert api.get(WATCHLIST).status_code == 401


def test_one_ends_the_own_watch_and_nobody_elses(user, other_user, as_user):
    auction = AuctionFactory()
    watch(user, auction)
    assert as_user(other_user).delete(path_of(auction)).status_code == 204
    assert Watch.objects.filter(user=user).exists()


def test_what_one_may_not_see_cannot_be_watched(user, as_user):
    auction = AuctionFactory()
    Listing.objects.filter(pk=auction.listing_id).update(status="suspended")
    client = as_user(user)
    hidden, absent = client.put(path_of(auction)), client.put("/api/auctions/99999/watch")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.content == absent.content
    assert as_user(auction.seller).put(path_of(auction)).status_code == 204


def test_a_body_and_a_query_mean_nothing_here(user, as_user):
    auction, client = AuctionFactory(), as_user(user)
    assert client.put(path_of(auction), {"auction": 1}, format="json").status_code == 400
    assert client.put(path_of(auction) + "?loud=true").status_code == 400
    assert client.delete(path_of(auction) + "?status=live").status_code == 400
    assert client.post(path_of(auction)).status_code == 405


def test_the_watchlist_holds_the_own_auctions_the_next_to_end_first(user, other_user, as_user):
    later = AuctionFactory(ends_at=timezone.now() + timedelta(hours=3))
    sooner = AuctionFactory(ends_at=timezone.now() + timedelta(hours=2))
    watch(user, later, sooner)
    watch(other_user, AuctionFactory(), sooner)
    answer = as_user(user).get(WATCHLIST).json()
    assert [row["id"] for row in answer["results"]] == [sooner.pk, later.pk]
    assert answer["count"] == 2
    assert {row["title"] for row in answer["results"]} == {"2018 Honda Accord"}


def test_a_row_is_the_auctions_own_json_with_a_title(user, as_user):
    auction, client = AuctionFactory(reserve_price=Decimal("1500.00")), as_user(user)
    watch(user, auction)
    (row,) = client.get(WATCHLIST).json()["results"]
    single = client.get(f"/api/auctions/{auction.pk}").json()
    assert row.keys() - single.keys() == {"title"}
    assert {name: row[name] for name in single if name != "server_time"} == {
        name: value for name, value in single.items() if name != "server_time"
    }
    assert "1500" not in str(row)


def test_the_own_maximum_shows_to_its_bidder_alone(user, as_user):
    auction, bidder = AuctionFactory(), BidderFactory()
    place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal("4711.00"))
    watch(user, auction), watch(bidder, auction)
    assert as_user(bidder).get(WATCHLIST).json()["results"][0]["your_max"] == "4711.00"
    assert "4711" not in as_user(user).get(WATCHLIST).content.decode()


def test_what_was_taken_off_the_marketplace_is_left_out(user, as_user):
    auction = AuctionFactory()
    watch(user, auction)
    Listing.objects.filter(pk=auction.listing_id).update(status="suspended")
    assert as_user(user).get(WATCHLIST).json()["results"] == []


def test_the_watchlist_filters_by_status_and_refuses_the_rest(user, as_user):
    live, scheduled, client = AuctionFactory(), AuctionFactory(status="scheduled"), as_user(user)
    watch(user, live, scheduled)
    answer = client.get(f"{WATCHLIST}?status=scheduled").json()
    assert [row["id"] for row in answer["results"]] == [scheduled.pk]
    for query in ("status=loud", "seller=1", "reserve_price=1"):
        assert client.get(f"{WATCHLIST}?{query}").status_code == 400


def test_a_page_costs_the_same_queries_however_long_it_is(user, as_user, django_assert_max_num_queries):
    client = as_user(user)
    watch(user, AuctionFactory())
    with django_assert_max_num_queries(8) as one:
        client.get(WATCHLIST)
    watch(user, *[AuctionFactory() for _ in range(6)])
    with django_assert_max_num_queries(len(one.captured_queries)):
        assert len(client.get(WATCHLIST).json()["results"]) == 7
