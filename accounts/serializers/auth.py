"""Shapes of signing up, signing in and one's own account."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from accounts.models import User
from accounts.services import PASSWORD_MAX, PASSWORD_MIN
from common.fields import (
    EmailField,
    IdField,
    NameField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer

USERNAME_PATTERN = "^[A-Za-z0-9._+-]{1,64}$"  # No `@`: a name can never be taken for an address.
PHONE_PATTERN = r"^\+[ ()-]*[1-9](?:[ ()-]*[0-9]){6,14}[ ()-]*$"
TOKEN_MAX = 131_072  # Far beyond ours, so that a swollen token is a bad token and not a bad body.


class PhoneField(StrictCharField):
    """E.164 with spaces, dashes and brackets, which are not stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pattern=PHONE_PATTERN, **({"max_length": 40} | kwargs))

    def to_internal_value(self, data: Any) -> str:
        return re.sub("[ ()-]", "", super().to_internal_value(data))


class PasswordField(StrictCharField):
    """A password as typed: nothing is trimmed, any character counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": PASSWORD_MAX, "write_only": True} | kwargs))


class NewPasswordField(PasswordField):
    """Long enough; the validators of the settings judge the rest (422)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"min_length": PASSWORD_MIN} | kwargs))


class TokenField(StrictCharField):
    """A token; whether it is one of ours is not a question of form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": TOKEN_MAX} | kwargs))


class RegisterSerializer(StrictSerializer):
    """`role` is accepted for clients that send one: only `customer` and `user` pass."""

    email = EmailField()
    password = NewPasswordField()
    username = StrictCharField(max_length=64, pattern=USERNAME_PATTERN, required=False)
    first_name = NameField(max_length=150, required=False, allow_blank=True)
    last_name = NameField(max_length=150, required=False, allow_blank=True)
    phone = PhoneField(required=False, allow_blank=True)
    role = StrictCharField(max_length=32, required=False)


class EmailLoginSerializer(StrictSerializer):
    email = StrictCharField(max_length=254)
    password = PasswordField()


class UsernameLoginSerializer(StrictSerializer):
    """`username` takes an e-mail address as well."""

    username = StrictCharField(max_length=254)
    password = PasswordField()


class RefreshSerializer(StrictSerializer):
    refresh_token = TokenField()


class ClerkSyncSerializer(StrictSerializer):
    """The session token when it does not come as a bearer. What else is said must agree with the token; names only
    fill what is empty."""

    token = TokenField(required=False)
    clerk_user_id = StrictCharField(max_length=64, required=False)
    email = EmailField(required=False)
    first_name = NameField(max_length=150, required=False, allow_blank=True)
    last_name = NameField(max_length=150, required=False, allow_blank=True)


class ChangePasswordSerializer(StrictSerializer):
    current_password = PasswordField()
    new_password = NewPasswordField()


class PasswordResetSerializer(StrictSerializer):
    email = EmailField()


class PasswordResetConfirmSerializer(StrictSerializer):
    token = StrictCharField(max_length=200)
    new_password = NewPasswordField()


class VerifyEmailSerializer(StrictSerializer):
    token = StrictCharField(max_length=200)


class PaymentProfileSerializer(StrictSerializer):
    """The provider's reference of a means of payment, never its number. Answers show its last four characters."""

    provider = StrictChoiceField(choices=["sandbox"])
    reference = StrictCharField(min_length=4, max_length=128, pattern="^[A-Za-z0-9_-]*$", write_only=True)
    last4 = StrictCharField(max_length=4, read_only=True)


class IdentityStatusSerializer(StrictSerializer):
    """How far the confirmation of a person's identity is."""

    id = IdField(read_only=True)
    identity_requested_at = StrictDateTimeField(read_only=True, allow_null=True)
    identity_verified_at = StrictDateTimeField(read_only=True, allow_null=True)
    can_bid = StrictBooleanField(read_only=True)


class AddressSerializer(StrictSerializer):
    """Where a person lives."""

    line1 = NameField(source="address_line1", max_length=200, required=False, allow_blank=True)
    line2 = NameField(source="address_line2", max_length=200, required=False, allow_blank=True)
    city = NameField(source="address_city", max_length=100, required=False, allow_blank=True)
    state = NameField(source="address_state", max_length=100, required=False, allow_blank=True)
    zip = NameField(source="address_zip", max_length=20, required=False, allow_blank=True)
    country = StrictCharField(
        source="address_country", max_length=2, pattern="^[A-Z]{2}$", required=False, allow_blank=True
    )


class TimezoneField(StrictCharField):
    """An IANA name; answers fall back on the deployment's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pattern="^[A-Za-z0-9_+/-]*$", **({"max_length": 64} | kwargs))

    def to_representation(self, value: Any) -> str:
        return value or settings.DEFAULT_USER_TIMEZONE


class ProfileUpdateSerializer(StrictSerializer):
    """What users change themselves. `current_password` is needed for another `email`."""

    email = EmailField(required=False)
    current_password = PasswordField(required=False)
    username = StrictCharField(max_length=64, pattern=USERNAME_PATTERN, required=False, allow_null=True)
    first_name = NameField(max_length=150, required=False, allow_blank=True)
    last_name = NameField(max_length=150, required=False, allow_blank=True)
    phone = PhoneField(required=False, allow_blank=True)
    address = AddressSerializer(source="*", required=False)
    timezone = TimezoneField(required=False, allow_blank=True)


class AccountSerializer(StrictModelSerializer):
    """A user as that user sees it."""

    roles = StrictListField(child=StrictCharField(max_length=150), source="role_names", read_only=True)
    permissions = StrictListField(child=StrictCharField(max_length=200), source="permission_names", read_only=True)
    address = AddressSerializer(source="*", read_only=True)
    can_bid = StrictBooleanField(read_only=True)
    timezone = TimezoneField(read_only=True)
    payment_profile = PaymentProfileSerializer(read_only=True, allow_null=True)
    last_login_at = StrictDateTimeField(source="last_login", read_only=True, allow_null=True)

    class Meta:
        model = User
        fields = (
            "id", "email", "username", "first_name", "last_name", "phone", "address", "timezone", "roles",
            "permissions", "can_bid", "bid_limit", "email_verified_at", "identity_requested_at",
            "identity_verified_at", "payment_profile", "last_login_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class TokenPairSerializer(StrictSerializer):
    """What every sign-in answers. `expires_in`: the access token's life in seconds."""

    access_token = StrictCharField(max_length=TOKEN_MAX, read_only=True)
    refresh_token = StrictCharField(max_length=TOKEN_MAX, read_only=True)
    token_type = StrictChoiceField(choices=["Bearer"], read_only=True)
    expires_in = StrictIntegerField(read_only=True)
    user = AccountSerializer(read_only=True)
