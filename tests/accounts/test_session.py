"""Browser sessions: the browsable API's and the admin's, under the limits of every sign-in."""

import pytest
from django.conf import settings
from django.test import Client

from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN, LOGOUT = "/api/session/login", "/api/session/logout"
ADMIN_LOGIN = f"/{settings.ADMIN_PATH}/login/"


def sign_in(client, url=LOGIN, password=PASSWORD, username="alice@example.com", **extra):
    return client.post(url, {"username": username, "password": password}, **extra)


@pytest.fixture
def browser():
    return Client()


def test_anybody_signs_in_for_the_browsable_api_and_out_again(browser, user):
    assert browser.get(LOGIN).status_code == 200
    assert sign_in(browser).status_code == 302
    assert browser.get("/api/auth/me").status_code == 200
    assert browser.post(LOGOUT).status_code == 302
    assert browser.get("/api/auth/me").status_code == 401


def test_the_page_needs_no_inline_style_that_its_policy_forbids(browser):
    page = browser.get(LOGIN)
    assert "style=" not in page.text
    nonce = page.text.partition('nonce="')[2].partition('"')[0]
    assert f"'nonce-{nonce}'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("target", "goes_to"), [("/api/cars", "/api/cars"), ("https://evil.example/", "/api")])
def test_it_leads_on_within_this_site_only(browser, user, target, goes_to):
    answer = browser.post(LOGIN, {"username": user.email, "password": PASSWORD, "next": target})
    assert answer.headers["Location"] == goes_to


def test_a_wrong_password_opens_no_session(browser, user):
    assert sign_in(browser, password="wrong-guess").status_code == 200
    assert browser.get("/api/auth/me").status_code == 401


def test_signing_in_needs_the_csrf_token_and_so_does_writing(user):
    careful = Client(enforce_csrf_checks=True)
    assert sign_in(careful).status_code == 403
    page = careful.get(LOGIN)
    token = page.cookies["csrftoken"].value
    sign_in(careful, headers={"X-CSRFToken": token})
    change = {"data": {"first_name": "X"}, "content_type": "application/json"}
    assert careful.patch("/api/auth/me", **change).status_code == 403
    token = careful.cookies["csrftoken"].value
    assert careful.patch("/api/auth/me", **change, headers={"X-CSRFToken": token}).status_code == 200


def test_a_deactivated_user_and_a_changed_password_end_the_session(browser, user, as_user):
    sign_in(browser)
    as_user(user).post("/api/auth/change-password", {"current_password": PASSWORD, "new_password": "copper-lantern-77"})
    assert browser.get("/api/auth/me").status_code == 401
    sign_in(browser, password="copper-lantern-77")
    assert browser.get("/api/auth/me").status_code == 200
    type(user).objects.update(is_active=False)
    assert browser.get("/api/auth/me").status_code == 401


def test_raising_the_token_version_ends_the_session(browser, user):
    sign_in(browser)
    type(user).objects.update(token_version=9)
    assert browser.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize("url", [LOGIN, ADMIN_LOGIN])
def test_five_failures_lock_the_account_here_too(browser, admin_user, url):
    who = {"username": admin_user.email, "url": url}
    assert [sign_in(browser, password="wrong-guess", **who).status_code for _ in range(5)] == [200] * 5
    locked = sign_in(browser, **who)
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 0
    assert "Try again in 15 minutes" in locked.text


def test_all_ways_in_share_one_count(browser, api, admin_user):
    who = {"username": admin_user.email, "password": "wrong-guess"}
    sign_in(browser, LOGIN, **who)
    sign_in(browser, LOGIN, **who)
    sign_in(browser, ADMIN_LOGIN, **who)
    sign_in(browser, ADMIN_LOGIN, **who)
    assert api.post("/api/auth/login", who).status_code == 401
    assert api.post("/api/auth/login", who | {"password": PASSWORD}).status_code == 429
    assert sign_in(browser, ADMIN_LOGIN, username=admin_user.email).status_code == 429


def test_an_administrator_signs_in_to_the_admin_and_a_customer_does_not(admin_user, user):
    assert sign_in(Client(), ADMIN_LOGIN, username=admin_user.email).status_code == 302
    assert sign_in(Client(), ADMIN_LOGIN).status_code == 200
