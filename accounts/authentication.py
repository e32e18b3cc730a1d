"""How a request says who it comes from: a bearer token, or the session of the browsable API."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, QueryDict
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import TokenFamily, User
from accounts.tokens import AccessToken, Claims, InvalidToken, read_token
from common.prepared import fetch_prepared

# What views read of the signed-in user. The rest is loaded when asked for, by a statement of its own.
LOADED = {
    "id", "email", "username", "first_name", "last_name", "timezone", "is_active", "is_staff", "is_superuser",
    "email_verified_at", "identity_verified_at", "payment_reference", "bid_limit", "token_version",
}  # fmt: skip


def bearer_token(request: Request) -> str | None:
    """What follows `Bearer` in the Authorization header; None without one, or with another scheme."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return encoded.strip() if scheme.lower() == "bearer" else None


def user_of(request: Request | HttpRequest) -> User:
    """The signed-in user, in views whose permissions let nobody else in."""
    return cast(User, request.user)


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <access token>`. Sets `request.auth` to the token's `Claims`."""

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        encoded = bearer_token(request)
        if encoded is None:
            return None
        try:
            claims = read_token(AccessToken, encoded)
        except InvalidToken as error:
            raise AuthenticationFailed(code="token_not_valid") from error
        user = load_user(claims)
        if user is None:
            raise AuthenticationFailed(code="token_not_valid")
        return user, claims

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The browsable API's session, with CSRF. Only requests with a session cookie carry one."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        # Without the cookie the session middleware is skipped, and with it `request.user`.
        if isinstance(getattr(request._request, "user", AnonymousUser()), AnonymousUser):
            return None
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        """By the header alone: to look for a form's field would read the body, which the view then could not read
        within its own bounds."""
        bare = copy(request._request)
        bare.POST = QueryDict()
        super().enforce_csrf(cast(Request, bare))

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return 'Bearer realm="api"'


def load_user(claims: Claims) -> User | None:
    """The user of a verified access token with all permissions, by one statement; None when the account, its token
    version or the token's family has ended."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    rows = fetch_prepared(_statement(vendor), (_family_parameter(claims.family), claims.user_id))
    if not rows:
        return None
    *values, family_is_live, permissions = rows[0]
    user = User.from_db(DEFAULT_DB_ALIAS, _columns(), _converted(values))
    if not (user.is_active and family_is_live and user.token_version == claims.token_version):
        return None
    user.loaded_permissions = frozenset((permissions or "").split())
    return user


@cache
def _columns() -> tuple[str, ...]:
    """In the order of the model, which is what `Model.from_db` takes."""
    return tuple(field.attname for field in User._meta.concrete_fields if field.attname in LOADED)


@cache
def _statement(vendor: str) -> str:
    aggregate = "string_agg" if vendor == "postgresql" else "group_concat"
    columns = ", ".join(f"u.{name}" for name in _columns())
    return (
        f"SELECT {columns}, f.id IS NOT NULL AS family_is_live,"  # noqa: S608 - the model's own names
        f" (SELECT {aggregate}(c.app_label || '.' || p.codename, ' ')"
        " FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id"
        " WHERE p.id IN (SELECT gp.permission_id FROM accounts_user_groups ug"
        " JOIN auth_group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = u.id"
        " UNION ALL SELECT up.permission_id FROM accounts_user_user_permissions up WHERE up.user_id = u.id))"
        " FROM accounts_user u LEFT JOIN accounts_tokenfamily f"
        " ON f.id = %s AND f.user_id = u.id AND f.revoked_at IS NULL WHERE u.id = %s"
    )


def _family_parameter(family: uuid.UUID) -> Any:
    return TokenFamily._meta.pk.get_db_prep_value(family, connections[DEFAULT_DB_ALIAS])


@cache
def _converters() -> tuple[tuple[int, Sequence[Any], Any], ...]:
    """Per column that the database's driver does not answer as its Python type: how Django converts it."""
    connection = connections[DEFAULT_DB_ALIAS]
    fields = {field.attname: field for field in User._meta.concrete_fields}
    columns = [fields[name].get_col(User._meta.db_table) for name in _columns()]
    found = (
        (
            index,
            connection.ops.get_db_converters(column) + column.output_field.get_db_converters(connection),
            column,
        )
        for index, column in enumerate(columns)
    )
    return tuple(entry for entry in found if entry[1])


def _converted(values: list[Any]) -> list[Any]:
    connection = connections[DEFAULT_DB_ALIAS]
    for index, converters, column in _converters():
        for convert in converters:
            values[index] = convert(values[index], column, connection)
    return values
