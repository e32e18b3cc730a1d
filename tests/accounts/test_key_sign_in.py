"""Signing in with an API key: one statement, the right person, and 401 for whatever is not exactly a live key."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIRequestFactory

from accounts.api_keys import retire_dead_keys
from accounts.authentication import BearerAuthentication, KeyUse
from accounts.key_text import KeyText, new_key
from accounts.mail import mailed_token, reset_tokens
from accounts.models import ApiKey, User
from accounts.services import end_sessions, update_account
from tests.accounts.keys import by, made
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"


def status_of(text: str) -> int:
    answer = by(text).get(ME)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["errors"][0]["code"] == "token_not_valid"
    return answer.status_code


def authenticated(text: str):
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {text}")
    with CaptureQueriesContext(connection) as queries:
        found, auth = BearerAuthentication().authenticate(request)
    return found, auth, [query["sql"] for query in queries]


def test_one_statement_brings_the_holder_and_the_permissions(make_user):
    user = make_user(roles=["service_advisor"], perms=["cars.sync_cars"])
    key, text = made(user, "cars.sync_cars", "workshop.view_part")
    assert len(authenticated(text)[2]) == 2  # The second notes the use.
    found, auth, queries = authenticated(text)
    assert len(queries) == 1
    assert auth == KeyUse(key.pk, read_only=False)
    with CaptureQueriesContext(connection) as none:
        assert (found.pk, found.email, found.is_active) == (user.pk, user.email, True)
        assert found.permission_names() == ["cars.sync_cars", "workshop.view_part"]
        assert not found.has_perm("workshop.change_part")
    assert len(none) == 0


@pytest.mark.postgres
def test_postgresql_prepares_the_statement(user):
    authenticated(made(user)[1])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%use_is_to_note%'")
        assert cursor.fetchone()[0] >= 1


def test_the_columns_have_the_types_of_the_model(make_user):
    user = make_user(identity_verified_at=timezone.now(), timezone="Europe/Berlin", is_superuser=True)
    found, _, _ = authenticated(made(user)[1])
    fresh = User.objects.get(pk=user.pk)
    for name in ("email_verified_at", "identity_verified_at", "is_active", "token_version", "timezone"):
        assert getattr(found, name) == getattr(fresh, name)
        assert type(getattr(found, name)) is type(getattr(fresh, name))
    assert (found.is_superuser, found.is_staff) == (False, False)


def test_a_key_that_was_never_made_is_refused(user):
    key, text = made(user)
    known = KeyText(key.prefix, "0" * 64).text()
    unknown = new_key().text()
    assert status_of(text) == 200
    assert [status_of(known), status_of(unknown)] == [401, 401]


def test_the_secret_of_one_key_does_not_open_another(user, other_user):
    (first, _), (_, text) = made(user), made(other_user)
    assert status_of(KeyText(first.prefix, text.split("_")[2][:64]).text()) == 401


MALFORMED = {
    "the mark alone": lambda text: "fck_",
    "no secret": lambda text: text[:20],
    "a letter less": lambda text: text[:-1],
    "a letter more": lambda text: f"{text}0",
    "another checksum": lambda text: text[:-8] + ("0" * 8 if text[-8:] != "0" * 8 else "1" * 8),
    "a mistyped secret": lambda text: text[:-9] + ("0" if text[-9] != "0" else "1") + text[-8:],
    "in capitals": lambda text: f"fck_{text[4:].upper()}",
    "other digits": lambda text: text[:30] + "\u0661".encode().decode("latin-1") + text[31:],
    "something behind it": lambda text: f"{text} x",
    "twice": lambda text: f"{text}, {text}",
    "a hundred thousand letters": lambda text: text + "0" * 100_000,
    "SQL": lambda text: "fck_' OR 1=1 --",
    "NUL": lambda text: f"fck_\0{text[5:]}",
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_exactly_a_key_is_refused_without_asking_the_database(user, change):
    _, text = made(user)
    with CaptureQueriesContext(connection) as asked:
        assert status_of(change(text)) == 401
    assert [query["sql"] for query in asked if "accounts_apikey" in query["sql"]] == []


def test_a_key_is_a_bearer_and_nothing_else(api, user):
    _, text = made(user)
    for header in (text, f"Basic {text}", f"Token {text}"):
        assert api.get(ME, HTTP_AUTHORIZATION=header).status_code == 401
    assert api.get(ME, HTTP_AUTHORIZATION=f"bearer {text}").status_code == 200
    for path in ("/api/auth/refresh", "/api/auth/clerk-sync"):
        body = {"refresh_token": text} if path.endswith("refresh") else {"token": text}
        assert api.post(path, body).status_code in (401, 503)


def test_a_key_ends_at_its_time(user):
    now = timezone.now()
    key, text = made(user, now=now, expires_at=now + timedelta(hours=1))
    with time_machine.travel(now + timedelta(minutes=59), tick=False):
        assert status_of(text) == 200
    with time_machine.travel(key.expires_at, tick=False):
        assert status_of(text) == 401


def test_a_key_is_no_more_once_it_is_revoked(user):
    key, text = made(user)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now(), revoked_reason="owner")
    assert status_of(text) == 401


ENDINGS = {
    "their password is changed": lambda user, as_user: as_user(user).post(
        "/api/auth/change-password", {"current_password": PASSWORD, "new_password": "amber-lantern-77"}
    ),
    "staff end their sessions": lambda user, as_user: end_sessions(user_id=user.pk, now=timezone.now()),
    "they are deactivated": lambda user, as_user: update_account(
        user_id=user.pk, changes={"is_active": False}, now=timezone.now()
    ),
    "their account is deleted": lambda user, as_user: as_user(user).delete(ME),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_key_ends_with_its_holders_sessions_when(user, other_user, as_user, end):
    (_, text), (_, others) = made(user), made(other_user)
    end(user, as_user)
    assert not ApiKey.objects.filter(user=user, revoked_at=None).exists()
    assert (status_of(text), status_of(others)) == (401, 200)


def test_a_key_does_not_come_back_with_its_holder(user):
    _, text = made(user)
    for is_active in (False, True):
        update_account(user_id=user.pk, changes={"is_active": is_active}, now=timezone.now())
    assert status_of(text) == 401


def test_a_mailed_reset_ends_keys(api, user):
    _, text = made(user)
    body = {"token": mailed_token(reset_tokens, user), "new_password": "amber-lantern-77"}
    assert api.post("/api/auth/password-reset/confirm", body).status_code == 204
    assert status_of(text) == 401
    assert ApiKey.objects.get().revoked_reason == "password"


def test_a_password_that_is_set_beside_the_services_ends_keys_too(user):
    """`manage.py changepassword` and the admin's form only save the user."""
    key, text = made(user)
    user.set_password("amber-lantern-77")
    user.save()
    assert status_of(text) == 401
    assert retire_dead_keys(now=timezone.now()) == 1
    key.refresh_from_db()
    assert key.revoked_reason == "sessions_ended"


def test_signing_out_and_a_new_hash_of_the_same_password_leave_keys_alone(user, as_user):
    _, text = made(user)
    assert as_user(user).post("/api/auth/logout").status_code == 204
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD))
    assert status_of(text) == 200


def test_use_is_noted_once_a_minute(user):
    key, text = made(user)
    start = timezone.now()
    seen, writes = [], []
    for second in (0, 1, 59, 60, 61):
        with time_machine.travel(start + timedelta(seconds=second), tick=False):
            writes.append(sum(str(sql).startswith("UPDATE") for sql in authenticated(text)[2]))
        key.refresh_from_db()
        seen.append((key.last_used_at - start).total_seconds())
    assert writes == [1, 0, 0, 1, 0]
    assert seen == [0, 0, 0, 60, 60]


@pytest.mark.django_db(transaction=True)
def test_a_key_signs_in_while_its_use_cannot_be_noted(user):
    key, text = made(user)

    def is_locked(execute, sql, *args):
        if str(sql).startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, *args)

    with connection.execute_wrapper(is_locked):
        assert status_of(text) == 200
    key.refresh_from_db()
    assert key.last_used_at is None


def test_a_refused_key_leaves_no_trace_of_use(user):
    key, _ = made(user)
    status_of(KeyText(key.prefix, "0" * 64).text())
    key.refresh_from_db()
    assert key.last_used_at is None
