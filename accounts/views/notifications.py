"""The inbox."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notifications
from accounts.authentication import user_of
from accounts.models import Notification
from accounts.serializers.notifications import NotificationSerializer, ReadAllSerializer, UnreadCountSerializer
from accounts.views import examples
from common.clock import now
from common.filters import BooleanFilter, StrictFilterSet, TextFilter
from common.pagination import CursorPagination
from common.views import ApiViewSet, DestroyMixin, ListMixin, command, reading


class UnreadFilter(BooleanFilter):
    """Whether it was never read."""

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs.filter(read_at__isnull=value)


class NotificationFilterSet(StrictFilterSet):
    unread = UnreadFilter()
    kind = TextFilter("kind", max_length=64)

    class Meta:
        model = Notification
        fields: list[str] = []


@extend_schema_view(
    list=extend_schema(summary="List notifications", examples=[examples.NOTIFICATION]),
    destroy=extend_schema(summary="Remove a notification"),
)
class NotificationViewSet(ListMixin, DestroyMixin, ApiViewSet):
    """The caller's own messages, the newest first."""

    queryset = Notification.objects.order_by("-id")
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilterSet
    pagination_class = CursorPagination

    def get_queryset(self) -> QuerySet[Notification]:
        return super().get_queryset().filter(user_id=self.request.user.pk, in_app=True)

    def perform_destroy(self, instance: Notification) -> None:
        notifications.hide_notification(notification=instance)

    @reading(
        detail=False,
        response=UnreadCountSerializer,
        url_path="unread-count",
        schema={"summary": "Count unread notifications", "examples": [examples.UNREAD]},
    )
    def unread_count(self, request: Request) -> Response:
        """How many messages were never read."""
        return Response({"count": self.get_queryset().filter(read_at__isnull=True).count()})

    @command(
        detail=True,
        response=NotificationSerializer,
        summary="Mark a notification as read",
        examples=[examples.NOTIFICATION_READ],
    )
    def read(self, request: Request, pk: int) -> Response:
        """Mark one as read. Repeating it keeps the time of the first reading."""
        row = notifications.mark_read(notification=self.get_object(), now=now())
        return Response(self.represent(row, NotificationSerializer))

    @command(
        detail=False,
        response=ReadAllSerializer,
        url_path="read-all",
        summary="Mark all notifications as read",
        examples=[examples.ALL_READ],
    )
    def read_all(self, request: Request) -> Response:
        """Mark all as read."""
        return Response({"read": notifications.mark_all_read(user=user_of(request), now=now())})
