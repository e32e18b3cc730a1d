"""Every write to a user. Rows are locked before they are read for a decision; mails go through the outbox in the same
transaction. The module's sisters: `tokens`, `sign_in`, `clerk`, and `notifications`, `exports`, `privacy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts import mail
from accounts.models import User
from accounts.notifications import notify
from accounts.registry import run_verified_hooks
from accounts.roles import ROLES
from accounts.sign_in import check_own_password, check_sign_in, forget_failures
from accounts.tokens import (
    InvalidToken,
    TokenPair,
    end_all_sessions,
    issue_tokens,
    revoke_families,
    rotate_tokens,
)
from common.clock import known_zones
from common.errors import BadCredentials, Conflict, Forbidden, NotFound, Unprocessable
from common.text import email_key

PASSWORD_MIN, PASSWORD_MAX = 8, 128
RESET_MAIL_EVERY_S = 300  # One reset mail per account in each slot of this length, however many ask.


class EmailTaken(Conflict):
    code = "email_taken"
    detail = "Another account has this e-mail address."


class UsernameTaken(Conflict):
    code = "username_taken"
    detail = "Another account has this username."


class RoleNotAllowed(Forbidden):
    code = "role_not_allowed"
    detail = "Everybody starts as a customer; staff roles are given by an administrator."


class InvalidCredentials(BadCredentials):
    """The same for unknown, inactive and wrong: a caller learns nothing about who has an account."""

    code = "invalid_credentials"
    detail = "These credentials do not fit."


class TokenRefused(BadCredentials):
    code = "token_not_valid"
    detail = "The token is not valid or has expired."


class WrongPassword(Unprocessable):
    code = "wrong_password"
    detail = "This is not your current password."


class PasswordRefused(Unprocessable):
    """`code` is that of the first validator that refuses, such as `password_too_common`."""


class MailTokenRefused(Unprocessable):
    code = "invalid_token"
    detail = "The token is not valid, was used, or has expired."


class UnknownTimezone(Unprocessable):
    code = "unknown_timezone"
    detail = "This is not the name of a time zone of the IANA database."


class UnknownRole(Unprocessable):
    code = "unknown_role"
    detail = "There is no such role."


class LastAdministrator(Conflict):
    code = "last_administrator"
    detail = "The last active administrator cannot be demoted or deactivated."


# --- Signing up and in -------------------------------------------------------------------------------------


def register_user(
    *, email: str, password: str, now: datetime, role: str = "customer", **profile: Any
) -> tuple[User, TokenPair]:
    """Make a customer's account, mail the verification and sign in. `profile` holds username, names and phone.

    Raises RoleNotAllowed, PasswordRefused, EmailTaken, UsernameTaken.
    """
    if role not in {"customer", "user"}:
        raise RoleNotAllowed(attr="role")
    user = User(email=email_key(email), **profile)
    check_password_strength(password=password, user=user, attr="password")
    user.set_password(password)
    user.last_login = now
    with transaction.atomic():
        _save_unique(user)
        mail_verification(user, now=now)
        return user, issue_tokens(user=user, now=now)


def sign_in(*, identifier: str, password: str, address: str, now: datetime) -> tuple[User, TokenPair]:
    """Trade an e-mail address or username and its password for a pair of tokens.

    Raises InvalidCredentials, SignInLocked.
    """
    user = check_sign_in(identifier=identifier, password=password, address=address, now=now)
    if user is None:
        raise InvalidCredentials
    with transaction.atomic():
        user.last_login = now
        user.save(update_fields=["last_login"])
        return user, issue_tokens(user=user, now=now)


def refresh_session(*, refresh_token: str, now: datetime) -> tuple[User, TokenPair]:
    """Trade a refresh token for a new pair; one that was traded before ends its family. Raises TokenRefused."""
    try:
        return rotate_tokens(encoded=refresh_token, now=now)
    except InvalidToken as error:
        raise TokenRefused from error


def sign_out(*, user: User, family_id: Any, now: datetime) -> None:
    """End one sign-in: its refresh token, and its access tokens from the next request on."""
    revoke_families(user_id=user.pk, family_id=family_id, reason="logout", now=now)


# --- Passwords and addresses -------------------------------------------------------------------------------


def check_password_strength(*, password: str, user: User, attr: str) -> None:
    """Ask Django's validators; `user` is whom the password must not resemble. Raises PasswordRefused."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        code = error.error_list[0].code
        raise PasswordRefused(" ".join(error.messages), code=code, attr=attr) from error


def change_password(*, user: User, current_password: str, new_password: str, address: str, now: datetime) -> None:
    """Set a new password and end every session. Raises WrongPassword, PasswordRefused, SignInLocked."""
    confirm_password(user=user, password=current_password, address=address, now=now)
    check_password_strength(password=new_password, user=user, attr="new_password")
    hashed = make_password(new_password)
    with transaction.atomic():
        locked = lock_user(user.pk)
        if locked.password != user.password:  # Somebody changed it since it was checked.
            raise WrongPassword(attr="current_password")
        _set_password(locked, hashed, now=now)


def request_password_reset(*, email: str, now: datetime) -> None:
    """Mail a token to the address if an active account has it. Says nothing either way."""
    with transaction.atomic():
        user = User.objects.filter(email=email_key(email), is_active=True).first()
        if user is not None:
            slot = str(int(now.timestamp()) // RESET_MAIL_EVERY_S)
            title = "Choose a new password"
            notify(user=user, kind=mail.PASSWORD_RESET, title=title, dedupe_key=slot, now=now)


def confirm_password_reset(*, token: str, new_password: str, now: datetime) -> None:
    """Set a new password by a mailed token, end every session and lift the account's sign-in lock.

    Raises MailTokenRefused, PasswordRefused.
    """
    with transaction.atomic():
        user = _user_by_token(mail.reset_tokens, token)
        check_password_strength(password=new_password, user=user, attr="new_password")
        _set_password(user, make_password(new_password), now=now)
        forget_failures(user=user, now=now)


def verify_email(*, token: str, now: datetime) -> User:
    """Confirm an address by a mailed token. Raises MailTokenRefused."""
    with transaction.atomic():
        user = _user_by_token(mail.email_tokens, token)
        set_verified(user, now, now=now)
        user.save(update_fields=["email_verified_at", "updated_at"])
        return user


# --- One's own account -------------------------------------------------------------------------------------


def confirm_password(*, user: User, password: str, address: str, now: datetime) -> None:
    """Have a signed-in user prove who they are. Not inside a transaction: a failure must stay counted.

    Raises WrongPassword, SignInLocked.
    """
    if not check_own_password(user=user, password=password, address=address, now=now):
        raise WrongPassword(attr="current_password")


def update_profile(*, user: User, changes: Mapping[str, Any], confirmed: bool, now: datetime) -> User:
    """Change what users may change themselves. Another e-mail address needs `confirmed` (see `confirm_password`) and
    has to be verified anew.

    Raises WrongPassword, EmailTaken, UsernameTaken, UnknownTimezone.
    """
    values = dict(changes)
    if "email" in values:
        values["email"] = email_key(values["email"])
    if values.get("timezone") and values["timezone"] not in known_zones():
        raise UnknownTimezone(attr="timezone")
    with transaction.atomic():
        locked = lock_user(user.pk)
        moved = values.get("email", locked.email) != locked.email
        if moved and not confirmed:
            raise WrongPassword("Another e-mail address needs the current password.", attr="current_password")
        for name, value in values.items():
            setattr(locked, name, value)
        if moved:
            locked.email_verified_at = None
        _save_unique(locked)
        if moved:
            mail_verification(locked, now=now)
        return locked


def set_payment_profile(*, user: User, provider: str, reference: str) -> User:
    """Put the provider's reference of a means of payment on file. The sandbox accepts every reference."""
    with transaction.atomic():
        locked = lock_user(user.pk)
        locked.payment_provider = provider
        locked.payment_reference = reference
        locked.payment_last4 = reference[-4:]
        locked.save(
            update_fields=["payment_provider", "payment_reference", "payment_last4", "updated_at"],
        )
        return locked


def request_identity_check(*, user: User, now: datetime) -> User:
    """Ask for one's identity to be confirmed: the sandbox does so at once, else a moderator does."""
    with transaction.atomic():
        locked = lock_user(user.pk)
        locked.identity_requested_at = locked.identity_requested_at or now
        if settings.IDENTITY_PROVIDER == "sandbox":
            locked.identity_verified_at = locked.identity_verified_at or now
        locked.save(update_fields=["identity_requested_at", "identity_verified_at", "updated_at"])
        return locked


# --- Other people's accounts -------------------------------------------------------------------------------


def verify_identity(*, user_id: int, now: datetime) -> User:
    """Confirm who a person is; again changes nothing. Raises NotFound."""
    with transaction.atomic():
        user = lock_user(user_id)
        if user.identity_verified_at is None:
            user.identity_verified_at = now
            user.save(update_fields=["identity_verified_at", "updated_at"])
            notify(user=user, kind=mail.IDENTITY_VERIFIED, title="Your identity is confirmed", now=now)
        return user


def update_account(*, user_id: int, changes: Mapping[str, Any], now: datetime) -> User:
    """Change what administrators may change: is_active, is_superuser, groups (names), bid_limit, email_verified_at.

    A deactivated user's sessions end. Raises NotFound, UnknownRole, LastAdministrator.
    """
    values = dict(changes)
    names = values.pop("groups", None)
    with transaction.atomic():
        if not (values.get("is_active", True) and values.get("is_superuser", True)):
            _require_another_administrator(user_id)
        user = lock_user(user_id)
        was_active = user.is_active
        if "email_verified_at" in values:
            set_verified(user, values.pop("email_verified_at"), now=now)
        for name, value in values.items():
            setattr(user, name, value)
        if names is not None:
            user.groups.set(_groups_named(names))
        set_staff_flag(user)
        user.save()
        if was_active and not user.is_active:
            end_all_sessions(user=user, reason="deactivated", now=now)
        return user


def end_sessions(*, user_id: int, now: datetime) -> None:
    """Sign a person out everywhere, as staff do when a device was lost. Raises NotFound."""
    with transaction.atomic():
        end_all_sessions(user=lock_user(user_id), reason="staff", now=now)


def set_staff_flag(user: User) -> None:
    """Let exactly superusers and members of a role into the admin. The caller saves."""
    user.is_staff = user.is_superuser or user.groups.filter(name__in=ROLES).exists()


def ensure_administrator(*, email: str, password: str, name: str, reset_password: bool, now: datetime) -> str:
    """Make sure that there is an administrator with this address. Answers `created`, `kept`, `reset` or `refused`.

    Only `reset_password` touches an account that exists: it makes the account an active administrator with this
    password. Without it an account that is none is left alone (`refused`): whoever registered the address first, or was
    demoted, must not become administrator with a password of their own. Raises PasswordRefused.
    """
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(email=email_key(email)).first()
        if user is not None and not reset_password:
            return "kept" if user.is_superuser and user.is_active else "refused"
        outcome = "created" if user is None else "reset"
        first_name, _, last_name = name.strip().partition(" ")
        user = user or User(email=email_key(email), first_name=first_name, last_name=last_name.strip())
        _check_length(password)
        check_password_strength(password=password, user=user, attr="password")
        user.is_superuser = user.is_staff = user.is_active = True
        user.email_verified_at = user.email_verified_at or now
        user.set_password(password)
        _save_unique(user)
        end_all_sessions(user=user, reason="password", now=now)
        return outcome


# --- Shared ------------------------------------------------------------------------------------------------


def lock_user(user_id: int) -> User:
    """The user's row, locked first of all rows (docs/locking.md). Raises NotFound."""
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise NotFound
    return user


def lock_administrators() -> set[int]:
    """Lock all active superusers, so that two of them cannot end each other at the same moment; answers their ids.
    To be called before a single user's row is locked."""
    administrators = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True)
    return {user.pk for user in administrators.order_by("pk")}


def _save_unique(user: User) -> None:
    """Save; the constraints alone decide who was first. Raises EmailTaken, UsernameTaken."""
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        others = User.objects.exclude(pk=user.pk)
        if others.filter(email=user.email).exists():
            raise EmailTaken(attr="email") from error
        if others.filter(username_key=user.username_key).exists():
            raise UsernameTaken(attr="username") from error
        raise


def _set_password(user: User, hashed: str, *, now: datetime) -> None:
    user.password = hashed
    user.save(update_fields=["password", "updated_at"])
    end_all_sessions(user=user, reason="password", now=now)
    notify(user=user, kind=mail.SECURITY, title="Your password was changed", now=now)


def set_verified(user: User, at: datetime | None, *, now: datetime) -> None:
    """Set when the address was proven, and tell the apps the first time. The caller saves."""
    first = user.email_verified_at is None and at is not None
    user.email_verified_at = at
    if first:
        run_verified_hooks(user=user, now=now)


def mail_verification(user: User, *, now: datetime) -> None:
    """Mail a token that proves the address."""
    notify(user=user, kind=mail.EMAIL_VERIFICATION, title="Confirm your e-mail address", now=now)


def _user_by_token(generator: PasswordResetTokenGenerator, token: str) -> User:
    user_id = mail.user_id_of(token)
    users = User.objects.select_for_update(no_key=True).filter(is_active=True)
    user = users.filter(pk=user_id).first() if user_id is not None else None
    if user is None or not mail.token_fits(generator, user, token):
        raise MailTokenRefused(attr="token")
    return user


def _require_another_administrator(user_id: int) -> None:
    if lock_administrators() == {user_id}:
        raise LastAdministrator


def _groups_named(names: Iterable[str]) -> list[Group]:
    wanted = set(names)
    groups = list(Group.objects.filter(name__in=wanted))
    if len(groups) != len(wanted):
        raise UnknownRole(attr="groups")
    return groups


def _check_length(password: str) -> None:
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise PasswordRefused(
            f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.", code="password_length", attr="password"
        )
