"""Watched auctions, and the reminders of their ends.

Lock order: the watches of one auction, by their ids; nothing else. An extension may move the end while its watchers are
told; what they are told was right when it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from accounts.models import User
from accounts.notifications import Message, notify_many
from accounts.registry import NotificationKind, notification_kinds
from auctions.models import Auction, AuctionEvent, Watch
from auctions.services.telling import auction_mail, moment_text
from common.money import money_text
from common.sweeps import SweepResult

log = structlog.get_logger(__name__)

ENDING_SOON = "ending_soon"
AT_ONCE = 500  # Watchers in one transaction.


def register_kinds() -> None:
    """Called once the apps are ready."""
    kind = NotificationKind(label="Watched auctions that end soon", build_mail=auction_mail)
    notification_kinds.register(ENDING_SOON, kind)


@dataclass(frozen=True, slots=True)
class Stage:
    """How long before the end it begins, and the columns of `Watch` that say when it was told; `told` are those that
    it settles: who is told of the last quarter of an hour needs no word of the last day."""

    name: str
    ahead: timedelta
    until: timedelta
    column: str
    told: tuple[str, ...]
    words: str


SOON = Stage(
    "soon", timedelta(minutes=15), timedelta(0), "reminded_soon_at", ("reminded_soon_at", "reminded_day_at"),
    "15 minutes",
)  # fmt: skip
DAY = Stage("day", timedelta(hours=24), SOON.ahead, "reminded_day_at", ("reminded_day_at",), "a day")
STAGES = (SOON, DAY)


def watch_auction(*, auction: Auction, user: User, now: datetime) -> None:
    """Again changes nothing; of two at the same moment the constraint keeps one."""
    Watch.objects.bulk_create([Watch(user=user, auction=auction, created_at=now)], ignore_conflicts=True)


def unwatch_auction(*, auction: Auction, user: User) -> None:
    """Again changes nothing."""
    Watch.objects.filter(user=user, auction=auction).delete()


def watched_by(user: Any) -> QuerySet[Auction]:
    """What the user watches, of what the user may see; the next to end first."""
    seen = Auction.objects.visible_to(user).filter(watches__user=user.pk)
    return seen.select_related("listing").order_by("ends_at", "id")


def remind_watchers(*, now: datetime) -> SweepResult:
    """Tell the watchers of live auctions that end within a day or a quarter of an hour, each once in each stage; who
    begins to watch within a stage is told too. An end that was moved beyond the stage again lets its watchers be told
    again. Some 500 watchers take a handful of queries; one auction that fails does not stop the others."""
    done = failed = 0
    for stage in STAGES:
        for auction in _due_auctions(stage, now):
            try:
                while told := _remind_some(auction, stage, now=now):
                    done += told
            except Exception:
                failed += 1
                log.exception("reminder_failed", auction=auction.pk, stage=stage.name)
    return SweepResult(done, failed)


def _due_auctions(stage: Stage, now: datetime) -> Sequence[Any]:
    """In the stage and with somebody to tell, each with the last event at which its end was still further off: the one
    that armed the stage (`armed_at`, `armed_seq`; None when it never was)."""
    further_off = AuctionEvent.objects.filter(auction=OuterRef("pk"), ends_at__gt=F("at") + stage.ahead)
    armed = further_off.order_by("-seq")
    ending = Auction.objects.filter(
        status=Auction.Status.LIVE, ends_at__gt=now + stage.until, ends_at__lte=now + stage.ahead
    )
    ending = ending.annotate(armed_at=Subquery(armed.values("at")[:1]), armed_seq=Subquery(armed.values("seq")[:1]))
    waiting = Watch.objects.filter(
        Q(**{stage.column: None}) | Q(**{f"{stage.column}__lt": OuterRef("armed_at")}), auction=OuterRef("pk")
    )
    return list(ending.filter(Exists(waiting)).select_related("listing").order_by("ends_at", "id"))


def _waiting(auction: Any, stage: Stage) -> QuerySet[Watch]:
    due = Q(**{stage.column: None})
    if auction.armed_at is not None:
        due |= Q(**{f"{stage.column}__lt": auction.armed_at})
    return Watch.objects.filter(due, auction=auction)


@transaction.atomic
def _remind_some(auction: Any, stage: Stage, *, now: datetime) -> int:
    """The next watchers that nobody else is telling at this moment, under their locks. The key of the message, which
    names what armed the stage, holds where a lock does not: a watch that was taken away and made again."""
    free = _waiting(auction, stage).select_for_update(of=("self",), skip_locked=True, no_key=True)
    watches = list(free.order_by("pk")[:AT_ONCE])
    if watches:
        notify_many((_message(watch.user_id, auction, stage) for watch in watches), now=now)
        told = Watch.objects.filter(pk__in=[watch.pk for watch in watches])
        told.update(**dict.fromkeys(stage.told, now))
    return len(watches)


def _message(user_id: int, auction: Any, stage: Stage) -> Message:
    least = money_text(auction.min_next, auction.currency)
    stands = (
        "Nobody has bid yet."
        if auction.price is None
        else f"The price is {money_text(auction.price, auction.currency)}."
    )
    return Message(
        user_id,
        ENDING_SOON,
        title=f"Ends in less than {stage.words}: {auction.listing}",
        body=f"{stands} The next bid has to be {least} or more. "
        f"The auction ends on {moment_text(auction.ends_at)}, later if there are late bids.",
        data={"auction": auction.pk, "listing": auction.listing_id, "stage": stage.name},
        dedupe_key=f"{stage.name}:{auction.pk}:{auction.armed_seq or 0}",
    )
