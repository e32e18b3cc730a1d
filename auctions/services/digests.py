"""Once a day, by the user's own clock, one message with all that the daily searches have found.

Lock order: the user, then the own searches by their ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from accounts.models import Notification, User
from accounts.notifications import Message, notify_many
from accounts.registry import MailContent, NotificationKind, notification_kinds
from auctions.models import Listing, SavedSearch, SearchMatch
from auctions.models.listings import PUBLIC_LIST
from common.clock import zone_named
from common.money import money_text
from common.sweeps import SweepResult, sweep

SEARCH_DIGEST = "search_digest"
DUE = time(8)  # On the user's own clock.
MOST_LISTED = 50  # In one message; of the others it tells the number.


def register_kinds() -> None:
    """Called once the apps are ready."""
    kind = NotificationKind(label="What your daily searches have found", build_mail=_mail)
    notification_kinds.register(SEARCH_DIGEST, kind)


def next_digest(user: User, *, now: datetime) -> datetime:
    """The next 08:00 by the user's clock, whether a day there has 23 hours or 25."""
    zone = zone_named(user.timezone)
    today = now.astimezone(zone).date()
    due_at = datetime.combine(today, DUE, tzinfo=zone)
    return due_at if due_at > now else datetime.combine(today + timedelta(days=1), DUE, tzinfo=zone)


def send_digests(*, now: datetime) -> SweepResult:
    """Tell everybody whose hour has come. A run that comes late tells then, and the next one is at the usual hour; a
    user who moved to another zone is told by its clock from the second time on."""
    due = SavedSearch.objects.filter(user=OuterRef("pk"), cadence=SavedSearch.Cadence.DAILY, digest_due_at__lte=now)
    return sweep(User.objects.filter(Exists(due), is_active=True), _send_digest, now=now)


def _send_digest(user: User, *, now: datetime) -> None:
    """Of a user whose row is locked: all daily searches, so that the day has one message."""
    daily = SavedSearch.objects.filter(user=user, cadence=SavedSearch.Cadence.DAILY)
    searches = list(daily.select_for_update(no_key=True).order_by("pk"))
    tell_waiting(searches, now=now)
    ids = [search.pk for search in searches]
    SavedSearch.objects.filter(pk__in=ids).update(digest_due_at=next_digest(user, now=now))


def tell_waiting(searches: Sequence[SavedSearch], *, now: datetime) -> None:
    """One message about all matches of one user's locked searches that were not told yet. What has left the marketplace
    meanwhile is not told at all. Without matches there is no message."""
    waiting = SearchMatch.objects.filter(search__in=searches, told_at=None)
    matches = list(waiting.select_related("listing").order_by("search_id", "pk"))
    shown = [match for match in matches if match.listing.status in PUBLIC_LIST]
    if shown:
        notify_many([_message(searches, shown)], now=now)
    SearchMatch.objects.filter(pk__in=[match.pk for match in matches]).update(told_at=now)


def _message(searches: Sequence[SavedSearch], matches: Sequence[SearchMatch]) -> Message:
    """The key names the last match, so that whoever tells the same matches again tells nothing."""
    listed = matches[:MOST_LISTED]
    by_search: dict[int, list[str]] = defaultdict(list)
    for match in listed:
        by_search[match.search_id].append(describe(match.listing))
    paragraphs = [
        "\n".join([f"{search.name}:", *by_search[search.pk]]) for search in searches if search.pk in by_search
    ]
    if len(matches) > len(listed):
        paragraphs.append(f"And {len(matches) - len(listed)} more.")
    count = len({match.listing_id for match in matches})
    return Message(
        searches[0].user_id,
        SEARCH_DIGEST,
        title="1 new listing for your searches" if count == 1 else f"{count} new listings for your searches",
        body="\n\n".join(paragraphs),
        data={"listings": sorted({match.listing_id for match in listed}), "searches": sorted(by_search)},
        dedupe_key=f"until:{max(match.pk for match in matches)}",
    )


def describe(listing: Listing) -> str:
    """`2018 Honda Accord, 62,000 miles, Albany NY, from 1,000.00 USD`."""
    place = " ".join(part for part in (listing.location_city, listing.location_state) if part)
    least = listing.starting_price
    price = "" if least is None else f"from {money_text(least, listing.currency)}"
    return ", ".join(part for part in (str(listing), f"{listing.mileage:,} miles", place, price) if part)


def _mail(notification: Notification) -> MailContent:
    return MailContent(
        notification.title,
        notification.body,
        link=f"{settings.BACKEND_URL}/api/saved-searches",
        link_label="Your searches",
    )
