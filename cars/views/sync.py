"""Syncs: asking for one, watching it, and what staff may do about it."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from cars.filters import SyncRunFilter
from cars.models import SyncRun, SyncSource
from cars.serializers.sync import (
    SyncRequestedRunsSerializer,
    SyncRequestedSerializer,
    SyncRunSerializer,
    SyncSourceSerializer,
    SyncStatusSerializer,
    SyncTriggerSerializer,
)
from cars.services.cars import SYNC_SOURCE
from cars.sync import breaker, report, runs
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command, reading

_REQUESTED = {
    "run_id": 41,
    "status": "queued",
    "status_url": "http://localhost:8000/api/sync/runs/41",
    "coalesced": False,
}
_RUN: dict[str, Any] = {
    "id": 41,
    "source": "cars",
    "provider": "parse",
    "trigger": "user",
    "full": False,
    "status": "succeeded",
    "reason": "",
    "counts": {
        "fetched": 1000,
        "created": 12,
        "updated": 3,
        "unchanged": 984,
        "rejected": 1,
        "duplicate": 0,
        "withdrawn": 0,
    },
    "pages": 2,
    "retries": 0,
    "error": "",
    "queued_at": "2025-03-01T09:30:00Z",
    "started_at": "2025-03-01T09:30:01Z",
    "finished_at": "2025-03-01T09:30:04Z",
}
_SOURCE: dict[str, Any] = {
    "name": "cars",
    "provider": "parse",
    "ready": True,
    "missing": [],
    "cursor": None,
    "last_success_at": "2025-03-01T09:30:04Z",
    "last_full_at": "2025-03-01T03:00:40Z",
    "breaker": {"state": "closed", "consecutive_failures": 0, "open_until": None, "reason": ""},
    "next_run_at": "2025-03-01T09:35:00Z",
}
RUN = shown("done", _RUN)
SOURCE = shown("the cars", _SOURCE)

Staff = HasPerm.of("cars.sync_cars")


def _caller(request: Request) -> User:
    return cast(User, request.user)  # The permissions let nobody else in.


class SyncCarsMixin:
    """`POST /cars/sync-cars`, for the registry's viewset."""

    throttle_scopes = {"sync_cars": "sync"}

    @command(
        detail=False,
        url_path="sync-cars",
        response=SyncRequestedSerializer,
        status=202,
        summary="Bring the registry up to date",
        description="Queues a sync of the cars, or joins the one that is active. Watch it at `status_url`. While the "
        "source rests after failures the run is `skipped`.",
        examples=[shown("queued", _REQUESTED, status=202)],
    )
    def sync_cars(self: Any, request: Request) -> Response:
        requested = runs.request_run(
            source=SYNC_SOURCE, trigger=SyncRun.Trigger.USER, user=_caller(request), now=clock.now()
        )
        return Response(self.represent(requested, SyncRequestedSerializer), status=202)


class SyncViewSet(ApiViewSet):
    """All sources at once."""

    permission_classes = [Staff]
    serializer_class = SyncStatusSerializer
    throttle_scopes = {"trigger": "sync"}

    @command(
        detail=False,
        request=SyncTriggerSerializer,
        response=SyncRequestedRunsSerializer,
        status=202,
        summary="Sync one source, or all that are configured",
        description="As the schedule would, but now. `full` reads everything again instead of what changed. A source "
        "that is at it already is joined (`coalesced`).",
        examples=[
            sent("all that are configured", {}),
            sent("the whole of one", {"source": "cars", "full": True}),
            shown("queued", {"runs": [_REQUESTED]}, status=202),
        ],
    )
    def trigger(self, request: Request) -> Response:
        data = self.validated(SyncTriggerSerializer)
        full, now = data.get("full", False), clock.now()
        if "source" in data:
            source = data["source"]
            user = _caller(request)
            requested = [runs.request_run(source=source, trigger=SyncRun.Trigger.USER, user=user, full=full, now=now)]
        else:
            requested = runs.request_all(user=_caller(request), full=full, now=now)
        return Response(self.represent({"runs": requested}, SyncRequestedRunsSerializer), status=202)

    @reading(
        detail=False,
        response=SyncStatusSerializer,
        schema={
            "summary": "Read the state of all sources and their runs",
            "examples": [shown("one source", {"sources": [_SOURCE | {"active_run": None, "last_runs": [_RUN]}]})],
        },
    )
    def status(self, request: Request) -> Response:
        return Response(self.represent(report.status(now=clock.now()), SyncStatusSerializer))


@extend_schema_view(
    list=extend_schema(summary="List sync runs", examples=[RUN]),
    retrieve=extend_schema(
        summary="Read a sync run",
        description="By staff, and by whoever triggered or joined it; for others: 404.",
        examples=[RUN],
    ),
)
class SyncRunViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """Runs, the newest first."""

    queryset = SyncRun.objects.all()
    serializer_class = SyncRunSerializer
    filterset_class = SyncRunFilter
    permission_classes = [Staff]
    action_permissions = {"retrieve": [SignedIn]}

    def get_queryset(self) -> QuerySet[SyncRun]:
        return runs.visible_to(_caller(self.request))

    @command(
        detail=True,
        response=SyncRunSerializer,
        summary="Cancel a sync run",
        description="A running one stops at its next page or wait; what it has written stays.",
        examples=[shown("cancelled", _RUN | {"status": "cancelled"})],
    )
    def cancel(self, request: Request, pk: int) -> Response:
        return self.answer(runs.cancel_run(run=self.get_object(), now=clock.now()))


@extend_schema_view(list=extend_schema(summary="List sync sources", examples=[SOURCE]))
class SyncSourceViewSet(ListMixin, ApiViewSet):
    """Sources: their provider, cursor, breaker and next run."""

    queryset = SyncSource.objects.all()
    serializer_class = SyncSourceSerializer
    permission_classes = [Staff]
    filterset_class = None
    lookup_field = "name"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[SyncSource]:
        return report.known_sources()

    def represent(self, instance: Any, serializer_class: Any, **kwargs: Any) -> Any:
        now = clock.now()
        many = kwargs.get("many", False)
        described = [report.describe(source, now=now) for source in (instance if many else [instance])]
        return super().represent(described if many else described[0], serializer_class, **kwargs)

    @command(
        detail=True,
        url_path="reset-breaker",
        response=SyncSourceSerializer,
        summary="Close a source's breaker",
        description="Forgets its failures and the silence that upstream asked for: the next run starts at once.",
        examples=[SOURCE],
    )
    def reset_breaker(self, request: Request, name: str) -> Response:
        return self.answer(breaker.reset(self.get_object().name))
