"""API keys of people: made, renamed, revoked, and looked after. How a request signs in with one is in
`accounts.authentication`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from accounts import mail
from accounts.key_text import MARK, new_key
from accounts.models import ApiKey, User
from accounts.notifications import Message, notify, notify_many
from accounts.registry import NotificationKind, notification_kinds
from accounts.services import TokenRefused, lock_user
from common.errors import Conflict, Unprocessable

MOST_LIVE = 20  # Keys of one person.
LONGEST = timedelta(days=366)
TOLD_BEFORE = timedelta(days=7)
CREATED_KIND, EXPIRING_KIND = "api_key_created", "api_key_expiring"
BY_OWNER, BY_STAFF, EXPIRED, SESSIONS_ENDED = "owner", "staff", "expired", "sessions_ended"


class TooManyApiKeys(Conflict):
    """`meta.most` says how many one may have."""

    code = "too_many_api_keys"
    detail = "You have as many live API keys as one may have. Revoke one first."


class ApiKeyNameTaken(Conflict):
    code = "api_key_name_taken"
    detail = "Another live key of yours has this name."


class PermissionNotHeld(Unprocessable):
    """`meta.permissions` names all that are unknown or not the holder's: the two are not told apart."""

    code = "permission_not_held"
    detail = "A key can only be given permissions that you have."


class ExpiryOutOfRange(Unprocessable):
    code = "expiry_out_of_range"
    detail = f"A key ends in the future, within {LONGEST.days} days."


def register_kinds() -> None:
    """Called once the apps are ready. Who is told of a new key cannot have it switched off first."""
    notification_kinds.register(CREATED_KIND, NotificationKind(label="A new API key", mandatory=True))
    notification_kinds.register(EXPIRING_KIND, NotificationKind(label="An API key is about to expire"))


def create_api_key(
    *,
    user: User,
    name: str,
    now: datetime,
    permissions: Sequence[str] = (),
    read_only: bool = False,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and tell its holder by mail. The second answer is the key in the clear, which nobody sees again.

    Raises PermissionNotHeld, ExpiryOutOfRange, TokenRefused, TooManyApiKeys, ApiKeyNameTaken.
    """
    _check_permissions(user, permissions)
    if expires_at is not None and not now < expires_at <= now + LONGEST:
        raise ExpiryOutOfRange(attr="expires_at")
    key = new_key()
    with transaction.atomic():
        holder = lock_user(user.pk)
        # Sessions that ended while this one waited for the lock leave no key behind.
        if not holder.is_active or holder.token_version != user.token_version:
            raise TokenRefused
        _retire(ApiKey.objects.filter(user=holder), now=now)
        if ApiKey.objects.live(now=now).filter(user=holder).count() >= MOST_LIVE:
            raise TooManyApiKeys(meta={"most": MOST_LIVE})
        _check_name(holder, name)
        row = ApiKey.objects.create(
            user=holder,
            name=name,
            prefix=key.prefix,
            secret_hash=key.secret_hash(),
            permissions=sorted(set(permissions)),
            read_only=read_only,
            token_version=holder.token_version,
            created_at=now,
            expires_at=expires_at,
        )
        _tell_of_new(row, now=now)
    return row, key.text()


def rename_api_key(*, key: ApiKey, name: str, now: datetime) -> ApiKey:
    """Raises ApiKeyNameTaken."""
    with transaction.atomic():
        holder = lock_user(key.user_id)
        _retire(ApiKey.objects.filter(user=holder), now=now)
        key.refresh_from_db()
        if key.revoked_at is None:
            _check_name(holder, name, but=key.pk)
        key.name = name
        key.save(update_fields=["name"])
    return key


def revoke_api_key(*, key: ApiKey, reason: str, now: datetime) -> ApiKey:
    """End a key from the next request on; again changes nothing. When it was not its holder (`BY_OWNER`), the holder is
    told."""
    with transaction.atomic():
        ended = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now, revoked_reason=reason)
        key.refresh_from_db()
        if ended and reason != BY_OWNER:
            notify(
                user=key.user,
                kind=mail.SECURITY,
                title=f"Your API key was revoked: {key.name}",
                body=f"Staff revoked the key that begins with {MARK}{key.prefix}. What used it is signed out.",
                data={"api_key": key.pk},
                now=now,
            )
    return key


def retire_dead_keys(*, now: datetime) -> int:
    """Say of all keys that are over, and do not say so yet, that they are; answers how many. It frees their names."""
    return _retire(ApiKey.objects.all(), now=now)


def warn_of_expiry(*, now: datetime) -> None:
    """Tell holders of keys that end within a week, each once; not of keys that were made for no longer than that."""
    ending = ApiKey.objects.live(now=now).filter(
        expires_at__lte=now + TOLD_BEFORE, created_at__lt=F("expires_at") - TOLD_BEFORE
    )
    notify_many((_warning(key) for key in ending.order_by("pk").iterator()), now=now)


def _retire(keys: QuerySet[ApiKey], *, now: datetime) -> int:
    standing = keys.filter(revoked_at__isnull=True)
    expired = standing.filter(expires_at__lte=now).update(revoked_at=F("expires_at"), revoked_reason=EXPIRED)
    # Of passwords that were set beside the services, by `manage.py changepassword` or in the admin.
    ended = standing.exclude(token_version=F("user__token_version")).update(
        revoked_at=now, revoked_reason=SESSIONS_ENDED
    )
    return expired + ended


def _check_permissions(user: User, permissions: Sequence[str]) -> None:
    held = user.get_all_permissions() if permissions else set()
    places = [place for place, name in enumerate(permissions) if name not in held]
    if places:
        missing = sorted({permissions[place] for place in places})
        raise PermissionNotHeld(attr=f"permissions.{places[0]}", meta={"permissions": missing})


def _check_name(holder: User, name: str, *, but: int = 0) -> None:
    """Under the holder's lock, so that nobody takes the name in between."""
    others = ApiKey.objects.filter(user=holder, name=name, revoked_at__isnull=True)
    if others.exclude(pk=but).exists():
        raise ApiKeyNameTaken(attr="name")


def _tell_of_new(key: ApiKey, *, now: datetime) -> None:
    may = f"{len(key.permissions)} permissions" if key.permissions else "no permissions beyond a customer's own"
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "without an end"
    notify(
        user=key.user,
        kind=CREATED_KIND,
        title=f"A new API key for your account: {key.name}",
        body=(
            f"It begins with {MARK}{key.prefix} and is good {until}, with {may}"
            f"{', for reading only' if key.read_only else ''}.\n\n"
            "If that was not you, change your password: it ends every key and every session."
        ),
        data={"api_key": key.pk},
        now=now,
    )


def _warning(key: ApiKey) -> Message:
    return Message(
        user_id=key.user_id,
        kind=EXPIRING_KIND,
        title=f"Your API key is about to expire: {key.name}",
        body=(
            f"The key that begins with {MARK}{key.prefix} ends at {key.expires_at:%Y-%m-%d %H:%M} UTC. "
            "Make a new one for what uses it."
        ),
        data={"api_key": key.pk},
        dedupe_key=str(key.pk),
    )
