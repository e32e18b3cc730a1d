"""What people want to be told, and the way out of a mail."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import NotificationPreference, User
from accounts.notifications import deliver, notify, preferences_of, unsubscribe_token
from accounts.registry import NotificationKind, notification_kinds

pytestmark = pytest.mark.django_db
URL = "/api/auth/me/notification-preferences"
KIND, QUIET_KIND = "test_choice", "test_quiet"
notification_kinds.register(KIND, NotificationKind(label="Choice of the tests"))
notification_kinds.register(QUIET_KIND, NotificationKind(label="Quiet by default", email=False))


def test_defaults_hold_until_one_chooses(user, as_user):
    answer = as_user(user).get(URL).json()
    assert answer[KIND] == {"in_app": True, "email": True}
    assert answer[QUIET_KIND] == {"in_app": True, "email": False}


def test_mandatory_kinds_are_not_offered(user, as_user):
    assert not {"email_verification", "password_reset", "security"} & as_user(user).get(URL).json().keys()
    answer = as_user(user).put(URL, {"security": {"in_app": True, "email": False}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["attr"] == "security"


def test_a_choice_is_kept_and_others_stay(user, other_user, as_user):
    client = as_user(user)
    first = client.put(URL, {KIND: {"in_app": True, "email": False}})
    assert first.status_code == 200
    second = client.put(URL, {QUIET_KIND: {"in_app": False, "email": True}}).json()
    assert second[KIND] == {"in_app": True, "email": False}
    assert second[QUIET_KIND] == {"in_app": False, "email": True}
    assert client.get(URL).json() == second
    assert preferences_of(other_user)[KIND] == {"in_app": True, "email": True}


def test_the_answer_can_be_put_back_as_it_is(user, as_user):
    client = as_user(user)
    assert client.put(URL, client.get(URL).json()).json() == client.get(URL).json()


def test_an_unknown_kind_is_422_and_nothing_is_changed(user, as_user):
    choice = {"in_app": False, "email": False}
    answer = as_user(user).put(URL, {KIND: choice, "no_such_kind": choice})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_kind"
    assert not NotificationPreference.objects.exists()


@pytest.mark.parametrize(
    "body", [[], {KIND: True}, {KIND: {"in_app": True}}, {KIND: {"in_app": 1, "email": True}}, {"": {}}, "null"]
)
def test_what_breaks_the_schema_is_400(body, user, as_user):
    assert as_user(user).put(URL, body).status_code == 400


def test_preferences_are_not_for_strangers(api):
    assert api.get(URL).status_code == api.put(URL, {}).status_code == 401


@pytest.fixture
def path(user: User) -> str:
    return f"/api/notifications/unsubscribe/{unsubscribe_token(user=user, kind=KIND)}"


def test_the_link_of_a_mail_shows_a_page_and_changes_nothing(user, api):
    row = notify(user=user, kind=KIND, title="News")
    assert deliver(notification_id=row.pk, now=timezone.now())
    link = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>")
    page = api.get(link.partition("://")[2].partition("/")[2].join(["/", ""]))
    assert page.status_code == 200
    assert "Choice of the tests" in page.content.decode()
    assert re.search(r'<form method="post">', page.content.decode())
    assert preferences_of(user)[KIND]["email"] is True


def test_one_click_unsubscribes_without_a_session(path, user, api):
    NotificationPreference.objects.create(user=user, kind=KIND, in_app=False, email=True)
    body = "List-Unsubscribe=One-Click"
    answer = api.post(path, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert preferences_of(user)[KIND] == {"in_app": False, "email": False}
    assert api.post(path).status_code == 200


@pytest.mark.parametrize("damage", ["x", ":", "%00", "a" * 200])
def test_a_token_that_we_did_not_sign_is_404(damage, path, user, api):
    assert api.post(path + damage).status_code in {400, 404}
    assert api.get(f"/api/notifications/unsubscribe/{damage}").status_code in {400, 404}
    assert preferences_of(user)[KIND]["email"] is True


def test_a_token_of_somebody_who_left_is_404(path, user, api):
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert api.get(path).status_code == 404


def test_a_token_cannot_decline_a_mandatory_kind(user, api):
    token = unsubscribe_token(user=user, kind="security")
    assert api.post(f"/api/notifications/unsubscribe/{token}").status_code == 404
