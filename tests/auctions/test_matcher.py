"""The matcher: which searches a new listing meets, each told once."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification, NotificationPreference, User
from auctions import tasks
from auctions.filters.watching import found_by
from auctions.models import Listing, SavedSearch, SearchMatch
from auctions.services import searches
from auctions.services.searches import match_searches
from auctions.services.watching import watch_auction
from tests.auctions.factories import AuctionFactory, ListingFactory
from tests.factories import UserFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db


def match() -> int:
    return match_searches(select=found_by, now=timezone.now())


def search(filters: dict, *, user: User | None = None, **fields) -> SavedSearch:
    user = user or UserFactory()
    return SavedSearch.objects.create(**{"user": user, "name": "Mine", "filters": filters} | fields)


def finders() -> set[int]:
    return set(SearchMatch.objects.values_list("search_id", flat=True))


def test_an_instant_search_is_told_of_a_new_listing_by_app_and_mail():
    listing, mine = ListingFactory(), search({"make": "honda", "max_price": "1000.00"}, name="Cheap Hondas")
    assert match() == 1
    row = Notification.objects.get(user=mine.user)
    assert (row.kind, row.title) == ("search_match", "New for Cheap Hondas: 2018 Honda Accord")
    assert row.body == "2018 Honda Accord, 62,000 miles, Albany NY, from 1,000.00 USD."
    assert row.data == {"listing": listing.pk, "search": mine.pk}
    assert send_due(timezone.now()) == [mine.user.email]
    assert all(f"/api/vehicles/{listing.pk}" in part for part in parts_of_last_mail())


def test_each_filter_decides_for_itself():
    ListingFactory(body_type="sedan", has_keys=False)
    hits = [{}, {"make": "HONDA"}, {"year_min": 2018, "year_max": 2018}, {"has_keys": False}, {"body_type": "sedan"},
            {"search": "accord"}, {"state": "ny"}, {"ordering": "bids"}, {"min_price": "1000.00"}]  # fmt: skip
    misses = [{"make": "Toyota"}, {"year_max": 2017}, {"has_keys": True}, {"body_type": "suv"}, {"search": "civic"},
              {"state": "CA"}, {"mileage_max": 1}, {"auction_status": "live"}, {"max_price": "999.99"}]  # fmt: skip
    expected = {search(filters).pk for filters in hits}
    for filters in misses:
        search(filters)
    assert match() == len(hits)
    assert finders() == expected


def test_each_pair_is_told_once_also_when_the_listing_comes_again():
    listing, mine = ListingFactory(), search({})
    assert match() == 1
    assert match() == 0
    Listing.objects.filter(pk=listing.pk).update(matched_at=None)  # Published anew, or a run died before its end.
    assert match() == 0
    assert Notification.objects.filter(user=mine.user).count() == 1


def test_nobody_is_told_of_the_own_listing():
    listing = ListingFactory()
    search({}, user=listing.seller)
    assert match() == 0
    assert not Notification.objects.exists()


@pytest.mark.parametrize("status", ["draft", "pending_review", "pending_sale", "suspended"])
def test_what_is_not_on_the_marketplace_is_not_matched(status):
    listing = ListingFactory(published_at=timezone.now())
    Listing.objects.filter(pk=listing.pk).update(status=status)
    search({})
    assert match() == 0
    listing.refresh_from_db()
    assert listing.matched_at is None


def test_searches_that_are_off_and_of_people_who_left_are_passed_over():
    ListingFactory()
    search({}, cadence="off")
    search({}, user=UserFactory(is_active=False))
    assert match() == 0


def test_a_daily_search_waits_for_its_digest():
    ListingFactory()
    search({}, cadence="daily")
    assert match() == 1
    assert SearchMatch.objects.get().told_at is None
    assert not Notification.objects.exists()


def test_a_search_is_not_told_of_what_was_there_before_it():
    ListingFactory()
    match()
    search({})
    assert match() == 0


def test_who_wants_no_word_of_it_gets_none():
    ListingFactory()
    mine = search({})
    NotificationPreference.objects.create(user=mine.user, kind="search_match", in_app=False, email=False)
    assert match() == 1
    assert not Notification.objects.exists()


def test_a_search_that_makes_no_sense_any_more_stops_nobody():
    ListingFactory()
    search({"colour_of_the_past": "beige"})
    good = search({})
    assert match() == 1
    assert finders() == {good.pk}


def test_many_listings_come_in_parts_the_oldest_first(monkeypatch):
    monkeypatch.setattr(searches, "MOST_LISTINGS", 2)
    mine = search({})
    listings = [ListingFactory() for _ in range(3)]
    assert [match(), match(), match()] == [2, 1, 0]
    rows = Notification.objects.filter(user=mine.user).order_by("pk")
    assert [row.data["listing"] for row in rows] == [listing.pk for listing in listings]


def test_a_run_that_dies_is_made_up_for_without_telling_twice(monkeypatch):
    monkeypatch.setattr(searches, "AT_ONCE", 1)
    ListingFactory()
    first, second = search({}), search({})
    real = searches._tell

    def die_at_the_second(found, *, now):
        if second.pk in found:
            raise RuntimeError("planted")
        return real(found, now=now)

    monkeypatch.setattr(searches, "_tell", die_at_the_second)
    with pytest.raises(RuntimeError):
        match()
    monkeypatch.setattr(searches, "_tell", real)
    assert match() == 1
    assert finders() == {first.pk, second.pk}


def test_nothing_that_is_told_depends_on_the_reserve():
    ListingFactory(reserve_price=Decimal("4711.00"))
    search({})
    match()
    rows = Notification.objects.values("title", "body", "data")
    assert "4711" not in json.dumps(list(rows)).replace(",", "")


def test_the_jobs_of_the_schedule_run():
    """Match, digest, remind: by their tasks, with the real filters and clock."""
    ListingFactory(make="Honda")
    due = timezone.now() - timedelta(minutes=1)
    mine = search({"make": "Honda"}, cadence="daily", digest_due_at=due)
    watch_auction(auction=AuctionFactory(), user=mine.user, now=timezone.now())
    for task in (tasks.match_searches, tasks.send_digests, tasks.remind_watchers):
        task()
    kinds = Notification.objects.filter(user=mine.user).values_list("kind", flat=True)
    assert sorted(kinds) == ["ending_soon", "search_digest"]


def queries_for(count: int, **filters) -> int:
    SavedSearch.objects.all().delete()
    Listing.objects.update(matched_at=timezone.now())
    ListingFactory()
    user = UserFactory()
    SavedSearch.objects.bulk_create(
        SavedSearch(user=user, name="One", filters=filters | {"year_min": 1900 + n % 100}) for n in range(count)
    )
    with CaptureQueriesContext(connection) as queries:
        match()
    return len(queries)


@pytest.mark.postgres  # SQLite takes 62 rows in one INSERT.
def test_the_queries_do_not_grow_with_the_searches():
    assert queries_for(1) == queries_for(100) <= 16
    assert queries_for(200, make="Toyota") <= 8
