"""The inbox."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notifications
from accounts.authentication import user_of
from accounts.models import Notification
from accounts.serializers.notifications import NotificationSerializer, ReadAllSerializer, UnreadCountSerializer
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

    @reading(detail=False, response=UnreadCountSerializer, url_path="unread-count")
    def unread_count(self, request: Request) -> Response:
        """How many messages were never read."""
        return Response({"count": self.get_queryset().filter(read_at__isnull=True).count()})

    @command(detail=True, response=NotificationSerializer)
    def read(self, request: Request, pk: int) -> Response:
        """Mark one as read. Repeating it keeps the time of the first reading."""
        row = notifications.mark_read(notification=self.get_object(), now=now())
        return Response(self.represent(row, NotificationSerializer))

    @command(detail=False, response=ReadAllSerializer, url_path="read-all")
    def read_all(self, request: Request) -> Response:
        """Mark all as read."""
        return Response({"read": notifications.mark_all_read(user=user_of(request), now=now())})
