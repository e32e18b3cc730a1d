"""Whom the mails of parking go to, and by which clock they live."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Notification, NotificationPreference, User
from common.clock import zone_named


def zones_in_use() -> dict[str, ZoneInfo]:
    """By the name as the active users have it, which may be blank."""
    names = User.objects.filter(is_active=True).order_by("timezone").values_list("timezone", flat=True).distinct()
    return {name: zone_named(name) for name in names}


def untold(*, kind: str, dedupe_key: str, zone_name: str) -> QuerySet[User]:
    """The active users with that zone whom this message of the kind has not reached and who want it somewhere."""
    told = Notification.objects.filter(user=OuterRef("pk"), kind=kind, dedupe_key=dedupe_key)
    declined = NotificationPreference.objects.filter(user=OuterRef("pk"), kind=kind, in_app=False, email=False)
    return User.objects.filter(~Exists(told), ~Exists(declined), is_active=True, timezone=zone_name)
