"""The inbox: writing, reading, hiding; owner, insider, stranger."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import notify
from accounts.registry import NotificationKind, notification_kinds

pytestmark = pytest.mark.django_db
KIND = "test_news"
notification_kinds.register(KIND, NotificationKind(label="News of the tests"))


def tell(user: User, title: str = "Hello", **fields: Any) -> Notification:
    row = notify(user=user, kind=KIND, title=title, **fields)
    assert row is not None
    return row


def test_the_inbox_lists_own_messages_the_newest_first(user, other_user, as_user):
    first, second = tell(user, "First"), tell(user, "Second", data={"car": 7})
    tell(other_user, "Not for Alice")
    answer = as_user(user).get("/api/notifications").json()
    assert [row["id"] for row in answer["results"]] == [second.pk, first.pk]
    assert answer["results"][0]["data"] == {"car": 7}
    assert answer["count"] is None


def test_the_inbox_walks_by_cursor_to_its_end(user, as_user):
    rows = [tell(user, f"No {number}").pk for number in range(5)]
    client, url, seen = as_user(user), "/api/notifications?limit=2", []
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == rows[::-1]


def test_the_inbox_filters_by_kind_and_unread(user, as_user):
    read, unread = tell(user), tell(user)
    Notification.objects.filter(pk=read.pk).update(read_at=timezone.now())
    client = as_user(user)
    for query, expected in (("unread=true", [unread.pk]), ("unread=false", [read.pk]), ("kind=other", [])):
        assert [row["id"] for row in client.get(f"/api/notifications?{query}").json()["results"]] == expected
    assert client.get("/api/notifications?unred=true").status_code == 400


def test_reading_counts_down_and_keeps_the_first_time(user, as_user):
    row, client = tell(user), as_user(user)
    tell(user)
    assert client.get("/api/notifications/unread-count").json() == {"count": 2}
    first = client.post(f"/api/notifications/{row.pk}/read")
    again = client.post(f"/api/notifications/{row.pk}/read")
    assert first.status_code == again.status_code == 200
    assert first.json()["read_at"] == again.json()["read_at"] is not None
    assert client.get("/api/notifications/unread-count").json() == {"count": 1}


def test_read_all_reads_only_own_messages(user, other_user, as_user):
    tell(user), tell(user)
    foreign = tell(other_user)
    assert as_user(user).post("/api/notifications/read-all").json() == {"read": 2}
    foreign.refresh_from_db()
    assert foreign.read_at is None


def test_deleting_hides_the_message_and_its_dedupe_key_still_counts(user, as_user):
    row, client = tell(user, dedupe_key="once"), as_user(user)
    assert client.delete(f"/api/notifications/{row.pk}").status_code == 204
    assert client.delete(f"/api/notifications/{row.pk}").status_code == 404
    assert client.get("/api/notifications").json()["results"] == []
    assert tell(user, dedupe_key="once").pk == row.pk


@pytest.mark.parametrize(("method", "path"), [("post", "/{}/read"), ("delete", "/{}")])
def test_another_users_message_answers_like_a_missing_one(method, path, user, other_user, admin_user, as_user):
    row = tell(user)
    for outsider in (other_user, admin_user):
        client = as_user(outsider)
        theirs = getattr(client, method)("/api/notifications" + path.format(row.pk))
        missing = getattr(client, method)("/api/notifications" + path.format(999_999_999))
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content == missing.content
    row.refresh_from_db()
    assert row.in_app
    assert row.read_at is None


@pytest.mark.parametrize("path", ["", "/unread-count", "/read-all", "/1/read"])
def test_the_inbox_is_not_for_strangers(path, api):
    method = api.post if path.endswith(("read", "read-all")) else api.get
    assert method(f"/api/notifications{path}").status_code == 401


def test_the_same_dedupe_key_tells_a_user_once(user, other_user):
    first = tell(user, "First", dedupe_key="car-7")
    assert tell(user, "Second", dedupe_key="car-7").pk == first.pk
    assert tell(other_user, dedupe_key="car-7").pk != first.pk
    assert tell(user).pk != tell(user).pk


def test_preferences_decide_where_a_message_goes(user):
    NotificationPreference.objects.create(user=user, kind=KIND, in_app=True, email=False)
    assert tell(user).mail_status == Notification.MailStatus.NONE
    NotificationPreference.objects.update(in_app=False, email=True)
    assert tell(user).in_app is False
    NotificationPreference.objects.update(in_app=False, email=False)
    assert notify(user=user, kind=KIND, title="Unwanted") is None
    assert Notification.objects.count() == 2


def test_an_unregistered_kind_is_a_programming_error(user):
    with pytest.raises(KeyError):
        notify(user=user, kind="never_registered", title="?")
