"""Shapes of the inbox and of what people want to be told."""

from __future__ import annotations

from typing import Any

from accounts.models import Notification
from common.fields import Describe, StrictBooleanField, StrictDictField, StrictIntegerField, describe_nothing
from common.serializers import StrictModelSerializer, StrictSerializer


class NotificationSerializer(StrictModelSerializer):
    """One message. `data` holds what a client can link to, by kind."""

    class Meta:
        model = Notification
        fields = ("id", "kind", "title", "body", "data", "created_at", "read_at")
        read_only_fields = fields


class UnreadCountSerializer(StrictSerializer):
    count = StrictIntegerField(read_only=True)


class ReadAllSerializer(StrictSerializer):
    """How many messages were unread until now."""

    read = StrictIntegerField(read_only=True)


class PreferenceSerializer(StrictSerializer):
    """Where messages of one kind go."""

    in_app = StrictBooleanField()
    email = StrictBooleanField()


class PreferencesField(StrictDictField):
    """`{kind: {in_app, email}}`; whether there is such a kind is the service's question (422)."""

    key_length = 64
    max_items = 200  # All kinds that there are, in one body.

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=PreferenceSerializer(), **kwargs)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        boolean = {"type": "boolean"}
        choice = {
            "type": "object",
            "properties": {"in_app": boolean, "email": boolean},
            "required": ["in_app", "email"],
            "additionalProperties": False,
        }
        return super().json_schema(request=request, nested=nested) | {"additionalProperties": choice}
