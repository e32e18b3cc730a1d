"""Signing in: by address or name, with one answer for every failure, under limits that the database holds."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher
from django.core.cache import caches
from django.utils import timezone

from accounts.models import LoginCounter, User
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
URL = "/api/auth/login"
ARGON = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]


def sign_in(api, password=PASSWORD, address="192.0.2.1", **who):
    return api.post(URL, {"password": password, **(who or {"email": "alice@example.com"})}, REMOTE_ADDR=address)


def fail(api, times, **kwargs):
    return [sign_in(api, password="wrong-guess", **kwargs).status_code for _ in range(times)]


def test_a_user_signs_in_by_email_and_the_token_works(api, user):
    body = sign_in(api, email="Alice@EXAMPLE.com").json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["user"] | {"roles": [], "permissions": [], "can_bid": False} == body["user"]
    user.refresh_from_db()
    assert user.last_login is not None
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert api.get("/api/auth/me").json() == body["user"]


@pytest.mark.parametrize("name", ["Alice.A", "alice.a", "ALICE.A", "alice@example.com"])
def test_username_takes_names_and_addresses_in_any_case(api, user, name):
    user.username = "Alice.A"
    user.save()
    assert sign_in(api, username=name).status_code == 200


@pytest.mark.parametrize(
    "who", [{"email": "alice@example.com", "username": "alice"}, {}, {"email": None}, {"email": 5}, {"email": ""}]
)
def test_exactly_one_of_email_and_username_is_asked_for(api, user, who):
    assert api.post(URL, {"password": PASSWORD, **who}).status_code == 400


@pytest.mark.parametrize("body", [[], "x", 5, {"email": "a@b.c"}, {"email": "a@b.c", "password": "x", "admin": True}])
def test_other_bodies_are_400(api, db, body):
    assert api.post(URL, body).status_code == 400


def test_unknown_inactive_and_wrong_look_the_same(api, user, make_user):
    make_user(email="gone@example.com", is_active=False)
    answers = [
        sign_in(api, password="wrong-guess"),
        sign_in(api, email="gone@example.com"),
        sign_in(api, email="nobody@example.com"),
        sign_in(api, username="nobody"),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len({answer.content for answer in answers}) == 1
    names = [set(answer.headers) for answer in answers]
    assert all(name == names[0] for name in names)


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.com", "wrong-guess"), ("gone@example.com", PASSWORD), ("nobody@example.com", PASSWORD)],
)
def test_unknown_inactive_and_wrong_cost_one_password_hash_each(
    api, user, make_user, monkeypatch, email, password
):  # The hash is the time that an answer takes.
    make_user(email="gone@example.com", is_active=False)
    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: hashed.append(args[0]) or encode(self, *args))
    assert sign_in(api, password=password, email=email).status_code == 401
    assert hashed == [password]


def test_after_five_failures_the_right_password_is_refused_too(api, user):
    assert fail(api, 5) == [401] * 5
    locked = sign_in(api, address="198.51.100.7")
    assert locked.status_code == 429
    assert locked.json()["errors"][0]["code"] == "login_locked"
    assert 890 < int(locked.headers["Retry-After"]) <= 900


def test_name_and_address_of_one_account_share_the_count(api, user):
    user.username = "alice"
    user.save()
    assert fail(api, 3) + fail(api, 2, username="alice") == [401] * 5
    assert sign_in(api).status_code == 429


def test_an_unknown_name_is_locked_like_a_known_one(api, db):
    assert fail(api, 6, email="nobody@example.com") == [401] * 5 + [429]
    assert fail(api, 1, email="NOBODY@example.com") == [429]


def test_a_success_resets_the_account_and_gives_the_address_its_attempt_back(api, user):
    fail(api, 4)
    assert sign_in(api).status_code == 200
    assert fail(api, 5) == [401] * 5
    assert LoginCounter.objects.get(scope="address").failures == 9


def test_twenty_failures_from_one_address_lock_it_for_all_accounts(api, user):
    assert [fail(api, 1, email=f"u{n}@example.com")[0] for n in range(20)] == [401] * 20
    assert sign_in(api).status_code == 429
    assert sign_in(api, address="198.51.100.7").status_code == 200


def test_an_ipv6_network_counts_as_one_address(api, user, settings):
    settings.LOGIN_FAILURES_PER_ADDRESS = 2
    for n in (1, 2):
        fail(api, 1, email=f"u{n}@example.com", address=f"2001:db8::{n}")
    assert sign_in(api, address="2001:db8::ffff").status_code == 429
    assert sign_in(api, address="2001:db8:0:1::1").status_code == 200


def test_the_lock_ends_with_its_window(api, user):
    fail(api, 5)
    LoginCounter.objects.update(window_started_at=timezone.now() - timedelta(minutes=15))
    assert sign_in(api).status_code == 200


def test_a_locked_attempt_counts_for_nobody_and_hashes_nothing(api, user, monkeypatch):
    fail(api, 5)
    monkeypatch.setattr("accounts.sign_in.check_password", None)
    assert fail(api, 3) == [429] * 3
    assert LoginCounter.objects.get(scope="address").failures == 5


def test_the_lock_does_not_ask_the_cache(api, user, monkeypatch):
    def dead(*args, **kwargs):
        raise ConnectionError

    for name in ("get", "set", "add", "incr"):
        monkeypatch.setattr(type(caches["default"]), name, dead)
    fail(api, 5)
    assert sign_in(api).status_code == 429


def test_a_forwarded_address_that_nobody_vouches_for_changes_nothing(api, user, settings):
    settings.LOGIN_FAILURES_PER_ADDRESS = 2
    for n in range(2):
        body = {"email": f"u{n}@example.com", "password": "wrong-guess"}
        api.post(URL, body, REMOTE_ADDR="192.0.2.9", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
    answer = api.post(URL, {"email": "u@example.com", "password": "x"}, REMOTE_ADDR="192.0.2.9")
    assert answer.status_code == 429


def test_the_counters_name_nobody(api, user):
    fail(api, 1)
    keys = " ".join(LoginCounter.objects.values_list("key", flat=True))
    assert "alice" not in keys
    assert "192.0.2.1" not in keys


def test_an_old_hash_is_renewed_at_sign_in(api, user, settings):
    settings.PASSWORD_HASHERS = ARGON
    User.objects.update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000))
    assert sign_in(api).status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$")
    assert sign_in(api).status_code == 200


def test_an_account_without_a_password_cannot_be_guessed_into(api, user):
    user.set_unusable_password()
    user.save()
    assert sign_in(api, password=user.password).status_code == 401
