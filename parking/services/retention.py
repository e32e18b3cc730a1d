"""How long plates are kept: PLATE_RETENTION_DAYS after the vehicle was released; 0 keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from parking.models import PlateCheck, Reservation

Status = Reservation.Status
BATCH = 1000  # Rows to a statement, so that none holds its locks for long.


def blank_plates(*, now: datetime) -> int:
    """Blank the plates whose time is over: of stays after their release, of reservations that were cancelled or not
    used after their booked end, and of checks after their day. Answers how many rows; the next run finds the rest of
    one that was stopped."""
    if settings.PLATE_RETENTION_DAYS <= 0:
        return 0
    until = now - timedelta(days=settings.PLATE_RETENTION_DAYS)
    released = Q(status=Status.COMPLETED, released_at__lte=until)
    never_used = Q(status__in=[Status.CANCELLED, Status.NO_SHOW], ends_at__lte=until)
    reservations = Reservation.objects.filter(released | never_used).exclude(plate="", plate_key="")
    checks = PlateCheck.objects.filter(at__lte=until).exclude(plate="")
    return _blank(reservations, plate="", plate_key="", updated_at=now) + _blank(checks, plate="")


def _blank(rows: QuerySet, **blanks: object) -> int:
    total = 0
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        total += rows.filter(pk__in=pks).update(**blanks)
    return total
