"""One's parking history as a file: `/api/parking/exports`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.models import Export
from accounts.serializers.exports import ExportSerializer
from accounts.views.exports import OwnExportViewSet
from common.examples import sent, shown
from parking.exports import COLUMNS, KIND
from parking.serializers.exports import ParkingExportCreateSerializer

EXPORT = "5f0c1f0e-6d0a-4c7e-9a53-6f2f7c1e8b11"
QUEUED = {
    "id": EXPORT,
    "owner": 7,
    "kind": KIND,
    "params": {},
    "status": "queued",
    "rows": 0,
    "percent": 0,
    "bytes": 0,
    "error": "",
    "created_at": "2026-03-01T09:30:00Z",
    "started_at": None,
    "finished_at": None,
    "expires_at": None,
    "download_url": None,
}
READY = QUEUED | {
    "status": "ready",
    "rows": 214,
    "percent": 100,
    "bytes": 41873,
    "started_at": "2026-03-01T09:30:00Z",
    "finished_at": "2026-03-01T09:30:01Z",
    "expires_at": "2026-03-08T09:30:01Z",
    "download_url": f"https://forecourt.example/api/parking/exports/{EXPORT}/download",
}
_NO_FILE = OpenApiResponse({"$ref": "#/components/schemas/Error"}, "There is no file yet, or no more.")


@extend_schema_view(
    retrieve=extend_schema(
        summary="Watch a parking export",
        description="`rows` and `percent` say how far it is while it is `running`.",
        examples=[shown("finished", READY)],
    ),
    download=extend_schema(
        summary="Download a parking export",
        description="The file. 409 while there is none (`export_not_ready`), and after its time (`export_expired`).",
        responses={(200, "text/csv"): OpenApiTypes.BINARY, (409, "application/json"): _NO_FILE},
    ),
)
class ParkingExportViewSet(OwnExportViewSet):
    """The caller's own; everybody else's, and exports of another kind, do not exist here."""

    queryset = Export.objects.filter(kind=KIND)
    action_serializers = {"create": ParkingExportCreateSerializer}

    @extend_schema(
        summary="Export one's parking history",
        description="A worker writes all of the caller's own reservations into a CSV file, newest first, and mails a "
        "link when it is there. The same request while one is being written answers that one. Columns: "
        f"{', '.join(column.title for column in COLUMNS)}. `started_at` is the check-in; the duration, in hours with "
        "two places, and the cost are empty until the release.",
        responses={202: ExportSerializer},
        examples=[
            sent("as it is", {}),
            sent("for older spreadsheets", {"bom": True}),
            shown("asked for", QUEUED, status=202),
        ],
    )
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return self.asked(kind=KIND, **self.validated(ParkingExportCreateSerializer))
