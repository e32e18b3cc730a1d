"""Rows that only mattered for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from accounts.idempotency import KEPT_FOR
from accounts.models import ApiKey, IdempotencyRecord, LoginCounter, TokenFamily

KEYS_KEPT_FOR = timedelta(days=90)  # After their end, so that people can look up what was used until when.


def delete_stale_rows(*, now: datetime) -> int:
    """Deletes idempotency records past their 24 hours, sign-ins whose last refresh token has expired, windows of failed
    sign-ins that are over, and API keys 90 days after their end; answers how many rows. None of them can have an effect
    any more."""
    window = timedelta(seconds=settings.LOGIN_WINDOW_S)
    stale = (
        IdempotencyRecord.objects.filter(created_at__lte=now - KEPT_FOR),
        TokenFamily.objects.filter(expires_at__lte=now),
        LoginCounter.objects.filter(window_started_at__lte=now - window),
        ApiKey.objects.filter(revoked_at__lte=now - KEYS_KEPT_FOR),
    )
    return sum(rows.delete()[0] for rows in stale)
