"""One's own account: what can be changed there, and what another address needs."""

import pytest

from accounts.models import LoginCounter, Notification, User
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
URL = "/api/auth/me"


@pytest.fixture
def me(as_user, user):
    return as_user(user)


def code(answer):
    return answer.json()["errors"][0]["code"]


def test_a_user_sees_the_whole_account_and_no_secret(me, user):
    answer = me.get(URL)
    assert answer.status_code == 200
    assert set(answer.json()) == {
        "id", "email", "username", "first_name", "last_name", "phone", "address", "timezone", "roles", "permissions",
        "can_bid", "bid_limit", "email_verified_at", "identity_requested_at", "identity_verified_at",
        "payment_profile", "last_login_at", "created_at",
    }  # fmt: skip
    assert answer.json()["timezone"] == "UTC"
    assert user.password not in answer.text


def test_nobody_has_no_account(api, db):
    assert api.get(URL).status_code == 401
    assert api.patch(URL, {"first_name": "X"}).status_code == 401


def test_roles_and_permissions_are_told(as_user, make_user, admin_user):
    body = as_user(make_user(roles=["moderator"])).get(URL).json()
    assert body["roles"] == ["moderator"]
    assert "accounts.verify_identity" in body["permissions"]
    assert as_user(admin_user).get(URL).json()["roles"] == ["administrator"]


def test_an_unchanged_account_is_304(me):
    etag = me.get(URL).headers["ETag"]
    assert me.get(URL, HTTP_IF_NONE_MATCH=etag).status_code == 304


def test_the_second_of_two_editors_gets_412(me):
    etag = me.get(URL).headers["ETag"]
    assert me.patch(URL, {"first_name": "A"}, HTTP_IF_MATCH=etag).status_code == 200
    assert me.patch(URL, {"first_name": "B"}, HTTP_IF_MATCH=etag).status_code == 412
    assert me.get(URL).json()["first_name"] == "A"


def test_a_profile_is_changed_and_what_is_left_out_stays(me, user):
    changes = {"username": "Al", "phone": "+1 (555) 010-9999", "timezone": "Europe/Berlin"}
    me.patch(URL, changes | {"address": {"line1": "Main St 1", "city": "Bonn", "country": "DE"}})
    body = me.patch(URL, {"address": {"city": "Köln"}, "last_name": ""}).json()
    assert (body["username"], body["phone"], body["timezone"]) == ("Al", "+15550109999", "Europe/Berlin")
    assert body["address"] == {
        "line1": "Main St 1",
        "line2": "",
        "city": "Köln",
        "state": "",
        "zip": "",
        "country": "DE",
    }
    assert (body["first_name"], body["last_name"]) == ("Sam", "")


READ_ONLY = [
    "id", "roles", "permissions", "groups", "can_bid", "bid_limit", "is_staff", "is_superuser", "is_active",
    "email_verified_at", "identity_verified_at", "identity_requested_at", "payment_profile", "payment_reference",
    "clerk_user_id", "token_version", "created_at", "last_login", "password",
]  # fmt: skip


@pytest.mark.parametrize("field", READ_ONLY)
def test_nothing_else_can_be_assigned(me, user, field):
    assert me.patch(URL, {field: "2030-01-01T00:00:00Z", "first_name": "Changed"}).status_code == 400
    assert User.objects.values().get(pk=user.pk)["first_name"] == "Sam"


@pytest.mark.parametrize(
    "address", [{"country": "Germany"}, {"country": "de"}, {"line3": "x"}, {"zip": 5}, [], "x", None]
)
def test_an_address_is_strict(me, address):
    assert me.patch(URL, {"address": address}).status_code == 400


@pytest.mark.parametrize("zone", ["Mars/Olympus", "utc", "../etc/passwd", "Europe/"])
def test_a_time_zone_nobody_has_is_422_or_400(me, zone):
    answer = me.patch(URL, {"timezone": zone})
    assert (answer.status_code, code(answer)) in {(422, "unknown_timezone"), (400, "pattern")}


def test_a_name_somebody_has_is_409(me, make_user):
    make_user(username="Neo")
    answer = me.patch(URL, {"username": "NEO"})
    assert (answer.status_code, code(answer)) == (409, "username_taken")


def test_a_name_can_be_given_back(me, user):
    me.patch(URL, {"username": "Al"})
    assert me.patch(URL, {"username": None}).json()["username"] is None
    assert User.objects.get(pk=user.pk).username_key is None


def test_another_address_needs_the_password_and_a_new_confirmation(me, user):
    body = me.patch(URL, {"email": "New@Example.com", "current_password": PASSWORD}).json()
    assert (body["email"], body["email_verified_at"], body["can_bid"]) == ("new@example.com", None, False)
    assert Notification.objects.get(user=user).kind == "email_verification"


@pytest.mark.parametrize("password", [{}, {"current_password": "wrong-guess"}])
def test_without_the_right_password_the_address_stays(me, user, password):
    answer = me.patch(URL, {"email": "new@example.com", "first_name": "X", **password})
    assert (answer.status_code, code(answer)) == (422, "wrong_password")
    user.refresh_from_db()
    assert (user.email, user.first_name) == ("alice@example.com", "Sam")


def test_the_same_address_in_other_letters_is_no_change(me, user):
    assert me.patch(URL, {"email": "ALICE@example.com"}).json()["email_verified_at"] is not None


def test_an_address_somebody_has_is_409(me, other_user):
    answer = me.patch(URL, {"email": "BOB@example.com", "current_password": PASSWORD})
    assert (answer.status_code, code(answer)) == (409, "email_taken")


def test_guessing_the_password_here_is_limited_like_signing_in(me):
    guess = {"email": "new@example.com", "current_password": "wrong-guess"}
    statuses = [me.patch(URL, guess).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    assert LoginCounter.objects.get(scope="account").failures == 5


def test_a_payment_profile_is_put_on_file_and_shown_by_its_end(me, user):
    answer = me.put(URL + "/payment-profile", {"provider": "sandbox", "reference": "pm_card_visa-4242"})
    assert (answer.status_code, answer.json()) == (200, {"provider": "sandbox", "last4": "4242"})
    body = me.get(URL).json()
    assert body["payment_profile"] == {"provider": "sandbox", "last4": "4242"}
    assert "pm_card" not in me.get(URL).text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provider": "sandbox"},
        {"provider": "bank", "reference": "pm_1234"},
        {"provider": "sandbox", "reference": "123"},
        {"provider": "sandbox", "reference": "4242 4242 4242 4242"},
        {"provider": "sandbox", "reference": "pm_1234", "last4": "0000"},
    ],
)
def test_a_payment_profile_of_another_form_is_400(me, body):
    assert me.put(URL + "/payment-profile", body).status_code == 400


def test_the_sandbox_confirms_an_identity_at_once_so_that_a_person_can_bid(me):
    me.put(URL + "/payment-profile", {"provider": "sandbox", "reference": "pm_1234"})
    answer = me.post(URL + "/identity-request")
    assert answer.status_code == 200
    assert answer.json()["can_bid"] is True
    assert me.get(URL).json()["can_bid"] is True


def test_without_the_sandbox_a_moderator_confirms(me, user, as_user, make_user, settings):
    settings.IDENTITY_PROVIDER = "manual"
    first = me.post(URL + "/identity-request").json()
    assert first["identity_requested_at"]
    assert first["identity_verified_at"] is None
    assert me.post(URL + "/identity-request").json() == first
    moderator = as_user(make_user(roles=["moderator"]))
    assert moderator.post(f"/api/users/{user.pk}/verify-identity").json()["identity_verified_at"] is not None
    assert me.get(URL).json()["identity_verified_at"] is not None


def test_payment_and_identity_need_a_sign_in(api, db):
    assert api.put(URL + "/payment-profile", {"provider": "sandbox", "reference": "pm_1234"}).status_code == 401
    assert api.post(URL + "/identity-request").status_code == 401
