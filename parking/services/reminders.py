"""The daily reminder: to those who did not park lately, and to all when a lot was opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.registry import MailContent, NotificationKind, notification_kinds
from common.clock import zone_named
from common.sweeps import sweep
from parking.costs import hourly_rate
from parking.models import Lot, LotQuerySet, Reservation, ReservationQuerySet, Spot
from parking.services.rates import current_rate, with_current_rate
from parking.services.recipients import untold, zones_in_use

PARKING_REMINDER = "parking_reminder"
DUE = time(18)  # On the user's own clock.
IDLE_FOR = timedelta(days=3)
MOST_LOTS = 5  # In one mail; of the others it tells the number.
Status = Reservation.Status


def register_kinds() -> None:
    """Called once the apps are ready. Nobody needs yesterday's reminder in the inbox, so it is by mail alone unless
    the user wants otherwise."""
    kind = NotificationKind(label="Parking reminders and new lots", in_app=False, build_mail=_mail)
    notification_kinds.register(PARKING_REMINDER, kind)


def send_reminders(*, now: datetime) -> None:
    """Remind everybody for whom it is past 18:00 and who was not told anything today. Between two runs it may be as
    long as one likes, up to midnight: a day whose evening passed without a run is left out.

    A lot is new to the user from its opening until the next 18:00, so that each is told once.
    """
    for name, zone in zones_in_use().items():
        today = now.astimezone(zone).date()
        due_at = datetime.combine(today, DUE, tzinfo=zone)
        if now < due_at:
            continue
        opened = _open_lots().filter(
            created_at__gt=datetime.combine(today - timedelta(days=1), DUE, tzinfo=zone), created_at__lte=due_at
        )
        lots = list(opened.order_by("-id").values_list("pk", "name"))
        parked = _parked_since(now - IDLE_FOR).filter(user=OuterRef("pk"))
        due = untold(kind=PARKING_REMINDER, dedupe_key=today.isoformat(), zone_name=name)
        due = due.annotate(is_idle=~Exists(parked)) if lots else due.filter(~Exists(parked))
        sweep(due, partial(_remind, today=today, lots=lots), now=now)


def _remind(user: User, *, now: datetime, today: date, lots: Sequence[tuple[int, str]]) -> None:
    shown = lots[:MOST_LOTS]
    names = [name for _, name in shown]
    notify(
        user=user,
        kind=PARKING_REMINDER,
        title=_subject(names, len(lots)),
        body=f"New: {', '.join(names)}" if names else "You have no reservation.",
        data={
            "date": today.isoformat(),
            "idle": getattr(user, "is_idle", True),
            "lots": [pk for pk, _ in shown],
            "more_lots": len(lots) - len(shown),
        },
        dedupe_key=today.isoformat(),
        now=now,
    )


def _open_lots() -> LotQuerySet:
    return Lot.objects.live().filter(is_active=True)


def _parked_since(since: datetime) -> ReservationQuerySet:
    """Reservations that are open, or were until then. What was cancelled never was one."""
    return Reservation.objects.filter(
        Q(status__in=Reservation.OCCUPYING)
        | Q(status=Status.COMPLETED, released_at__gt=since)
        | Q(status=Status.NO_SHOW, starts_at__gt=since)
    )


def _subject(names: Sequence[str], count: int) -> str:
    if not names:
        return "Book your next parking spot"
    return f"{names[0]} is open" if count == 1 else f"{count} new parking lots are open"


def _mail(notification: Notification) -> MailContent | None:
    """From the tables as they are when the mail goes out: None when the user has booked meanwhile, and nothing else is
    left to tell."""
    user, data = notification.user, notification.data
    if user is None:
        return None
    reserved = _parked_since(notification.created_at - IDLE_FOR).filter(user=user)
    idle = data["idle"] and not reserved.exists()
    lots = with_current_rate(_open_lots().filter(pk__in=data["lots"])).order_by("-id")
    shown = [_shown(lot) for lot in lots]
    if not (idle or shown):
        return None
    more = data["more_lots"] if shown else 0
    context = {"name": user.first_name, "idle": idle, "last": _last_stay(user) if idle else None}
    context |= {"lots": shown, "more": more}
    return MailContent(
        subject=_subject([lot["name"] for lot in shown], len(shown) + more),
        body=render_to_string("parking/mail/reminder.txt", context).strip(),
        html=render_to_string("parking/mail/reminder.html", context),
        link=f"{settings.BACKEND_URL}/api/parking/lots",
        link_label="See the lots",
    )


def _shown(lot: Lot) -> dict[str, Any]:
    rate = current_rate(lot)
    spots: QuerySet[Spot] = lot.spots.filter(status=Spot.Status.IN_SERVICE)
    return {
        "name": lot.name,
        "address": f"{lot.address}, {lot.pin_code}",
        "description": lot.description,
        "spots": spots.count(),
        "price": f"{hourly_rate(rate.price, rate.increment_min):,} {rate.currency}" if rate.price else "",
        "hours": f"{lot.opens_at:%H:%M} to {lot.closes_at:%H:%M}"
        if lot.opens_at and lot.closes_at
        else "day and night",
    }


def _last_stay(user: User) -> dict[str, Any] | None:
    stays = Reservation.objects.filter(user=user, status=Status.COMPLETED).select_related("lot")
    last = stays.order_by("-released_at").first()
    if last is None or last.released_at is None:
        return None
    return {"lot": last.lot.name, "day": last.released_at.astimezone(zone_named(user.timezone)).date()}
