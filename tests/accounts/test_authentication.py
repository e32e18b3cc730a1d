"""One statement brings the user and all rights; roles come from the database and never from the token."""

from decimal import Decimal

import jwt
import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIRequestFactory

from accounts.authentication import BearerAuthentication
from accounts.models import User
from accounts.registry import token_claims
from accounts.tokens import issue_tokens

pytestmark = pytest.mark.django_db


def authenticated(user):
    token = issue_tokens(user=user, now=timezone.now()).access
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")
    with CaptureQueriesContext(connection) as queries:
        found, _ = BearerAuthentication().authenticate(request)
    return found, queries


def test_one_statement_brings_the_user_and_the_permissions(make_user):
    user = make_user(roles=["service_advisor"], perms=["cars.sync_cars"], bid_limit=Decimal("100.00"))
    found, queries = authenticated(user)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as none:
        assert found.has_perm("cars.view_vehicle")
        assert found.has_perm("cars.sync_cars")
        assert not found.has_perm("cars.delete_car")
        assert found.has_module_perms("cars")
        assert (found.email, found.is_active, found.bid_limit) == (user.email, True, user.bid_limit)
    assert len(none) == 0


def test_the_loaded_permissions_are_those_that_django_would_find(make_user):
    user = make_user(roles=["moderator", "service_advisor"], perms=["cars.view_vehicle", "accounts.view_user"])
    found, _ = authenticated(user)
    assert set(found.get_all_permissions()) == User.objects.get(pk=user.pk).get_all_permissions()


@pytest.mark.postgres
def test_postgresql_prepares_the_statement(user):
    _found, _ = authenticated(user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%family_is_live%'")
        assert cursor.fetchone()[0] >= 1


def test_a_user_without_rights_has_an_empty_set_and_costs_no_query(user):
    found, _ = authenticated(user)
    with CaptureQueriesContext(connection) as none:
        assert found.permission_names() == []
    assert len(none) == 0


def test_a_superuser_may_everything(admin_user):
    found, _ = authenticated(admin_user)
    assert found.has_perm("anything.at_all")
    assert len(found.permission_names()) == Permission.objects.count()


def test_the_columns_have_the_types_of_the_model(make_user):
    user = make_user(identity_verified_at=timezone.now(), timezone="Europe/Berlin")
    found, _ = authenticated(user)
    fresh = User.objects.get(pk=user.pk)
    for name in ("email_verified_at", "identity_verified_at", "is_active", "is_superuser", "token_version", "timezone"):
        assert getattr(found, name) == getattr(fresh, name)
        assert type(getattr(found, name)) is type(getattr(fresh, name))


def test_a_withdrawn_role_is_gone_at_the_next_request(make_user, as_user):
    user = make_user(roles=["moderator"])
    client = as_user(user)
    target = make_user()
    assert client.post(f"/api/users/{target.pk}/verify-identity").status_code == 200
    user.groups.clear()
    assert client.post(f"/api/users/{target.pk}/verify-identity").status_code == 403


def test_roles_in_the_token_are_for_display_only(make_user, as_user):
    user = make_user(roles=["moderator"])
    token = issue_tokens(user=user, now=timezone.now()).access
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["roles"] == ["moderator"]
    assert {"sub", "jti", "family", "tv", "exp", "iat", "iss"} <= set(claims)


def test_other_apps_add_claims(user, monkeypatch):
    monkeypatch.setattr(token_claims, "entries", [lambda user: {"customer_id": None}])
    token = issue_tokens(user=user, now=timezone.now()).access
    assert jwt.decode(token, options={"verify_signature": False})["customer_id"] is None


def test_a_permission_given_to_a_role_by_staff_counts(make_user, as_user):
    user = make_user(roles=["mechanic"])
    right = Permission.objects.get(codename="verify_identity")
    Group.objects.get(name="mechanic").permissions.add(right)
    assert as_user(user).post(f"/api/users/{user.pk}/verify-identity").status_code == 200
