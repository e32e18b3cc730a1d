"""Our own tokens: short access tokens and rotating refresh tokens of one family per sign-in (docs/adr/0003).

What is signed here is for the client's display; the server reads rights and sessions from the database only.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from django.db import transaction
from django.db.models import F
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.models import ApiKey, TokenFamily, User
from accounts.registry import claims_for

ACCESS_LIFETIME: timedelta = api_settings.ACCESS_TOKEN_LIFETIME
REFRESH_LIFETIME: timedelta = api_settings.REFRESH_TOKEN_LIFETIME
_LEEWAY_S: int = api_settings.LEEWAY
MAX_ENCODED = 8192  # Characters; ours have a few hundred.


class InvalidToken(Exception):
    """The token is not one of ours, is over, or its session was ended. Not a `DomainError`: the settings of REST
    framework import this module through the authentication classes, and `common.errors` imports REST framework."""


class AccessToken(simplejwt.AccessToken):
    """Carries sub, jti, family and tv (the user's token version); roles and other claims for display."""


class RefreshToken(simplejwt.Token):
    """Good once: its `jti` must be the family's current one."""

    token_type = "refresh"  # noqa: S105
    lifetime = REFRESH_LIFETIME


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in hands out; `expires_in` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that the server acts on."""

    user_id: int
    jti: str
    family: uuid.UUID
    token_version: int


def read_token(kind: type[simplejwt.Token], encoded: str) -> Claims:
    """Verify signature, algorithm, issuer, times, type and the form of every claim used; raises `InvalidToken`."""
    if len(encoded) > MAX_ENCODED:
        raise InvalidToken
    claims, expires_at = _verified(cast(Hashable, kind), encoded)
    if expires_at <= time.time() - _LEEWAY_S:
        raise InvalidToken
    return claims


@lru_cache(maxsize=1024)
def _verified(kind: type[simplejwt.Token], encoded: str) -> tuple[Claims, float]:
    """The claims and the end of a good token. A client shows the same one for minutes, and of what is verified here
    only the end can come later; whether the session still stands is asked of the database each time. A refused token
    is not remembered."""
    try:
        payload = kind(encoded).payload  # type: ignore[arg-type]  # simplejwt's annotation names its own class.
        claims = Claims(
            user_id=_positive_integer(payload["sub"]),
            jti=_text(payload["jti"]),
            family=uuid.UUID(_text(payload["family"])),
            token_version=_whole_number(payload["tv"]),
        )
        return claims, float(payload["exp"])
    # A validly signed token may still hold anything: 10**30 as a time, a list as an id, no claim at all.
    except (TokenError, ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        raise InvalidToken from error


def issue_tokens(*, user: User, now: datetime) -> TokenPair:
    """Start a family for one sign-in and sign its first pair."""
    refresh = RefreshToken()
    family = TokenFamily.objects.create(
        user=user,
        current_jti=refresh["jti"],
        created_at=now,
        expires_at=now + REFRESH_LIFETIME,
    )
    return _sign_pair(user=user, family=family, refresh=refresh)


def rotate_tokens(*, encoded: str, now: datetime) -> tuple[User, TokenPair]:
    """Trade a refresh token for a new pair. One that was traded before ends its whole family.

    Raises `InvalidToken`.
    """
    claims = read_token(RefreshToken, encoded)
    with transaction.atomic():
        rotated = _rotate_locked(claims, now=now)
    # Raised after the commit: the revocation of a reused family must stay.
    if rotated is None:
        raise InvalidToken
    return rotated


def _rotate_locked(claims: Claims, *, now: datetime) -> tuple[User, TokenPair] | None:
    family = (
        TokenFamily.objects.select_for_update()
        .filter(pk=claims.family, user_id=claims.user_id, revoked_at__isnull=True, expires_at__gt=now)
        .first()
    )
    if family is None:
        return None
    # A user who is ended at this moment raises the version first, so a pair signed for the old one is dead already.
    user = User.objects.filter(pk=family.user_id, is_active=True, token_version=claims.token_version).first()
    if user is None:
        return None
    if family.current_jti != claims.jti:
        revoke_families(user_id=user.pk, family_id=family.pk, reason="reuse", now=now)
        return None
    refresh = RefreshToken()
    family.current_jti = refresh["jti"]
    family.expires_at = now + REFRESH_LIFETIME
    family.save(update_fields=["current_jti", "expires_at"])
    return user, _sign_pair(user=user, family=family, refresh=refresh)


def revoke_families(*, user_id: int, reason: str, now: datetime, family_id: uuid.UUID | None = None) -> int:
    """End one sign-in of the user, or all of them: refresh tokens and access tokens alike. Answers how many."""
    families = TokenFamily.objects.filter(user_id=user_id, revoked_at__isnull=True)
    if family_id is not None:
        families = families.filter(pk=family_id)
    return families.update(revoked_at=now, revoked_reason=reason)


def end_all_sessions(*, user: User, reason: str, now: datetime) -> None:
    """End every sign-in of the user, browser sessions and API keys included: whoever got hold of the account may have
    made a key of their own. The caller holds the user's row locked."""
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    user.refresh_from_db(fields=["token_version"])
    revoke_families(user_id=user.pk, reason=reason, now=now)
    ApiKey.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=now, revoked_reason=reason)


def _sign_pair(*, user: User, family: TokenFamily, refresh: RefreshToken) -> TokenPair:
    access = AccessToken()
    for token in (access, refresh):
        token["sub"] = str(user.pk)
        token["family"] = str(family.pk)
        token["tv"] = user.token_version
    access["roles"] = user.role_names()
    for name, value in claims_for(user).items():
        access[name] = value
    return TokenPair(access=str(access), refresh=str(refresh), expires_in=int(ACCESS_LIFETIME.total_seconds()))


def _positive_integer(value: Any) -> int:
    """A user id as it is signed: decimal digits of a 64-bit number."""
    text = _text(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < 2**63):
        raise ValueError("not an id")
    return int(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
