"""Shapes of API keys."""

from __future__ import annotations

from typing import Any

from accounts.models import ApiKey
from common.fields import NameField, StrictBooleanField, StrictCharField, StrictDateTimeField, StrictListField
from common.renderers import Untagged
from common.serializers import StrictModelSerializer, StrictSerializer

PERMISSION_PATTERN = "^[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*$"
MOST_PERMISSIONS = 500  # More than there are.


class ApiKeyCreateSerializer(StrictSerializer):
    """`permissions` are among those that `GET /api/auth/me` lists."""

    name = NameField(max_length=100)
    permissions = StrictListField(
        child=StrictCharField(max_length=200, pattern=PERMISSION_PATTERN), max_length=MOST_PERMISSIONS, required=False
    )
    read_only = StrictBooleanField(required=False)  # type: ignore[assignment]  # REST framework takes it out.
    expires_at = StrictDateTimeField(required=False, allow_null=True)


class ApiKeyUpdateSerializer(StrictSerializer):
    """A key's rights do not change; make another key."""

    name = NameField(max_length=100)


class ApiKeySerializer(StrictModelSerializer):
    """A key begins with `fck_` and its `prefix`. `revoked_reason`: owner, staff, expired or what ended the sessions.
    That a key was used makes no other version of it: who renames one with `If-Match` is not refused for its use."""

    permissions = StrictListField(child=StrictCharField(max_length=200), read_only=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id", "name", "prefix", "permissions", "read_only", "created_at", "expires_at", "last_used_at",
            "revoked_at", "revoked_reason",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields

    def to_representation(self, instance: ApiKey) -> dict[str, Any]:
        shown = super().to_representation(instance)
        used_at = shown["last_used_at"]
        return shown | {"last_used_at": None if used_at is None else Untagged(used_at)}


class ApiKeyCreatedSerializer(ApiKeySerializer):
    """`key` is shown this once."""

    key = StrictCharField(max_length=100, read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")
        read_only_fields = fields
