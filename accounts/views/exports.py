"""Files for their owners."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.models import QuerySet
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import exports
from accounts.idempotency import idempotent
from accounts.models import Export
from accounts.serializers.exports import ExportCreateSerializer, ExportSerializer
from accounts.views import examples
from common.clock import now
from common.renderers import CSVRenderer, JSONRenderer
from common.views import ApiViewSet, CreateMixin, FileMixin, ListMixin, RetrieveMixin

_NO_FILE = OpenApiResponse({"$ref": "#/components/schemas/Error"}, "There is no file yet, or no more.")


class OwnExportViewSet(FileMixin, RetrieveMixin, CreateMixin, ApiViewSet):
    """Asking for files, watching them and fetching them. An app that has a kind of its own gives it routes of its own
    by a subclass that narrows `queryset` and writes `create`."""

    queryset = Export.objects.order_by("-created_at", "id")
    serializer_class = ExportSerializer
    throttle_scopes = {"create": "exports"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Export]:
        return super().get_queryset().filter(owner_id=self.request.user.pk)

    def asked(self, *, kind: str, **options: Any) -> Response:
        """The answer to `create`."""
        export = exports.request_export(owner=self.caller, kind=kind, now=now(), **options)
        return self.answer(export, status=202, headers=self.location_of(export))

    @extend_schema(
        summary="Download an export",
        responses={(200, "text/csv"): OpenApiTypes.BINARY, (409, "application/json"): _NO_FILE},
    )
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, CSVRenderer], pagination_class=None)
    def download(self, request: Request, pk: Any) -> FileResponse:
        """The file. 409 while there is none, and after its time; 403 for those who, or whose API key, may not ask
        for one like it."""
        export = self.get_object()
        name = quote(export.file_name)
        return FileResponse(
            exports.open_export(export=export, caller=self.caller, now=now()),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}",
                "Content-Length": str(export.bytes),
                "X-Content-Type-Options": "nosniff",
            },
        )


@extend_schema_view(
    list=extend_schema(summary="List exports", examples=[examples.EXPORT]),
    retrieve=extend_schema(summary="Read an export", examples=[examples.EXPORT]),
)
class ExportViewSet(ListMixin, OwnExportViewSet):
    """The caller's own exports, the newest first; everybody else's do not exist."""

    action_serializers = {"create": ExportCreateSerializer}

    @extend_schema(
        summary="Ask for an export",
        responses={202: ExportSerializer},
        examples=[examples.ASK_EXPORT, examples.EXPORT_ASKED],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Ask for a file; a worker writes it. The same request while one is being written answers that
        one."""
        return self.asked(**self.validated(ExportCreateSerializer))
