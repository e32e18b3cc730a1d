"""Days of business. A document is dated where the house is, whatever day it is in Greenwich."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.DEFAULT_USER_TIMEZONE)


def business_day(moment: datetime) -> date:
    """The day that is written on what is issued at `moment`."""
    return moment.astimezone(_zone()).date()


def start_of(day: date) -> datetime:
    """The first moment of a day of business."""
    return datetime.combine(day, time.min, tzinfo=_zone())
