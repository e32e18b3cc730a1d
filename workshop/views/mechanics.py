"""Mechanics and their leaderboard: `/api/workshop/mechanics`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from cars.pagination import GroupPagination
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import (
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    reading,
)
from workshop import caches
from workshop.filters.people import LeaderboardFilter, MechanicFilter
from workshop.models import Mechanic
from workshop.serializers.people import LeaderboardRowSerializer, MechanicBodySerializer, MechanicSerializer
from workshop.services import mechanics

MIA = {"user": 9, "display_name": "Mia", "hourly_rate": "72.50", "skills": ["brakes", "diagnostics"]}
BODY = sent("a mechanic", MIA)
ROW = shown(
    "a mechanic",
    {
        "id": 4,
        **MIA,
        "active": True,
        "created_at": "2026-11-25T09:30:00Z",
        "updated_at": "2026-11-25T09:30:00Z",
    },
)


@extend_schema_view(
    list=extend_schema(
        summary="List mechanics",
        description="What an hour costs is null for those who may not see rates.",
        examples=[ROW],
    ),
    retrieve=extend_schema(summary="Read a mechanic", examples=[ROW]),
    create=extend_schema(
        summary="Add a mechanic",
        description="Makes a user a mechanic, once (409 `user_is_mechanic`). The role of that name is given by "
        "administrators.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a mechanic",
        description="A mechanic stays the same user (422 `mechanic_user_fixed`). Labour that is written keeps its "
        "rate. Nobody becomes inactive while their clock is running (409 `mechanic_at_work`).",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a mechanic",
        examples=[sent("who left", {"active": False}), ROW],
    ),
    destroy=extend_schema(
        summary="Delete a mechanic",
        description="One who ever worked is 409 `mechanic_in_use`; set `active` to false instead.",
    ),
)
class MechanicViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Those who work on vehicles."""

    queryset = Mechanic.objects.all()
    serializer_class = MechanicSerializer
    filterset_class = MechanicFilter
    action_serializers = {"create": MechanicBodySerializer, "update": MechanicBodySerializer}
    action_permissions = {
        "create": [HasPerm.of("workshop.add_mechanic")],
        "update": [HasPerm.of("workshop.change_mechanic")],
        "destroy": [HasPerm.of("workshop.delete_mechanic")],
    }

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Mechanic:
        return mechanics.create_mechanic(data=data)

    def perform_update(self, instance: Mechanic, data: dict[str, Any]) -> Mechanic:
        return mechanics.update_mechanic(mechanic=instance, data=data)

    def perform_destroy(self, instance: Mechanic) -> None:
        mechanics.delete_mechanic(mechanic=instance)

    @reading(
        detail=False,
        response=LeaderboardRowSerializer(many=True),
        pagination_class=GroupPagination,
        filterset_class=LeaderboardFilter,
        schema={
            "summary": "Rank mechanics",
            "description": "By the number of tickets they are assigned to, cancelled ones left out: most first, then "
            "by name and id. Mechanics without any come last; those who left are shown for what they did. Cached, and "
            "right again with the next request after a ticket or an assignment has changed.",
            "examples": [shown("the busiest", {"mechanic": 4, "display_name": "Mia", "ticket_count": 17})],
        },
    )
    def leaderboard(self, request: Request) -> Response:
        return self.cached_listing(caches.leaderboard, Mechanic.objects.all(), LeaderboardRowSerializer)
