"""How a request says who it comes from: a bearer token, an API key in its place, or the session of the browsable
API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from accounts.key_text import KeyText, is_key, read_key
from accounts.models import ApiKey, TokenFamily, User
from accounts.tokens import AccessToken, Claims, InvalidToken, read_token
from common.clock import now as clock_now
from common.prepared import fetch_prepared

# What views read of the signed-in user. The rest is loaded when asked for, by a statement of its own.
LOADED = {
    "id", "email", "username", "first_name", "last_name", "timezone", "is_active", "is_staff", "is_superuser",
    "email_verified_at", "identity_verified_at", "payment_reference", "bid_limit", "token_version",
}  # fmt: skip
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What `request.auth` is when the request came with an API key."""

    key_id: int
    read_only: bool


def bearer_token(request: Request) -> str | None:
    """What follows `Bearer` in the Authorization header; None without one, or with another scheme."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return encoded.strip() if scheme.lower() == "bearer" else None


def user_of(request: Request | HttpRequest) -> User:
    """The signed-in user, in views whose permissions let nobody else in."""
    return cast(User, request.user)


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <access token or API key>`. Sets `request.auth` to the token's `Claims`, or to the
    `KeyUse`. A key that may only read is refused here, so that no view can forget to."""

    def authenticate(self, request: Request) -> tuple[User, Claims | KeyUse] | None:
        encoded = bearer_token(request)
        if encoded is None:
            return None
        found = _by_key(encoded) if is_key(encoded) else _by_token(encoded)
        if found is None:
            raise AuthenticationFailed(code="token_not_valid")
        auth = found[1]
        if isinstance(auth, KeyUse) and auth.read_only and request.method not in SAFE_METHODS:
            raise PermissionDenied("This API key may only read.", code="api_key_read_only")
        return found

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


def _by_token(encoded: str) -> tuple[User, Claims] | None:
    try:
        claims = read_token(AccessToken, encoded)
    except InvalidToken:
        return None
    user = load_user(claims)
    return None if user is None else (user, claims)


def _by_key(encoded: str) -> tuple[User, KeyUse] | None:
    key, now = read_key(encoded), clock_now()
    return None if key is None else load_key_holder(key, now=now)


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


def load_key_holder(key: KeyText, *, now: datetime) -> tuple[User, KeyUse] | None:
    """The holder of a live key, by one statement, with the permissions that the key names and the holder has now; never
    as superuser or staff, whose rights would go beyond those. Such a user must not be saved. None for a key that is
    unknown or over, or whose holder's account has ended."""
    connection = connections[DEFAULT_DB_ALIAS]
    noted, moment = (connection.ops.adapt_datetimefield_value(at) for at in (now - USE_NOTED_EVERY, now))
    rows = fetch_prepared(_key_statement(connection.vendor), (noted, key.prefix, moment))
    if not rows:
        return None
    *values, key_id, secret_hash, named, read_only, is_to_note, permissions = rows[0]
    if not key.fits(secret_hash):
        return None
    user = User.from_db(DEFAULT_DB_ALIAS, _columns(), _converted(values))
    granted = frozenset(json.loads(named))
    user.loaded_permissions = granted if user.is_superuser else granted & frozenset((permissions or "").split())
    user.is_superuser = user.is_staff = False
    if is_to_note:
        _note_use(key_id, now=now)
    return user, KeyUse(key_id, bool(read_only))


def _note_use(key_id: int, *, now: datetime) -> None:
    """Of all requests of a minute one writes. While a lock or a full disk is in the way it is left to a later one:
    whoever only reads needs nothing written."""
    due = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    with suppress(OperationalError):
        ApiKey.objects.filter(due, pk=key_id).update(last_used_at=now)


@cache
def _columns() -> tuple[str, ...]:
    """In the order of the model, which is what `Model.from_db` takes."""
    return tuple(field.attname for field in User._meta.concrete_fields if field.attname in LOADED)


@cache
def _statement(vendor: str) -> str:
    return (
        f"SELECT {_selected()}, f.id IS NOT NULL AS family_is_live, {_permissions(vendor)}"  # noqa: S608 - own names
        " FROM accounts_user u LEFT JOIN accounts_tokenfamily f"
        " ON f.id = %s AND f.user_id = u.id AND f.revoked_at IS NULL WHERE u.id = %s"
    )


@cache
def _key_statement(vendor: str) -> str:
    """The conditions are those of `ApiKeyQuerySet.live`."""
    return (
        f"SELECT {_selected()}, k.id, k.secret_hash, k.permissions, k.read_only,"  # noqa: S608 - own names
        f" (k.last_used_at IS NULL OR k.last_used_at <= %s) AS use_is_to_note, {_permissions(vendor)}"
        " FROM accounts_apikey k JOIN accounts_user u ON u.id = k.user_id"
        " WHERE k.prefix = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %s)"
        " AND k.token_version = u.token_version AND u.is_active"
    )


def _selected() -> str:
    return ", ".join(f"u.{name}" for name in _columns())


def _permissions(vendor: str) -> str:
    """What the user `u` may, as one text."""
    aggregate = "string_agg" if vendor == "postgresql" else "group_concat"
    return (
        f"(SELECT {aggregate}(c.app_label || '.' || p.codename, ' ')"  # noqa: S608 - one of two names
        " FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id"
        " WHERE p.id IN (SELECT gp.permission_id FROM accounts_user_groups ug"
        " JOIN auth_group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = u.id"
        " UNION ALL SELECT up.permission_id FROM accounts_user_user_permissions up WHERE up.user_id = u.id))"
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
