"""The mails that carry a secret. The outbox stores none: the token is made when the mail is written, from the user's
row as it is then, and it is good once because what it proves changes the row."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from accounts.models import Notification, User
from accounts.registry import MailContent, NotificationKind, notification_kinds

EMAIL_VERIFICATION = "email_verification"
PASSWORD_RESET = "password_reset"  # noqa: S105
SECURITY = "security"
IDENTITY_VERIFIED = "identity_verified"


class EmailTokens(PasswordResetTokenGenerator):
    """Dies when the address is verified or changed, and after PASSWORD_RESET_TIMEOUT."""

    key_salt = "accounts.mail.EmailTokens"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk}|{user.email}|{user.email_verified_at}|{timestamp}"


class ResetTokens(PasswordResetTokenGenerator):
    """Dies with the next password, sign-in, change of address or end of all sessions, and after
    PASSWORD_RESET_TIMEOUT."""

    key_salt = "accounts.mail.ResetTokens"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}|{user.token_version}"


email_tokens, reset_tokens = EmailTokens(), ResetTokens()


def mailed_token(generator: PasswordResetTokenGenerator, user: User) -> str:
    """The text that the mail carries: the user's id and the token."""
    return f"{user.pk}-{generator.make_token(user)}"


def user_id_of(token: str) -> int | None:
    """Whose token this claims to be; the token itself has to be checked against the locked row."""
    number, _, rest = token.partition("-")
    if not (rest and number.isascii() and number.isdigit() and len(number) <= 18):
        return None
    return int(number)


def token_fits(generator: PasswordResetTokenGenerator, user: User, token: str) -> bool:
    return generator.check_token(user, token.partition("-")[2])


def _verification_mail(notification: Notification) -> MailContent | None:
    user = notification.user
    if user is None or user.email_verified_at is not None:
        return None
    return MailContent(
        subject="Confirm your e-mail address",
        body=(
            f"Somebody, hopefully you, gave this address at {settings.BACKEND_URL}.\n\n"
            f"Your confirmation token:\n\n{mailed_token(email_tokens, user)}\n\n"
            f"Send it to POST {settings.BACKEND_URL}/api/auth/verify-email within a day."
        ),
    )


def _reset_mail(notification: Notification) -> MailContent | None:
    if notification.user is None:
        return None
    return MailContent(
        subject="Choose a new password",
        body=(
            f"A new password was asked for at {settings.BACKEND_URL}. If that was not you, do nothing.\n\n"
            f"Your token:\n\n{mailed_token(reset_tokens, notification.user)}\n\n"
            f"Send it with the new password to POST {settings.BACKEND_URL}/api/auth/password-reset/confirm"
            " within a day. It is good once."
        ),
    )


def register_kinds() -> None:
    """Called once the apps are ready."""
    for name, label, build in (
        (EMAIL_VERIFICATION, "Confirmation of the e-mail address", _verification_mail),
        (PASSWORD_RESET, "Reset of the password", _reset_mail),
    ):
        kind = NotificationKind(label=label, in_app=False, mandatory=True, build_mail=build)
        notification_kinds.register(name, kind)
    notification_kinds.register(SECURITY, NotificationKind(label="Security of the account", mandatory=True))
    notification_kinds.register(IDENTITY_VERIFIED, NotificationKind(label="Confirmation of your identity"))
