"""People, for administrators; the confirmation of identities, for moderators."""

import pytest

from accounts.models import Notification, TokenFamily, User
from accounts.registry import on_verified

pytestmark = pytest.mark.django_db
URL = "/api/users"


@pytest.fixture
def admin(as_user, admin_user):
    return as_user(admin_user)


def code(answer):
    return answer.json()["errors"][0]["code"]


def found(client, **query):
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.text
    return [row["email"].partition("@")[0] for row in answer.json()["results"]]


def test_an_administrator_sees_everybody(admin, admin_user, user):
    body = admin.get(URL).json()
    assert body["count"] == 2
    assert [row["id"] for row in body["results"]] == [admin_user.pk, user.pk]
    assert "password" not in body["results"][0]


@pytest.mark.parametrize("role", [None, "mechanic", "service_advisor", "moderator", "finance", "parking_manager"])
def test_nobody_else_does(role, make_user, as_user, user):
    client = as_user(make_user(roles=[role] if role else []))
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}/{user.pk}").status_code == 403
    assert client.get(f"{URL}/999999").status_code == 403  # Not even who exists.
    assert client.patch(f"{URL}/{user.pk}", {"is_active": False}).status_code == 403


def test_strangers_get_401_and_unknown_methods_405(api, admin, user):
    assert api.get(URL).status_code == 401
    assert api.patch(f"{URL}/{user.pk}", {}).status_code == 401
    for client in (api, admin):
        assert client.post(URL, {}).status_code == 405
        assert client.put(f"{URL}/{user.pk}", {}).status_code == 405
        assert client.delete(f"{URL}/{user.pk}").status_code == 405


def test_people_are_found_by_state_name_and_role(admin, make_user):
    make_user(email="ann@example.com", first_name="Ann", username="Annie", roles=["mechanic"])
    make_user(email="ben@example.com", first_name="Ben", is_active=False, email_verified_at=None)
    assert found(admin, email="ANN@example.com") == ["ann"]
    assert found(admin, username="annie") == ["ann"]
    assert found(admin, group="mechanic") == ["ann"]
    assert found(admin, is_active="false") == ["ben"]
    assert found(admin, email_verified="false") == ["ben"]
    assert found(admin, is_superuser="true") == ["admin"]
    assert found(admin, search="ben driver") == ["ben"]
    assert found(admin, ordering="-email") == ["ben", "ann", "admin"]
    assert found(admin, is_staff="true", ordering="email") == ["admin", "ann"]


@pytest.mark.parametrize("query", ["?nope=1", "?is_active=1", "?search=", "?email=a&email=b", "?ordering=password"])
def test_other_questions_are_400(admin, query):
    assert admin.get(URL + query).status_code == 400


def test_the_list_costs_the_same_for_two_people_and_for_ten(admin, make_user, django_assert_max_num_queries):
    for _ in range(9):
        make_user(roles=["mechanic", "finance"])
    with django_assert_max_num_queries(4):  # Who asks, the count, the page, their groups.
        assert len(admin.get(URL).json()["results"]) == 10


def test_an_administrator_changes_roles_limits_and_confirmations(admin, make_user, monkeypatch):
    heard = []
    monkeypatch.setattr(on_verified, "entries", [lambda *, user, now: heard.append(user.pk)])
    user = make_user(email_verified_at=None)
    changes = {
        "groups": ["finance", "moderator"], "bid_limit": "2500.00", "email_verified_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    answer = admin.patch(f"{URL}/{user.pk}", changes)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in changes} == changes
    assert answer.json()["is_staff"] is True
    assert heard == [user.pk]


def test_whoever_leaves_all_roles_leaves_the_admin(admin, make_user):
    user = make_user(roles=["finance"])
    body = admin.patch(f"{URL}/{user.pk}", {"groups": []}).json()
    assert (body["groups"], body["is_staff"]) == ([], False)


def test_a_role_that_nobody_knows_is_422_and_changes_nothing(admin, make_user):
    user = make_user(roles=["finance"])
    answer = admin.patch(f"{URL}/{user.pk}", {"groups": ["finance", "king"], "is_active": False})
    assert (answer.status_code, code(answer)) == (422, "unknown_role")
    user.refresh_from_db()
    assert user.is_active
    assert user.group_names == ["finance"]


@pytest.mark.parametrize("field", ["is_superuser", "is_staff", "email", "password", "id", "created_at", "x"])
def test_nothing_else_can_be_assigned(admin, user, field):
    assert admin.patch(f"{URL}/{user.pk}", {field: True}).status_code == 400


def test_a_deactivated_user_is_out_at_the_next_request(admin, user, as_user):
    client = as_user(user)
    assert admin.patch(f"{URL}/{user.pk}", {"is_active": False}).status_code == 200
    assert client.get("/api/auth/me").status_code == 401
    assert TokenFamily.objects.get(user=user).revoked_reason == "deactivated"
    admin.patch(f"{URL}/{user.pk}", {"is_active": True})
    assert client.get("/api/auth/me").status_code == 401  # Coming back does not revive old sessions.


def test_the_last_administrator_stays(admin, admin_user, make_user):
    answer = admin.patch(f"{URL}/{admin_user.pk}", {"is_active": False})
    assert (answer.status_code, code(answer)) == (409, "last_administrator")
    make_user(is_superuser=True, is_active=False)
    assert admin.patch(f"{URL}/{admin_user.pk}", {"is_active": False}).status_code == 409
    make_user(is_superuser=True)
    assert admin.patch(f"{URL}/{admin_user.pk}", {"is_active": False}).status_code == 200


def test_the_second_of_two_administrators_gets_412(admin, user):
    etag = admin.get(f"{URL}/{user.pk}").headers["ETag"]
    assert admin.patch(f"{URL}/{user.pk}", {"bid_limit": 5}, HTTP_IF_MATCH=etag).status_code == 200
    assert admin.patch(f"{URL}/{user.pk}", {"bid_limit": 6}, HTTP_IF_MATCH=etag).status_code == 412


def test_a_moderator_confirms_an_identity_once(make_user, as_user, user):
    moderator = as_user(make_user(roles=["moderator"]))
    first = moderator.post(f"{URL}/{user.pk}/verify-identity")
    assert first.status_code == 200
    assert moderator.post(f"{URL}/{user.pk}/verify-identity").json() == first.json()
    assert User.objects.get(pk=user.pk).identity_verified_at is not None
    assert Notification.objects.filter(user=user, kind="identity_verified").count() == 1


def test_nobody_confirms_an_identity_without_the_right(user, as_user, make_user, api):
    for client, status in ((api, 401), (as_user(user), 403), (as_user(make_user(roles=["finance"])), 403)):
        assert client.post(f"{URL}/{user.pk}/verify-identity").status_code == status
    assert as_user(make_user(roles=["moderator"])).post(f"{URL}/987654/verify-identity").status_code == 404
