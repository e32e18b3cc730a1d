"""The daily digest: at eight by one's own clock, one message, whatever daylight saving does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail

from accounts.models import Notification, User
from accounts.notifications import unsubscribe
from auctions.models import Listing, SavedSearch, SearchMatch
from auctions.services.digests import MOST_LISTED, next_digest, send_digests
from auctions.services.searches import create_search
from tests.auctions.factories import ListingFactory
from tests.factories import UserFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=BERLIN)
DAY = timedelta(days=1)


@pytest.fixture
def reader() -> User:
    return UserFactory(timezone="Europe/Berlin")


def daily(user: User, name: str = "Mine") -> SavedSearch:
    return create_search(user=user, name=name, filters={}, cadence="daily", now=EVENING)


def found(*by: SavedSearch, **fields) -> Listing:
    listing = ListingFactory(**fields)
    for search in by:
        SearchMatch.objects.create(search=search, listing=listing)
    return listing


def digest(now: datetime) -> list[str]:
    assert send_digests(now=now).failed == 0
    return send_due(now)


def test_at_eight_one_mail_tells_all_that_was_found(reader):
    first, second = daily(reader, "Hondas"), daily(reader, "Sedans")
    both, one = found(first, second), found(second, model="Civic")
    assert digest(EIGHT - timedelta(seconds=1)) == []
    assert digest(EIGHT) == [reader.email]
    row = Notification.objects.get(user=reader)
    assert (row.kind, row.title) == ("search_digest", "2 new listings for your searches")
    assert row.data == {"listings": sorted([both.pk, one.pk]), "searches": [first.pk, second.pk]}
    for part in parts_of_last_mail():
        assert "Hondas:" in part
        assert "2018 Honda Civic, 62,000 miles, Albany NY, from 1,000.00 USD" in part
    assert mail.outbox[-1].extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_it_comes_once_a_day_and_only_with_news(reader):
    search = daily(reader)
    found(search)
    assert digest(EIGHT) == [reader.email]
    found(search)
    assert digest(EIGHT) == digest(EIGHT + DAY - timedelta(seconds=1)) == []
    assert digest(EIGHT + DAY) == [reader.email]
    assert digest(EIGHT + 2 * DAY) == []
    assert not SearchMatch.objects.filter(told_at=None).exists()


def test_a_late_run_tells_late_and_the_next_one_is_at_eight_again(reader):
    found(daily(reader))
    late = EIGHT + timedelta(hours=5)
    assert digest(late) == [reader.email]
    assert SavedSearch.objects.get().digest_due_at == EIGHT + DAY


def test_eight_is_by_the_readers_own_clock(settings):
    settings.DEFAULT_USER_TIMEZONE = "Asia/Tokyo"
    for zone, due in (
        ("", "2026-11-24T23:00Z"),
        ("America/Denver", "2026-11-25T15:00Z"),
        ("Mars/X", "2026-11-24T23:00Z"),
    ):
        user = UserFactory(timezone=zone)
        found(daily(user))
        at = datetime.fromisoformat(due)
        assert digest(at - timedelta(seconds=1)) == []
        assert digest(at) == [user.email]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-28T08:00+01:00", "2026-03-29T08:00+02:00"),  # A day of 23 hours.
        ("2026-10-24T08:00+02:00", "2026-10-25T08:00+01:00"),  # One of 25.
        ("2026-11-25T07:59+01:00", "2026-11-25T08:00+01:00"),
        ("2026-11-25T08:00+01:00", "2026-11-26T08:00+01:00"),
    ],
)
def test_the_next_eight_o_clock(reader, now, due):
    assert next_digest(reader, now=datetime.fromisoformat(now)) == datetime.fromisoformat(due)


def test_who_moved_is_told_by_the_new_clock_from_the_second_time_on(reader):
    search = daily(reader)
    found(search)
    User.objects.filter(pk=reader.pk).update(timezone="America/Denver")
    assert digest(EIGHT) == [reader.email]
    assert SavedSearch.objects.get().digest_due_at == datetime(2026, 11, 25, 8, tzinfo=ZoneInfo("America/Denver"))


def test_what_has_left_the_marketplace_is_not_told(reader):
    search = daily(reader)
    gone, kept = found(search), found(search, model="Civic")
    Listing.objects.filter(pk=gone.pk).update(status="suspended")
    assert digest(EIGHT) == [reader.email]
    assert Notification.objects.get(user=reader).data["listings"] == [kept.pk]
    assert not SearchMatch.objects.filter(told_at=None).exists()


def test_a_long_digest_is_cut_and_says_how_much_more_there_is(reader):
    search = daily(reader)
    for _ in range(MOST_LISTED + 2):
        found(search)
    digest(EIGHT)
    body = Notification.objects.get(user=reader).body
    assert body.count("2018 Honda Accord") == MOST_LISTED
    assert body.endswith("And 2 more.")


def test_nothing_goes_to_those_who_unsubscribed_or_left(reader):
    found(daily(reader))
    unsubscribe(user=reader, kind="search_digest")
    left = UserFactory(timezone="Europe/Berlin")
    found(daily(left))
    User.objects.filter(pk=left.pk).update(is_active=False)
    assert digest(EIGHT) == []
    assert list(Notification.objects.values_list("user", flat=True)) == [reader.pk]


def test_instant_searches_are_not_part_of_it(reader):
    search = create_search(user=reader, name="Now", filters={}, now=EVENING)
    found(search)
    assert digest(EIGHT) == []
