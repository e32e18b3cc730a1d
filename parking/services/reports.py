"""The monthly report: what a driver parked and paid in the month before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.template.loader import render_to_string

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.registry import MailContent, NotificationKind, notification_kinds
from common.clock import zone_named
from common.money import money_text, to_cents
from common.sweeps import sweep
from parking.costs import parked_seconds
from parking.models import Reservation, ReservationQuerySet
from parking.month import Month, Stay, bounds, month_before
from parking.services.recipients import untold, zones_in_use

PARKING_REPORT = "parking_report"
MOST_STAYS = 10  # Listed in one mail, the latest.
BAR_HEIGHT = 72  # Pixels of the tallest bar.
WEEKDAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def register_kinds() -> None:
    """Called once the apps are ready."""
    kind = NotificationKind(label="Monthly parking report", build_mail=_mail)
    notification_kinds.register(PARKING_REPORT, kind)


def send_monthly_reports(*, now: datetime) -> None:
    """Tell everybody who parked in the deployment's last calendar month what that was, once. Whose own month is not
    over yet, or could not be told, is found by a later run."""
    first = month_before(now.astimezone(zone_named("")).date())
    for name, zone in zones_in_use().items():
        start, end = bounds(first, zone)
        if now < end:
            continue
        stays = _stays(start, end).filter(user=OuterRef("pk"))
        due = untold(kind=PARKING_REPORT, dedupe_key=_key(first), zone_name=name).filter(Exists(stays))
        sweep(due, partial(_report, first=first), now=now)


def month_of(*, user: User, first: date) -> Month | None:
    """The figures of the month that begins on `first`, on the user's own clock; one query. None without a stay."""
    zone = zone_named(user.timezone)
    columns = ("checked_in_at", "released_at", "lot_id", "lot__name", "spot__number", "cost", "rate__currency")
    rows = _stays(*bounds(first, zone)).filter(user=user).order_by("released_at", "pk").values_list(*columns)
    stays = tuple(
        Stay(until.astimezone(zone).date(), lot_id, lot, spot, parked_seconds(since, until), cost, currency)
        for since, until, lot_id, lot, spot, cost, currency in rows
    )
    return Month(first, stays) if stays else None


def _stays(start: datetime, end: datetime) -> ReservationQuerySet:
    ended = Reservation.objects.filter(status=Reservation.Status.COMPLETED)
    return ended.filter(released_at__gte=start, released_at__lt=end)


def _key(first: date) -> str:
    return f"{first:%Y-%m}"


def _report(user: User, *, now: datetime, first: date) -> None:
    month = month_of(user=user, first=first)
    if month is None:
        return
    notify(
        user=user,
        kind=PARKING_REPORT,
        title=_subject(first),
        body=f"Bookings: {month.bookings}, time parked: {_duration(month.seconds)}, spent: {_spent(month)}.",
        data={
            "month": _key(first),
            "bookings": month.bookings,
            "hours": str(to_cents(Decimal(month.seconds) / 3600)),
            "spend": {spend.currency: str(spend.total) for spend in month.spends},
        },
        dedupe_key=_key(first),
        now=now,
    )


def _mail(notification: Notification) -> MailContent | None:
    user = notification.user
    if user is None:
        return None
    first = date.fromisoformat(f"{notification.data['month']}-01")
    month = month_of(user=user, first=first)
    if month is None:  # The stays were taken back, or the user has moved to another zone.
        return None
    context = _context(month) | {"name": user.first_name, "zone": str(zone_named(user.timezone))}
    return MailContent(
        subject=_subject(first),
        body=render_to_string("parking/mail/report.txt", context).strip(),
        html=render_to_string("parking/mail/report.html", context),
        link=f"{settings.BACKEND_URL}/api/parking/reservations",
        link_label="All your reservations",
    )


# --- How the figures are shown ----------------------------------------------------------------------------------------


def _context(month: Month) -> dict[str, Any]:
    """The same figures for the text and the HTML part, written out."""
    lot, lot_tally = month.most_used_lot
    peak, peak_tally = month.peak_day
    return {
        "month": month,
        "facts": [
            ("Bookings", [str(month.bookings)]),
            ("Time parked", [_duration(month.seconds)]),
            ("Spent", [money_text(spend.total, spend.currency) for spend in month.spends]),
            ("Average stay", [_duration(month.average_seconds)]),
            ("Cost per hour", [money_text(spend.cost_per_hour, spend.currency) for spend in month.spends]),
            ("Days parked", [str(len({stay.day for stay in month.stays}))]),
        ],
        "lot": {"name": lot, "bookings": lot_tally.bookings, "time": _duration(lot_tally.seconds)},
        "peak": {"day": peak, "bookings": peak_tally.bookings, "time": _duration(peak_tally.seconds)},
        "week_parts": [
            {"name": name, "bookings": part.bookings, "time": _duration(part.seconds), "weight": part.seconds}
            for name, part in (("Mon to Fri", month.weekdays), ("Weekend", month.weekend))
        ],
        "weekday_share": min(_share(month.weekdays.seconds, month.seconds), 98) if month.weekend.seconds else 100,
        "usage": _usage(month),
        "daily_spends": [_daily(spend.currency, spend.by_day) for spend in month.spends if spend.total],
        "stays": [_listed(stay) for stay in month.stays[: -MOST_STAYS - 1 : -1]],
        "more_stays": max(0, month.bookings - MOST_STAYS),
    }


def _usage(month: Month) -> list[dict[str, Any]]:
    tallest = max(day.seconds for day in month.by_weekday)
    return [
        {
            "name": name,
            "hours": _tenths(day.seconds),
            "height": _share(day.seconds, tallest) * BAR_HEIGHT // 100,
            "is_weekend": name in WEEKDAY_NAMES[5:],
        }
        for name, day in zip(WEEKDAY_NAMES, month.by_weekday, strict=True)
    ]


def _daily(currency: str, by_day: Mapping[date, Decimal]) -> dict[str, Any]:
    most = max(by_day.values())
    rows: Sequence[dict[str, Any]] = [
        {"day": day, "amount": f"{amount:,.2f}", "width": _share(amount, most)} for day, amount in by_day.items()
    ]
    return {"currency": currency, "rows": rows}


def _listed(stay: Stay) -> dict[str, Any]:
    return {
        "day": stay.day,
        "lot": stay.lot,
        "spot": stay.spot,
        "time": _duration(stay.seconds),
        "cost": money_text(stay.cost, stay.currency),
    }


def _tenths(seconds: int) -> str:
    """Hours on top of a bar, which has no room for more; empty where there is none."""
    hours = (Decimal(seconds) / 3600).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return "" if not seconds else f"{hours:,}" if hours else "<0.1"


def _share(part: int | Decimal, whole: int | Decimal) -> int:
    """Whole percent of the widest bar; whatever there is can be seen."""
    return max(2, round(100 * part / whole)) if part else 0


def _subject(first: date) -> str:
    return f"Your parking in {first:%B %Y}"


def _spent(month: Month) -> str:
    return ", ".join(money_text(spend.total, spend.currency) for spend in month.spends)


def _duration(seconds: int) -> str:
    """In minutes, rounded half up; what is there is at least one."""
    minutes = max((seconds + 30) // 60, 1 if seconds else 0)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"
