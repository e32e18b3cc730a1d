"""A command that leaves a trace each time it is carried out, behind `@idempotent`: routes for its tests."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.models import Notification
from common.errors import Conflict
from common.permissions import Public
from common.views import ApiView, body_of


class Deadlock(Exception):
    """Looks like psycopg's."""

    sqlstate = "40P01"


class TraceView(ApiView):
    """Writes a notification per execution. The body says how to end; `deadlocks` counts down over the attempts."""

    permission_classes = (Public,)
    deadlocks = 0

    @idempotent
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = body_of(request)
        row = Notification.objects.create(user_id=request.user.pk or body["user"], kind="trace", title="Done")
        if TraceView.deadlocks > 0:
            TraceView.deadlocks -= 1
            raise OperationalError("deadlock detected") from Deadlock()
        if body.get("refuse"):
            raise Conflict("Refused.", code="refused")
        if body.get("answer") == 204:
            return Response(status=204)
        return Response(
            {"id": row.pk, "at": row.created_at}, status=body.get("answer", 201), headers={"Location": "/x"}
        )


urlpatterns = [path("api/trace", TraceView.as_view()), path("api/other", TraceView.as_view())]
