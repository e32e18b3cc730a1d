"""Checking a password under limits that hold with the cache down: every attempt is reserved in the database before
the password is hashed, so parallel guesses cannot slip between the limit's check and its count."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.utils.crypto import salted_hmac

from accounts.models import LoginCounter, User
from common.errors import DomainError
from common.text import email_key, natural_key
from common.throttling import network_of

Scope = LoginCounter.Scope


class SignInLocked(DomainError):
    """Too many failures of this account or from this address: the right password is refused as well."""

    status = 429
    code = "login_locked"
    detail = "Too many failed sign-ins. Try again later."

    def __init__(self, *, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


def find_user(identifier: str) -> User | None:
    """The user with this e-mail address or username; what holds an `@` can only be an address."""
    if "@" in identifier:
        return User.objects.filter(email=email_key(identifier)).first()
    return User.objects.filter(username_key=natural_key(identifier)).first()


def check_sign_in(*, identifier: str, password: str, address: str, now: datetime) -> User | None:
    """The active user with this password, else None. Unknown, inactive and wrong cost one password hash each.

    Raises `SignInLocked` without hashing anything.
    """
    user = find_user(identifier)
    # E-mail and username of one account share a counter; names that nobody has are counted, and locked, alike.
    account = f"user:{user.pk}" if user else f"name:{email_key(identifier)}"
    reserve_attempt(account=account, address=address, now=now)
    if user is None:
        make_password(password)
        return None
    if not _password_fits(user, password) or not user.is_active:
        return None
    settle_success(account=account, address=address, now=now)
    return user


def check_own_password(*, user: User, password: str, address: str, now: datetime) -> bool:
    """Whether a signed-in user repeats the password rightly, under the same limits as a sign-in."""
    account = f"user:{user.pk}"
    reserve_attempt(account=account, address=address, now=now)
    if not _password_fits(user, password):
        return False
    settle_success(account=account, address=address, now=now)
    return True


def reserve_attempt(*, account: str, address: str, now: datetime) -> None:
    """Count one attempt of the account and of the address, as failed until `settle_success` says otherwise.

    Committed before the caller hashes. Raises `SignInLocked` and counts neither when either is at its limit.
    """
    with transaction.atomic(durable=True):
        _reserve(Scope.ACCOUNT, account, limit=settings.LOGIN_FAILURES_PER_ACCOUNT, now=now)
        if address:
            _reserve(Scope.ADDRESS, network_of(address), limit=settings.LOGIN_FAILURES_PER_ADDRESS, now=now)


def forget_failures(*, user: User, now: datetime) -> None:
    """Lift the lock of an account whose owner has proven otherwise who they are."""
    _forget(f"user:{user.pk}", now=now)


def settle_success(*, account: str, address: str, now: datetime) -> None:
    """Forget the account's failures; give the address back the attempt that turned out well."""
    _forget(account, now=now)
    if address:
        LoginCounter.objects.filter(scope=Scope.ADDRESS, key=_hashed(network_of(address)), failures__gt=0).update(
            failures=F("failures") - 1
        )


def _forget(account: str, *, now: datetime) -> None:
    # The row stays: deleted, it would be missing between the two statements of somebody else's reservation.
    counter = LoginCounter.objects.filter(scope=Scope.ACCOUNT, key=_hashed(account))
    counter.update(failures=0, window_started_at=now)


def _reserve(scope: LoginCounter.Scope, name: str, *, limit: int, now: datetime) -> None:
    """One guarded UPDATE decides: the database lets through at most `limit` callers in one window."""
    key, window = _hashed(name), timedelta(seconds=settings.LOGIN_WINDOW_S)
    counter = LoginCounter.objects.filter(scope=scope, key=key)
    fresh = LoginCounter(scope=scope, key=key, window_started_at=now, failures=0)
    over = Q(window_started_at__lte=now - window)
    while True:
        LoginCounter.objects.bulk_create([fresh], ignore_conflicts=True)
        counted = counter.filter(over | Q(failures__lt=limit)).update(
            failures=Case(When(over, then=Value(1)), default=F("failures") + 1),
            window_started_at=Case(When(over, then=Value(now)), default=F("window_started_at")),
        )
        if counted:
            return
        started = counter.values_list("window_started_at", flat=True).first()
        if started is not None:
            break
        # The daily clean-up removed an old row between the two statements.
    left = (started + window - now).total_seconds()
    raise SignInLocked(retry_after=max(1, min(settings.LOGIN_WINDOW_S, math.ceil(left))))


def _hashed(name: str) -> str:
    """A keyed hash: the table tells neither names nor addresses."""
    return salted_hmac("accounts.sign_in", name, algorithm="sha256").hexdigest()


def _password_fits(user: User, password: str) -> bool:
    """Compare in the time of one hash, and keep the hash in today's algorithm."""

    def upgrade(raw_password: str) -> None:
        user.password = make_password(raw_password)
        User.objects.filter(pk=user.pk).update(password=user.password)

    return check_password(password, user.password, setter=upgrade)
