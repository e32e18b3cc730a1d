"""Signing in with a session token of Clerk. Identity comes from the verified token alone; what a body says about it
must agree, and never adds to it.

https://clerk.com/docs/backend-requests/manual-jwt
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services import mail_verification, set_verified
from accounts.tokens import TokenPair, issue_tokens
from common.errors import BadCredentials, Conflict, ServiceUnavailable, Unprocessable
from common.http import OutsideClient, OutsideError
from common.text import email_key

KEEP_S = 3600.0  # A set of keys is fresh for so long, and used beyond it only while Clerk cannot be reached.
REFETCH_S = 60.0  # So often at most is Clerk asked, however many tokens name unknown keys.
MIN_KEY_BITS = 2048
LEEWAY_S = 5
TOKEN_MAX = 16_384
log = structlog.get_logger(__name__)


class ClerkNotConfigured(ServiceUnavailable):
    code = "clerk_not_configured"
    detail = "Sign-in with Clerk is not set up here."


class ClerkUnavailable(ServiceUnavailable):
    code = "clerk_unavailable"
    detail = "Clerk's keys cannot be fetched at the moment."


class ClerkTokenRefused(BadCredentials):
    code = "token_not_valid"
    detail = "The token is not valid or has expired."


class ClerkEmailMissing(Unprocessable):
    code = "clerk_email_missing"
    detail = "The session token must carry the claims email and email_verified."


class EmailInUse(Conflict):
    code = "email_in_use"
    detail = "An account with this e-mail address exists; sign in to it with its password."


@dataclass(frozen=True, slots=True)
class ClerkIdentity:
    """What a verified token says."""

    user_id: str
    email: str
    email_verified: bool


class KeySet:
    """Clerk's public keys by their ids, kept in this process. Safe for threads; those with a fresh key never wait."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._is_down = False

    def key(self, kid: str) -> jwt.PyJWK | None:
        """The key with this id, None when Clerk has none. Raises ClerkUnavailable when that cannot be known."""
        key = self._keys.get(kid)
        if key is None or self._clock() - self._fetched_at >= KEEP_S:
            self._refetch()
            key = self._keys.get(kid)
        if key is None and self._is_down:
            raise ClerkUnavailable(retry_after=REFETCH_S)
        return key

    def _refetch(self) -> None:
        with self._lock:
            moment = self._clock()
            if moment - self._tried_at < REFETCH_S:
                return
            self._tried_at = moment
            try:
                self._keys = _fetch_keys()
            except (OutsideError, ValueError) as error:
                self._is_down = True
                log.warning("clerk_keys_not_fetched", error=str(error))
            else:
                self._fetched_at, self._is_down = moment, False


key_set = KeySet()


def sign_in_by_clerk(*, token: str, said: Mapping[str, str], now: datetime) -> tuple[User, TokenPair]:
    """Trade a Clerk session token for a pair of ours; makes the account when there is none. `said` is the body:
    clerk_user_id and email must agree with the token, first_name and last_name only fill what is empty.

    Raises ClerkNotConfigured, ClerkUnavailable, ClerkTokenRefused, ClerkEmailMissing, EmailInUse.
    """
    identity = verify_session_token(token)
    if said.get("clerk_user_id", identity.user_id) != identity.user_id:
        raise ClerkTokenRefused
    if email_key(said.get("email", identity.email)) != identity.email:
        raise ClerkTokenRefused
    with transaction.atomic():
        user = _known_user(identity) or _new_user(identity, now=now)
        if not user.is_active:
            raise ClerkTokenRefused
        user.first_name = user.first_name or said.get("first_name", "")
        user.last_name = user.last_name or said.get("last_name", "")
        user.last_login = now
        user.save()
        return user, issue_tokens(user=user, now=now)


def verify_session_token(token: str) -> ClerkIdentity:
    """Check the signature against Clerk's keys, issuer, times, authorised party and session id."""
    if not (settings.CLERK_ISSUER and settings.CLERK_JWKS_URL and settings.CLERK_AUTHORIZED_PARTIES):
        raise ClerkNotConfigured
    claims = _verified_claims(token)
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or "@" not in email or len(email) > 254 or not isinstance(verified, bool):
        raise ClerkEmailMissing
    return ClerkIdentity(user_id=claims["sub"], email=email_key(email), email_verified=verified)


def _verified_claims(token: str) -> dict[str, Any]:
    try:
        if len(token) > TOKEN_MAX:
            raise ValueError("too long")
        header = jwt.get_unverified_header(token)  # Only `kid` is used, to choose among Clerk's own keys.
        kid = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(kid, str):
            raise ValueError("not signed as Clerk signs")
        key = key_set.key(kid)
        if key is None:
            raise ValueError("not a key of Clerk's")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=["RS256"],
            issuer=settings.CLERK_ISSUER,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ClerkTokenRefused from error
    # A token made from a template for other services has no session id.
    for name, longest in (("sub", 64), ("sid", 255)):
        value = claims.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest or "\0" in value:
            raise ClerkTokenRefused
    if claims.get("azp") not in settings.CLERK_AUTHORIZED_PARTIES:
        raise ClerkTokenRefused
    return claims


def _known_user(identity: ClerkIdentity) -> User | None:
    """The user linked to this Clerk id, else the one with this address if it may be linked."""
    users = User.objects.select_for_update(no_key=True)
    user = users.filter(clerk_user_id=identity.user_id).first()
    if user is not None:
        return user
    user = users.filter(email=identity.email).first()
    if user is None:
        return None
    # Both sides must have proven the address, and nobody gains staff rights by an account elsewhere.
    proven = identity.email_verified and user.email_verified_at is not None
    if not proven or user.clerk_user_id is not None or _has_staff_right(user):
        raise EmailInUse
    user.clerk_user_id = identity.user_id
    return user


def _has_staff_right(user: User) -> bool:
    return bool(user.is_staff or user.is_superuser or user.groups.exists() or user.user_permissions.exists())


def _new_user(identity: ClerkIdentity, *, now: datetime) -> User:
    user = User(email=identity.email, clerk_user_id=identity.user_id)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # The same person at the same moment, or somebody with the address.
        known = _known_user(identity)
        if known is None:
            raise
        return known
    if identity.email_verified:
        set_verified(user, now, now=now)
    else:
        mail_verification(user, now=now)
    return user


def _fetch_keys() -> dict[str, jwt.PyJWK]:
    """Clerk's RSA signing keys. Raises OutsideError, and ValueError for an answer without any."""
    with OutsideClient(provider="clerk", budget_s=6.0, tries=1, connect_s=3.0, read_s=3.0) as client:
        answer = client.get_json(settings.CLERK_JWKS_URL)
    entries = answer.get("keys") if isinstance(answer, dict) else None
    keys = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry, algorithm="RS256")
        except jwt.PyJWTError:
            continue
        if isinstance(entry.get("kid"), str) and key.key.key_size >= MIN_KEY_BITS:
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("no usable key in the answer")
    return keys
