"""Making an account: everybody starts as a customer, and nobody twice."""

import pytest
from django.db import IntegrityError

from accounts.models import Notification, TokenFamily, User
from config.settings import base

pytestmark = pytest.mark.django_db
URL = "/api/auth/register"
BODY = {"email": "new@example.com", "password": "violet-harbour-42"}


def code(answer):
    return answer.json()["errors"][0]["code"]


def test_registering_makes_a_customer_signs_in_and_mails_a_confirmation(api):
    answer = api.post(URL, BODY | {"username": "New.One", "first_name": "Neo", "phone": "+49 (30) 1234-567"})
    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get()
    assert (user.email, user.username, user.phone) == ("new@example.com", "New.One", "+49301234567")
    assert not (user.is_staff)
    assert not (user.is_superuser)
    assert not (user.email_verified_at)
    assert not (user.groups.exists())
    assert body["user"]["id"] == user.pk
    assert Notification.objects.get().kind == "email_verification"
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert api.get("/api/auth/me").status_code == 200


def test_signup_is_another_name_for_it(api):
    assert api.post("/api/auth/signup", BODY).status_code == 201


@pytest.mark.parametrize("role", ["customer", "user"])
def test_the_role_of_a_customer_may_be_said(api, role):
    assert api.post(URL, BODY | {"role": role}).status_code == 201


@pytest.mark.parametrize("role", ["admin", "mechanic", "Customer", "moderator"])
def test_no_other_role_can_be_taken(api, role):
    answer = api.post(URL, BODY | {"role": role})
    assert (answer.status_code, code(answer)) == (403, "role_not_allowed")
    assert not User.objects.exists()


WRITABLE = {"email", "password", "username", "first_name", "last_name", "phone"}


@pytest.mark.parametrize(
    "field", [*sorted({field.name for field in User._meta.get_fields()} - WRITABLE), "permissions", "roles", "x"]
)
def test_no_other_field_can_be_set(api, field):
    answer = api.post(URL, BODY | {field: True})
    assert (answer.status_code, code(answer)) == (400, "unknown_field")
    assert not User.objects.exists()


@pytest.mark.parametrize("email", ["new@example.com", "NEW@Example.COM", "ｎｅｗ@example.com"])
def test_an_address_is_taken_once_however_it_is_written(api, make_user, email):
    make_user(email="new@example.com")
    answer = api.post(URL, BODY | {"email": email})
    assert (answer.status_code, code(answer)) == (409, "email_taken")
    assert answer.json()["errors"][0]["attr"] == "email"


def test_a_name_is_taken_once_whatever_its_case(api, make_user):
    make_user(username="Neo")
    answer = api.post(URL, BODY | {"username": "nEO"})
    assert (answer.status_code, code(answer)) == (409, "username_taken")


def test_the_constraint_decides_and_not_a_look_before(api, make_user, monkeypatch):
    make_user(email="new@example.com")
    calls = []
    save = User.save
    monkeypatch.setattr(User, "save", lambda self, **kwargs: (calls.append(self), save(self, **kwargs))[1])
    assert api.post(URL, BODY).status_code == 409
    assert len(calls) == 1  # It tried, and the database refused.


@pytest.mark.parametrize("password", ["", "short-7", "x" * 129, None, 12345678, ["violet-harbour-42"]])
def test_a_password_of_another_form_is_400(api, password):
    assert api.post(URL, BODY | {"password": password}).status_code == 400


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("password123", "password_too_common"),
        ("82736450192837", "password_entirely_numeric"),
        ("new@example.com", "password_too_similar"),
    ],
)
def test_a_weak_password_is_422_and_says_why(api, password, why):
    answer = api.post(URL, BODY | {"password": password})
    assert (answer.status_code, code(answer)) == (422, why)
    assert answer.json()["type"] == "validation_error"


@pytest.mark.parametrize("password", [" spaces at both ends ", "ünïcödé-pässwörd", "x y " * 32, "日本語のパスワード"])
def test_any_characters_count_and_nothing_is_trimmed(api, password):
    assert api.post(URL, BODY | {"password": password}).status_code == 201
    assert User.objects.get().check_password(password)


@pytest.mark.parametrize("email", ["", "a", "a@b", "a b@example.com", "a@example.com\n", "x" * 250 + "@e.com", None, 5])
def test_a_bad_address_is_400(api, email):
    assert api.post(URL, BODY | {"email": email}).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": "12345678"},
        {"phone": "+0 123 4567"},
        {"phone": "+1234567890123456"},
        {"phone": "+49 30 12x4567"},
        {"username": "a@b.com"},
        {"username": "a b"},
        {"username": "x" * 65},
        {"first_name": "x" * 151},
        {"first_name": "a\0b"},
        {"last_name": 5},
        {"role": "x" * 33},
    ],
)
def test_profile_fields_are_strict(api, wrong):
    assert api.post(URL, BODY | wrong).status_code == 400


def test_a_failure_leaves_nothing_behind(api, monkeypatch):
    def broken(**kwargs):
        raise IntegrityError

    monkeypatch.setattr("accounts.services.issue_tokens", broken)
    assert api.post(URL, BODY).status_code == 409
    assert not (User.objects.exists())
    assert not (Notification.objects.exists())
    assert not (TokenFamily.objects.exists())


def test_an_address_registers_five_times_an_hour(api, settings):
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = base.RATE_LIMITS  # The embedded default is more generous.
    statuses = [api.post(URL, BODY | {"email": f"new{n}@example.com"}).status_code for n in range(6)]
    assert statuses == [201] * 5 + [429]
