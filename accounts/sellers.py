"""Seller profiles: a dealer's business, which a moderator approves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.models import SellerProfile, User
from accounts.notifications import notify
from accounts.registry import NotificationKind, notification_kinds
from accounts.services import lock_user
from common.errors import Conflict, NotFound

APPROVED_KIND = "seller_approved"


class AlreadyApproved(Conflict):
    code = "already_approved"
    detail = "This seller profile is approved already."


def register_kinds() -> None:
    """Called once the apps are ready."""
    notification_kinds.register(APPROVED_KIND, NotificationKind(label="Approval as a dealer"))


def save_seller_profile(*, user: User, values: Mapping[str, str]) -> tuple[SellerProfile, bool]:
    """Makes or replaces the user's profile; answers it and whether it is new. What was approved is the
    name, the licence and the tax id as they stood: a change of any of them needs a new approval."""
    with transaction.atomic():
        lock_user(user.pk)
        profile = SellerProfile.objects.select_for_update(no_key=True).filter(user=user).first()
        if profile is None:
            return SellerProfile.objects.create(user=user, **values), True
        if any(getattr(profile, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(profile, name, value)
            profile.approved_at = profile.approved_by = None
            profile.save()
        return profile, False


def approve_seller_profile(*, profile_id: int, approver: User, now: datetime) -> SellerProfile:
    """Approves what the profile says now and tells its owner. Raises NotFound, AlreadyApproved."""
    with transaction.atomic():
        owner_id = SellerProfile.objects.filter(pk=profile_id).values_list("user_id", flat=True).first()
        if owner_id is None:
            raise NotFound
        owner = lock_user(owner_id)
        profile = SellerProfile.objects.select_for_update(no_key=True).filter(pk=profile_id).first()
        if profile is None:
            raise NotFound
        if profile.approved_at is not None:
            raise AlreadyApproved
        profile.approved_at, profile.approved_by = now, approver
        profile.save(update_fields=["approved_at", "approved_by", "updated_at"])
        notify(
            user=owner,
            kind=APPROVED_KIND,
            title="You are approved as a dealer",
            body=f"{profile.business_name} now carries the dealer badge.",
            data={"seller_profile": profile.pk},
            now=now,
        )
        return profile
