"""A person's right to a copy of their data and to be forgotten. Each app registers its share in
`accounts.registry.personal_data`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet, RestrictedError

from accounts.exports import delete_file
from accounts.models import Export, IdempotencyRecord, Notification, NotificationPreference, SellerProfile, User
from accounts.registry import PersonalData, personal_data
from accounts.services import LastAdministrator, lock_administrators, lock_user

_PROFILE = (
    "id", "email", "username", "first_name", "last_name", "phone", "address_line1", "address_line2", "address_city",
    "address_state", "address_zip", "address_country", "timezone", "is_active", "email_verified_at",
    "identity_requested_at", "identity_verified_at", "payment_provider", "payment_reference", "payment_last4",
    "clerk_user_id", "bid_limit", "last_login", "created_at", "updated_at",
)  # fmt: skip
_KEY = ("name", "prefix", "permissions", "read_only", "created_at", "expires_at", "last_used_at", "revoked_at")
# What a person is known by, and what it becomes in a row that has to stay.
_BLANKED = (
    "first_name", "last_name", "phone", "address_line1", "address_line2", "address_city", "address_state",
    "address_zip", "address_country", "timezone", "payment_provider", "payment_reference", "payment_last4",
)  # fmt: skip
_NULLED = (
    "username", "clerk_user_id", "bid_limit", "email_verified_at", "identity_requested_at", "identity_verified_at",
    "last_login",
)  # fmt: skip


def register_own_data() -> None:
    """Called once the apps are ready."""
    personal_data.register("account", PersonalData(export=_own_data, erase=_erase_own_data))


def export_personal_data(*, user: User, now: datetime) -> dict[str, Any]:
    """All that the apps hold about the user: `{"generated_at", "apps": {app: ...}}`."""
    return {"generated_at": now, "apps": {name: share.export(user) for name, share in personal_data.items()}}


def delete_account(*, user: User, now: datetime) -> None:
    """Deletes the user, or strips the person from the row when money, bids, tickets or the admin's log
    still refer to it. Every session ends. Raises LastAdministrator, and whatever an app has against it."""
    with transaction.atomic():
        if lock_administrators() == {user.pk}:
            raise LastAdministrator
        locked = lock_user(user.pk)
        # All of them, whatever the first one answers: each has something to erase. The apps on top first, as the order
        # of locks is: a sale before its vehicle.
        referred_to = [share.erase(locked, now=now) for _, share in reversed(list(personal_data.items()))]
        if any(referred_to) or not _deleted(locked):
            _anonymise(locked, now)


def _deleted(user: User) -> bool:
    """False when a row that nobody registered protects the user."""
    try:
        with transaction.atomic():
            User.objects.get(pk=user.pk).delete()
    except (ProtectedError, RestrictedError):
        return False
    return True


def _anonymise(user: User, now: datetime) -> None:
    user.email = f"deleted-{user.pk}@deleted.invalid"
    for name in _BLANKED:
        setattr(user, name, "")
    for name in _NULLED:
        setattr(user, name, None)
    user.is_active = user.is_staff = user.is_superuser = False
    user.token_version += 1
    user.anonymised_at = now
    user.set_unusable_password()
    user.groups.clear()
    user.user_permissions.clear()
    user.save()


def _messages_to(user: User) -> QuerySet[Notification]:
    """Those of the inbox, and those mailed to the address as a walk-in's once the user has proven that it is theirs."""
    mine = Q(user=user)
    if user.email_verified_at is not None:
        mine |= Q(user=None, address=user.email)
    return Notification.objects.filter(mine)


def _own_data(user: User) -> dict[str, Any]:
    return {
        "profile": User.objects.filter(pk=user.pk).values(*_PROFILE).get(),
        "roles": user.role_names(),
        "seller_profile": SellerProfile.objects.filter(user=user)
        .values("business_name", "dealer_license_number", "tax_id", "approved_at", "created_at")
        .first(),
        "sign_ins": list(user.token_families.order_by("created_at").values("created_at", "expires_at", "revoked_at")),
        "api_keys": list(user.api_keys.order_by("id").values(*_KEY)),
        "notification_preferences": list(user.notification_preferences.values("kind", "in_app", "email")),
        "notifications": list(
            _messages_to(user).order_by("id").values("kind", "title", "body", "data", "created_at", "read_at")
        ),
        "exports": list(user.exports.order_by("created_at").values("id", "kind", "params", "status", "created_at")),
    }


def _erase_own_data(user: User, *, now: datetime) -> bool:  # noqa: ARG001
    for export_id in Export.objects.filter(owner=user).values_list("pk", flat=True):
        transaction.on_commit(partial(delete_file, export_id))
    _messages_to(user).delete()
    for model in (NotificationPreference, IdempotencyRecord, SellerProfile):
        model._default_manager.filter(user=user).delete()
    Export.objects.filter(owner=user).delete()
    user.token_families.all().delete()
    user.api_keys.all().delete()
    return LogEntry.objects.filter(user=user).exists()
