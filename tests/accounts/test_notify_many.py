"""Telling many at once: as one by one, by a few queries."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import notifications
from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import Message, notify, notify_many
from accounts.registry import NotificationKind, notification_kinds
from common import doorbell
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
KIND, MANDATORY, QUIET = "test_many", "test_many_mandatory", "test_many_quiet"
notification_kinds.register(KIND, NotificationKind(label="Many"))
notification_kinds.register(MANDATORY, NotificationKind(label="Must", mandatory=True, in_app=False))
notification_kinds.register(QUIET, NotificationKind(label="Quiet", email=False))


def test_each_row_is_what_notify_would_have_written():
    now, users = timezone.now(), UserFactory.create_batch(4)
    NotificationPreference.objects.create(user=users[0], kind=KIND, in_app=False, email=True)
    NotificationPreference.objects.create(user=users[1], kind=KIND, in_app=False, email=False)
    NotificationPreference.objects.create(user=users[2], kind=MANDATORY, in_app=False, email=False)
    fields: dict[str, Any] = {"title": "T" * 300, "body": "Body", "data": {"car": 7}, "dedupe_key": "once"}
    shown = [field.attname for field in Notification._meta.fields if field.attname != "id"]
    for kind in (KIND, MANDATORY, QUIET):
        for user in users:
            notify(user=user, kind=kind, now=now, **fields)
    one_by_one = list(Notification.objects.order_by("id").values(*shown))
    Notification.objects.all().delete()
    notify_many([Message(user.pk, kind, **fields) for kind in (KIND, MANDATORY, QUIET) for user in users], now=now)
    assert list(Notification.objects.order_by("id").values(*shown)) == one_by_one
    assert len(one_by_one) == 11


def test_the_same_key_tells_once_and_no_key_tells_each_time():
    user, now = UserFactory(), timezone.now()
    for _ in range(2):
        notify_many([Message(user.pk, KIND, "A", dedupe_key="a"), Message(user.pk, KIND, "B")], now=now)
    assert sorted(Notification.objects.values_list("title", flat=True)) == ["A", "B", "B"]


def test_who_is_not_active_and_who_is_gone_are_passed_over():
    left, user = UserFactory(is_active=False), UserFactory()
    notify_many([Message(pk, KIND, "A") for pk in (left.pk, 2**40, user.pk)], now=timezone.now())
    assert list(Notification.objects.values_list("user", flat=True)) == [user.pk]


def test_a_kind_that_nobody_registered_is_an_error_and_tells_nobody():
    user = UserFactory()
    with pytest.raises(KeyError):
        notify_many([Message(user.pk, KIND, "A"), Message(user.pk, "nonsense", "B")], now=timezone.now())
    assert not Notification.objects.exists()


def queries_for(count: int) -> int:
    users = User.objects.bulk_create(User(email=f"many{count}-{n}@example.com") for n in range(count))
    with CaptureQueriesContext(connection) as queries:
        notify_many((Message(user.pk, KIND, "A", dedupe_key="a") for user in users), now=timezone.now())
    assert Notification.objects.filter(user__in=users).count() == count
    return len(queries)


@pytest.mark.postgres  # SQLite takes 62 rows in one INSERT.
def test_the_queries_do_not_grow_within_a_batch_and_by_three_with_each(monkeypatch):
    assert queries_for(1) == queries_for(300) == 3
    monkeypatch.setattr(notifications, "MOST_AT_ONCE", 10)
    assert queries_for(30) == 9


def test_the_mail_sweep_is_rung_once_however_many_have_mail(django_capture_on_commit_callbacks):
    users = UserFactory.create_batch(3)
    with mock.patch.object(doorbell, "_ring") as ring, mock.patch.object(doorbell, "_next_turns", {}):
        with django_capture_on_commit_callbacks(execute=True):
            notify_many([Message(user.pk, QUIET, "A") for user in users], now=timezone.now())
        ring.assert_not_called()
        with django_capture_on_commit_callbacks(execute=True):
            notify_many([Message(user.pk, KIND, "A") for user in users], now=timezone.now())
    ring.assert_called_once_with("accounts.tasks.sweep_mail", countdown=None)
