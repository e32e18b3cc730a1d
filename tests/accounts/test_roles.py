"""The roles of the migrations: what they grant, and that granting again disturbs nothing."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection

from accounts.models import User
from accounts.roles import ROLES, granting

pytestmark = pytest.mark.django_db


class Editor:
    """What RunPython hands over, as far as it is used."""

    connection = connection


def names_of(role):
    permissions = Group.objects.get(name=role).permissions.select_related("content_type")
    return sorted(f"{row.content_type.app_label}.{row.codename}" for row in permissions)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_the_table_says(role):
    assert names_of(role) == sorted(ROLES[role])


def test_every_name_in_the_table_is_a_permission():
    for names in ROLES.values():
        for name in names:
            app, codename = name.split(".")
            assert Permission.objects.filter(content_type__app_label=app, codename=codename).exists(), name


def test_granting_again_doubles_nothing():
    before = (Group.objects.count(), Permission.objects.count(), names_of("moderator"))
    granting("accounts")(apps, Editor)
    assert (Group.objects.count(), Permission.objects.count(), names_of("moderator")) == before


def test_a_later_grant_does_not_give_back_what_staff_took_away():
    Group.objects.get(name="moderator").permissions.clear()
    granting("accounts", "approve_sellerprofile")(apps, Editor)
    assert names_of("moderator") == ["accounts.approve_sellerprofile"]


def test_a_permission_that_does_not_exist_yet_is_left_to_its_migration(monkeypatch):
    monkeypatch.setitem(ROLES, "finance", ["accounts.not_yet"])
    granting("accounts")(apps, Editor)
    assert [name for name in names_of("finance") if name.startswith("accounts.")] == []


def test_a_group_that_is_no_role_does_not_open_the_admin(admin_user, as_user, user):
    Group.objects.create(name="newsletter")
    as_user(admin_user).patch(f"/api/users/{user.pk}", {"groups": ["newsletter"]})
    assert User.objects.get(pk=user.pk).is_staff is False
