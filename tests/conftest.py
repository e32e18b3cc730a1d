"""Fixtures of all tests. People sign in with real tokens: every request passes the real authentication."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Protocol

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations as PostgresOperations
from django.db.backends.sqlite3.creation import DatabaseCreation as SqliteCreation
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.roles import ROLES
from accounts.services import set_staff_flag
from accounts.tokens import issue_tokens
from common.throttling import process_counter
from tests.e2e.processes import migrated_database, migrated_file
from tests.factories import UserFactory
from tests.permissions import ROLES as STAFF_ROLES


def role(name: str) -> Group:
    """The group as the migrations make it: a test with real transactions empties their tables."""
    group, created = Group.objects.get_or_create(name=name)
    if created:
        apps, codenames = zip(*(full_name.split(".") for full_name in ROLES[name]), strict=True)
        granted = Permission.objects.filter(content_type__app_label__in=apps, codename__in=codenames)
        group.permissions.set(row for row in granted.select_related("content_type") if _full_name(row) in ROLES[name])
    return group


def _full_name(row: Permission) -> str:
    return f"{row.content_type.app_label}.{row.codename}"


def permission(full_name: str) -> Permission:
    """By `app.codename`."""
    app, codename = full_name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


class MakeUser(Protocol):
    def __call__(self, *, roles: Iterable[str] = (), perms: Iterable[str] = (), **fields: Any) -> User: ...


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    """What this process counted outlives a test; the shared cache is in the database, which is rolled back."""
    process_counter.clear()


@pytest.fixture
def api() -> APIClient:
    """Nobody: a client without credentials."""
    return APIClient()


@pytest.fixture
def make_user(db: None) -> MakeUser:
    """Makes users: `roles` are names of groups, `perms` are `app.codename`."""

    def make(*, roles: Iterable[str] = (), perms: Iterable[str] = (), **fields: Any) -> User:
        user = UserFactory(**fields)
        user.groups.set([role(name) for name in roles])
        user.user_permissions.set([permission(name) for name in perms])
        set_staff_flag(user)
        user.save()
        return user

    return make


@pytest.fixture
def user(make_user: MakeUser) -> User:
    return make_user(email="alice@example.com")


@pytest.fixture
def other_user(make_user: MakeUser) -> User:
    return make_user(email="bob@example.com")


@pytest.fixture
def admin_user(make_user: MakeUser) -> User:
    """A superuser."""
    return make_user(email="admin@example.com", is_superuser=True)


@pytest.fixture
def as_user() -> Callable[[User], APIClient]:
    """Signs a user in: a client with a bearer token of a sign-in of its own."""

    def sign_in(user: User) -> APIClient:
        client = APIClient()
        pair = issue_tokens(user=user, now=timezone.now())
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
        return client

    return sign_in


@pytest.fixture
def person_named(make_user: MakeUser) -> Callable[[str], User]:
    """One of each kind, made when asked for; the owner is a plain customer too."""

    @cache
    def make(name: str) -> User:
        roles = [name] if name in STAFF_ROLES else []
        return make_user(email=f"{name}@example.com", roles=roles, is_superuser=name == "administrator")

    return make


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> Iterator[None]:
    """The database of a worker of pytest-xdist begins as a copy of the tables that the run made once."""

    def copied(creation: SqliteCreation, *_: Any) -> str:
        return str(shutil.copy(migrated_file(), creation._get_test_db_name()))

    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            patch.setattr(SqliteCreation, "_create_test_db", copied)
            if connection.vendor == "postgresql":
                template = migrated_database(os.environ["DATABASE_URL"])
                patch.setitem(connection.settings_dict["TEST"], "TEMPLATE", template)
        yield


@pytest.fixture(scope="session", autouse=True)
def _empty_only_what_is_full(django_db_modify_db_settings: None) -> Iterator[None]:
    """A test with real transactions ends with a TRUNCATE of every table, which costs more than most of these tests; few
    tables hold rows. References are checked at the commit, so the order does not matter."""

    def sql_flush(operations: Any, style: Any, tables: Iterable[str], **_: Any) -> list[str]:
        names = [operations.quote_name(table) for table in tables]
        seen = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        with operations.connection.cursor() as cursor:
            cursor.execute(seen)
            full = [row[0] for row in cursor.fetchall()]
        return ["SET LOCAL forecourt.rewrite_log = 'on'", *(f"DELETE FROM {name}" for name in full)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresOperations, "sql_flush", sql_flush)
        yield
