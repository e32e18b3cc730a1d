"""A user as an administrator sees and changes one."""

from __future__ import annotations

from accounts.models import User
from accounts.serializers.auth import PaymentProfileSerializer, TimezoneField
from common.fields import (
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer


class UserSerializer(StrictModelSerializer):
    """`groups` are the names of the user's roles."""

    groups = StrictListField(child=StrictCharField(max_length=150), source="group_names", read_only=True)
    can_bid = StrictBooleanField(read_only=True)
    timezone = TimezoneField(read_only=True)
    payment_profile = PaymentProfileSerializer(read_only=True, allow_null=True)
    last_login_at = StrictDateTimeField(source="last_login", read_only=True, allow_null=True)

    class Meta:
        model = User
        fields = (
            "id", "email", "username", "first_name", "last_name", "phone", "timezone", "is_active", "is_staff",
            "is_superuser", "groups", "can_bid", "bid_limit", "email_verified_at", "identity_requested_at",
            "identity_verified_at", "payment_profile", "last_login_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class UserUpdateSerializer(StrictSerializer):
    """What an administrator changes; who is an administrator is decided in the admin only."""

    is_active = StrictBooleanField(required=False)
    groups = StrictListField(child=StrictCharField(max_length=150), required=False)
    bid_limit = MoneyField(required=False, allow_null=True)
    email_verified_at = StrictDateTimeField(required=False, allow_null=True)
