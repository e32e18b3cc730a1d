"""Saved searches, and telling of the new listings that they find.

Lock order: the user when a search is made, so that nobody has more than may be; else the searches, by their ids. Under
its lock a search is asked again how it wants to be told, and what it has found before.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import IntegerField, QuerySet, Value

from accounts.models import Notification, User
from accounts.notifications import Message, notify_many
from accounts.registry import MailContent, NotificationKind, notification_kinds
from accounts.services import lock_user
from auctions.models import Listing, SavedSearch, SearchMatch
from auctions.services.digests import describe, next_digest, tell_waiting
from common.errors import Conflict, NotFound

SEARCH_MATCH = "search_match"
MOST_SEARCHES = 50  # Of one user.
MOST_LISTINGS = 50  # New ones in one run.
AT_ONCE = 200  # Searches in one transaction.
IN_ONE_QUERY = 100  # Different filters.
# What a search finds among some listings; the filters are of a layer above.
Select = Callable[[QuerySet[Listing], Mapping[str, Any]], QuerySet[Listing]]
Cadence = SavedSearch.Cadence


class TooManySearches(Conflict):
    """`meta.most` says how many one may have."""

    code = "too_many_searches"
    detail = "You have as many saved searches as one may have."


def register_kinds() -> None:
    """Called once the apps are ready."""
    kind = NotificationKind(label="New listings that your searches find", build_mail=_mail)
    notification_kinds.register(SEARCH_MATCH, kind)


# --- One's own searches -----------------------------------------------------------------------------------------------


@transaction.atomic
def create_search(
    *, user: User, name: str, filters: Mapping[str, Any], now: datetime, cadence: str = Cadence.INSTANT
) -> SavedSearch:
    """Save a search, whose filters were validated, for listings that are published from now on. Raises
    TooManySearches."""
    owner = lock_user(user.pk)
    if SavedSearch.objects.filter(user=owner).count() >= MOST_SEARCHES:
        raise TooManySearches(meta={"most": MOST_SEARCHES})
    search = SavedSearch(user=owner, name=name, filters=dict(filters), cadence=cadence, created_at=now)
    _set_due(search, now=now)
    search.save()
    return search


@transaction.atomic
def update_search(*, search: SavedSearch, changes: Mapping[str, Any], now: datetime) -> SavedSearch:
    """Change name, filters or cadence. What a daily search has found and not told yet is told at once when it is not
    daily any more, unless it is put off. Raises NotFound."""
    locked = SavedSearch.objects.select_for_update(of=("self",), no_key=True).filter(pk=search.pk).first()
    if locked is None:
        raise NotFound
    was_daily = locked.cadence == Cadence.DAILY
    for name, value in changes.items():
        setattr(locked, name, value)
    if (locked.cadence == Cadence.DAILY) is not was_daily:
        _set_due(locked, now=now)
    if was_daily and locked.cadence == Cadence.INSTANT:
        tell_waiting([locked], now=now)
    elif locked.cadence == Cadence.OFF:
        SearchMatch.objects.filter(search=locked, told_at=None).update(told_at=now)
    locked.save(update_fields=[*changes, "digest_due_at", "updated_at"])
    return locked


def delete_search(*, search: SavedSearch) -> None:
    search.delete()


def _set_due(search: SavedSearch, *, now: datetime) -> None:
    search.digest_due_at = next_digest(search.user, now=now) if search.cadence == Cadence.DAILY else None


# --- Matching ---------------------------------------------------------------------------------------------------------


def match_searches(*, select: Select, now: datetime) -> int:
    """Find the searches that the oldest new listings meet, and tell: at once or, for daily ones, with the next digest.
    Answers how many matches are new. Each pair of search and listing is told once, whatever runs twice; a run that dies
    is made up for by the next one, since the listings are marked at the end.

    Costs one query for every 100 different filters among each 200 searches, whatever the number of listings, and about
    a millisecond of this process for each of the filters (2,000 different ones: 20 queries, two seconds); and for each
    200 searches that found something at all, seven queries more.
    """
    new = Listing.objects.public().filter(matched_at=None).order_by("published_at", "pk")
    ids = list(new.values_list("pk", flat=True)[:MOST_LISTINGS])
    if not ids:
        return 0
    listings = Listing.objects.public().filter(pk__in=ids)
    told = sum(_tell(_found(searches, listings, select), now=now) for searches in _batches())
    Listing.objects.filter(pk__in=ids, matched_at=None).update(matched_at=now)
    return told


def _batches() -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Ids and filters of all searches that want to be told."""
    wanted = SavedSearch.objects.exclude(cadence=Cadence.OFF).filter(user__is_active=True).order_by("pk")
    last = 0
    while batch := list(wanted.filter(pk__gt=last).values_list("pk", "filters")[:AT_ONCE]):
        yield batch
        last = batch[-1][0]


def _found(
    searches: Sequence[tuple[int, dict[str, Any]]], listings: QuerySet[Listing], select: Select
) -> dict[int, list[int]]:
    """The ids of listings by the search that found them. Searches for the same thing are one term, and many terms are
    one query."""
    same: dict[str, list[int]] = defaultdict(list)
    for pk, filters in searches:
        same[json.dumps(filters, sort_keys=True)].append(pk)
    groups = iter(same.items())
    found: dict[int, list[int]] = defaultdict(list)
    while chunk := list(islice(groups, IN_ONE_QUERY)):
        terms = [
            select(listings, json.loads(filters))
            .order_by()
            .annotate(term=Value(number, output_field=IntegerField()))
            .values_list("term", "pk")
            for number, (filters, _) in enumerate(chunk)
        ]
        for number, listing_id in terms[0].union(*terms[1:], all=True):
            for search_id in chunk[number][1]:
                found[search_id].append(listing_id)
    return found


@transaction.atomic
def _tell(found: Mapping[int, Sequence[int]], *, now: datetime) -> int:
    """Write down what is new in `found`, and tell of it; answers how much that is. Nobody is told of the own listing,
    nor by a search that was put off meanwhile."""
    if not found:
        return 0
    wanted = SavedSearch.objects.exclude(cadence=Cadence.OFF).filter(pk__in=found).order_by("pk")
    searches = list(wanted.select_for_update(of=("self",), no_key=True))
    listings = Listing.objects.in_bulk({pk for ids in found.values() for pk in ids})
    before = SearchMatch.objects.filter(search__in=searches, listing__in=listings)
    known = set(before.values_list("search_id", "listing_id"))
    pairs = [
        (search, listings[listing_id])
        for search in searches
        for listing_id in found[search.pk]
        if (search.pk, listing_id) not in known and listings[listing_id].seller_id != search.user_id
    ]
    SearchMatch.objects.bulk_create(
        SearchMatch(
            search=search,
            listing=listing,
            created_at=now,
            told_at=now if search.cadence == Cadence.INSTANT else None,
        )
        for search, listing in pairs
    )
    notify_many((_message(*pair) for pair in pairs if pair[0].cadence == Cadence.INSTANT), now=now)
    return len(pairs)


def _message(search: SavedSearch, listing: Listing) -> Message:
    return Message(
        search.user_id,
        SEARCH_MATCH,
        title=f"New for {search.name}: {listing}",
        body=describe(listing) + ".",
        data={"listing": listing.pk, "search": search.pk},
        dedupe_key=f"{search.pk}:{listing.pk}",
    )


def _mail(notification: Notification) -> MailContent:
    return MailContent(
        notification.title,
        notification.body,
        link=f"{settings.BACKEND_URL}/api/vehicles/{notification.data['listing']}",
        link_label="See the vehicle",
    )
