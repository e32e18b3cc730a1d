"""People, for administrators; and the confirmation of identities, for moderators."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.filters import UserFilterSet
from accounts.models import User
from accounts.serializers.auth import IdentityStatusSerializer
from accounts.serializers.users import UserSerializer, UserUpdateSerializer
from accounts.views import examples
from common.clock import now
from common.permissions import Administrator, HasPerm
from common.views import ApiViewSet, ListMixin, RetrieveMixin, UpdateMixin, command


@extend_schema_view(
    list=extend_schema(summary="List people", examples=[examples.USER]),
    retrieve=extend_schema(summary="Read a person's account", examples=[examples.USER]),
    partial_update=extend_schema(summary="Change a person's account", examples=[examples.USER_CHANGE, examples.USER]),
)
class UserViewSet(ListMixin, RetrieveMixin, UpdateMixin, ApiViewSet):
    """Accounts of all people. They are made by registration and removed by their owners only."""

    http_method_names = ["get", "patch", "post", "head", "options"]
    queryset = User.objects.prefetch_related("groups").order_by("id")
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    permission_classes = [Administrator]
    action_permissions = {"verify_identity": [HasPerm.of("accounts.verify_identity")]}
    action_serializers = {"update": UserUpdateSerializer}

    def locked_if_matched(self) -> Any:
        services.lock_administrators()  # Before the one row, in the order of docs/locking.md.
        return super().locked_if_matched()

    def perform_update(self, instance: User, data: dict[str, Any]) -> User:
        services.update_account(user_id=instance.pk, changes=data, now=now())
        return self.get_queryset().get(pk=instance.pk)

    @command(
        detail=True,
        response=IdentityStatusSerializer,
        url_path="verify-identity",
        summary="Confirm a person's identity",
        examples=[examples.IDENTITY],
    )
    def verify_identity(self, request: Request, pk: int) -> Response:
        """Confirm who a person is. Repeating it changes nothing."""
        user = services.verify_identity(user_id=pk, now=now())
        return Response(self.represent(user, IdentityStatusSerializer))
