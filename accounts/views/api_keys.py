"""API keys: `/api/auth/keys`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import api_keys
from accounts.authentication import user_of
from accounts.filters import ApiKeyFilterSet
from accounts.models import ApiKey
from accounts.permissions import InPerson
from accounts.serializers.api_keys import (
    ApiKeyCreatedSerializer,
    ApiKeyCreateSerializer,
    ApiKeySerializer,
    ApiKeyUpdateSerializer,
)
from accounts.services import lock_user
from common.clock import now
from common.examples import sent, shown
from common.views import ApiViewSet, CreateMixin, ListMixin, RetrieveMixin, UpdateMixin, command

ASKED = {
    "name": "Stock screen",
    "permissions": ["workshop.view_part"],
    "read_only": True,
    "expires_at": "2025-12-31T23:00:00Z",
}
ROW = {
    "id": 3,
    "name": "Stock screen",
    "prefix": "5f0c2a9d41e7b386",
    "permissions": ["workshop.view_part"],
    "read_only": True,
    "created_at": "2025-03-01T09:00:00.120114Z",
    "expires_at": "2025-12-31T23:00:00Z",
    "last_used_at": "2025-03-02T10:15:41.003117Z",
    "revoked_at": None,
    "revoked_reason": "",
}
NEW = ROW | {"last_used_at": None, "key": f"fck_5f0c2a9d41e7b386_{'0' * 64}7a31c9e0"}
RENAMED = {"name": "Stock screen, hall 2"}
ENDED = ROW | {"revoked_at": "2025-03-04T07:30:00.500001Z", "revoked_reason": "owner"}


@extend_schema_view(
    list=extend_schema(summary="List one's API keys", examples=[shown("a key", ROW)]),
    retrieve=extend_schema(summary="Read an API key", examples=[shown("a key", ROW)]),
    create=extend_schema(
        summary="Make an API key",
        description="`key` is answered this once and kept nowhere: send it as `Authorization: Bearer`. It does what "
        "`permissions` names as long as you may, and what needs no permission, your own data and assignments; with "
        "`read_only` it only reads. It never changes your account: what is under `/api/auth` is 403 "
        "`api_key_not_allowed`, but for reading `/api/auth/me`. It ends at `expires_at` (within 366 days; without it "
        "never), when it is revoked, and with all your sessions, as when your password changes. 422 "
        "`permission_not_held`, `expiry_out_of_range`; 409 "
        f"`too_many_api_keys` beyond {api_keys.MOST_LIVE} live ones, `api_key_name_taken`. `Idempotency-Key` has no "
        "meaning here, since a key is not stored to be answered again: after a lost answer the name is taken; revoke "
        "that key and make another.",
        responses={201: ApiKeyCreatedSerializer},
        examples=[sent("a key that reads", ASKED), shown("the key", NEW)],
    ),
    partial_update=extend_schema(
        summary="Rename an API key",
        examples=[sent("a name", RENAMED), shown("a key", ROW | RENAMED)],
    ),
)
class ApiKeyViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, ApiViewSet):
    """The caller's own, the newest first; those that are over stay listed for 90 days."""

    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = ApiKey.objects.order_by("-id")
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilterSet
    permission_classes = [InPerson]
    action_serializers = {"create": ApiKeyCreateSerializer, "update": ApiKeyUpdateSerializer}

    def get_queryset(self) -> QuerySet[ApiKey]:
        return super().get_queryset().filter(user_id=self.request.user.pk)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.validated(ApiKeyCreateSerializer)
        row, text = api_keys.create_api_key(user=user_of(request), now=now(), **data)
        answer = self.answer(row, status=201, headers=self.location_of(row))
        answer.data["key"] = text  # After the ETag, which is that of the key as it is read from now on.
        return answer

    def locked_if_matched(self) -> Any:
        lock_user(self.caller.pk)  # Before the key, in the order of docs/locking.md.
        return super().locked_if_matched()

    def perform_update(self, instance: ApiKey, data: dict[str, Any]) -> ApiKey:
        return api_keys.rename_api_key(key=instance, name=data.get("name", instance.name), now=now())

    @command(
        detail=True,
        response=ApiKeySerializer,
        summary="Revoke an API key",
        examples=[shown("a key that is over", ENDED)],
    )
    def revoke(self, request: Request, pk: int) -> Response:
        """It is refused from the next request on. Repeating it changes nothing."""
        row = api_keys.revoke_api_key(key=self.get_object(), reason=api_keys.BY_OWNER, now=now())
        return Response(self.represent(row, ApiKeySerializer))
