"""Refresh tokens are good once; a second use ends the whole sign-in. Signing out ends it too."""

from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import TokenFamily
from accounts.tokens import issue_tokens

pytestmark = pytest.mark.django_db
URL = "/api/auth/refresh"


@pytest.fixture
def pair(user):
    return issue_tokens(user=user, now=timezone.now())


def refresh(api, token):
    return api.post(URL, {"refresh_token": token})


def me(api, token):
    return api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code


def test_a_refresh_token_is_traded_for_a_new_pair(api, user, pair):
    body = refresh(api, pair.refresh).json()
    assert body["user"]["id"] == user.pk
    assert body["refresh_token"] != pair.refresh
    assert me(api, body["access_token"]) == 200
    assert me(api, pair.access) == 200  # The sign-in goes on, and its access tokens with it.
    assert refresh(api, body["refresh_token"]).status_code == 200


def test_using_it_again_ends_the_sign_in_with_all_its_tokens(api, pair):
    newer = refresh(api, pair.refresh).json()
    again = refresh(api, pair.refresh)
    assert again.status_code == 401
    assert again.headers["WWW-Authenticate"].startswith("Bearer")
    assert refresh(api, newer["refresh_token"]).status_code == 401
    assert [me(api, token) for token in (pair.access, newer["access_token"])] == [401, 401]
    assert TokenFamily.objects.get().revoked_reason == "reuse"


def test_another_sign_in_of_the_same_user_goes_on(api, user, pair):
    other = issue_tokens(user=user, now=timezone.now())
    refresh(api, pair.refresh)
    refresh(api, pair.refresh)
    assert refresh(api, other.refresh).status_code == 200


def test_a_sign_in_that_rests_for_thirty_days_is_over(api, pair):
    TokenFamily.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refresh(api, pair.refresh).status_code == 401


def test_each_refresh_starts_the_thirty_days_anew(api, pair):
    TokenFamily.objects.update(expires_at=timezone.now() + timedelta(days=1))
    body = refresh(api, pair.refresh).json()
    left = TokenFamily.objects.get().expires_at - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)
    claims = jwt.decode(body["refresh_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"].total_seconds()


def test_an_expired_access_token_in_the_header_does_not_stand_in_the_way(api, pair):
    answer = api.post(URL, {"refresh_token": pair.refresh}, HTTP_AUTHORIZATION="Bearer expired.and.gone")
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": 5}, {"refresh": "x"}, []])
def test_a_body_of_another_form_is_400(api, db, body):
    assert api.post(URL, body).status_code == 400


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 100_000])
def test_what_is_no_token_is_401(api, db, token):
    assert refresh(api, token).status_code == 401


def test_signing_out_ends_this_sign_in_at_once_and_no_other(api, user, as_user, pair):
    other = as_user(user)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    answer = api.post("/api/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get("/api/auth/me").status_code == 401
    assert api.post("/api/auth/logout").status_code == 401
    api.credentials()
    assert refresh(api, pair.refresh).status_code == 401
    assert other.get("/api/auth/me").status_code == 200


def test_signing_out_needs_a_token_and_takes_no_body(api, user, as_user):
    assert api.post("/api/auth/logout").status_code == 401
    assert as_user(user).post("/api/auth/logout", {"all": True}).status_code == 400
    assert as_user(user).post("/api/auth/logout", {}).status_code == 204
