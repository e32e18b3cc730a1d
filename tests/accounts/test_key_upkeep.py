"""What becomes of API keys in time: told of before they end, retired when they have, deleted long after; and their part
in a person's data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.api_keys import TOLD_BEFORE, retire_dead_keys, warn_of_expiry
from accounts.models import ApiKey, Notification, User
from accounts.registry import personal_data
from accounts.tasks import clean_up
from accounts.upkeep import KEYS_KEPT_FOR, delete_stale_rows
from tests.accounts.keys import made

pytestmark = pytest.mark.django_db
NOW = timezone.now()
MONTH = timedelta(days=30)


def ending(user: User, at: datetime, **fields: Any) -> ApiKey:
    """A key that was made a month before its end."""
    return made(user, now=at - MONTH, expires_at=at, **fields)[0]


def test_a_holder_is_told_once_that_a_key_ends_within_a_week(user: User) -> None:
    key = ending(user, NOW + TOLD_BEFORE, name="Screen")
    ending(user, NOW + TOLD_BEFORE + timedelta(minutes=1))
    made(user)
    for _ in range(2):
        warn_of_expiry(now=NOW)
    told = Notification.objects.get(kind="api_key_expiring")
    assert (told.user, told.data) == (user, {"api_key": key.pk})
    assert "Screen" in told.title
    assert f"{key.expires_at:%Y-%m-%d}" in told.body


def test_nobody_is_told_of_keys_that_are_over_or_were_made_for_days(user: User) -> None:
    soon = NOW + timedelta(days=2)
    made(user, now=soon - TOLD_BEFORE, expires_at=soon)
    ending(user, NOW - timedelta(minutes=1))
    revoked = ending(user, soon)
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=NOW, revoked_reason="owner")
    warn_of_expiry(now=NOW)
    assert not Notification.objects.filter(kind="api_key_expiring").exists()


def test_expired_keys_are_retired_once(user: User) -> None:
    expired, live = ending(user, NOW), ending(user, NOW + timedelta(minutes=1))
    assert [retire_dead_keys(now=NOW) for _ in range(2)] == [1, 0]
    expired.refresh_from_db(), live.refresh_from_db()
    assert (expired.revoked_at, expired.revoked_reason) == (NOW, "expired")
    assert live.revoked_at is None


def test_keys_are_deleted_ninety_days_after_their_end(user: User) -> None:
    gone, kept, live = (made(user)[0] for _ in range(3))
    for key, ended in ((gone, NOW - KEYS_KEPT_FOR), (kept, NOW - KEYS_KEPT_FOR + timedelta(minutes=1))):
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=ended, revoked_reason="owner")
    delete_stale_rows(now=NOW)
    assert set(ApiKey.objects.all()) == {kept, live}


def test_the_daily_clean_up_does_all_of_it(user: User) -> None:
    now = timezone.now()
    ended, warned = ending(user, now - timedelta(hours=1)), ending(user, now + timedelta(days=1))
    clean_up()
    ended.refresh_from_db()
    assert ended.revoked_reason == "expired"
    assert Notification.objects.get(kind="api_key_expiring").data == {"api_key": warned.pk}


def test_the_copy_of_ones_data_lists_keys_without_their_hashes(user: User, other_user: User, as_user: Any) -> None:
    key, text = made(user, name="Screen", read_only=True)
    made(other_user, name="Not mine")
    answer = as_user(user).get("/api/auth/me/export")
    rows = answer.json()["apps"]["account"]["api_keys"]
    assert [(row["name"], row["prefix"], row["read_only"]) for row in rows] == [("Screen", key.prefix, True)]
    assert key.secret_hash not in answer.content.decode()
    assert text not in answer.content.decode()


def test_an_account_that_has_to_stay_keeps_no_keys(user: User, other_user: User) -> None:
    made(user), made(other_user)
    personal_data["account"].erase(user, now=NOW)
    assert [key.user for key in ApiKey.objects.all()] == [other_user]
