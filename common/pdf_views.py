"""Views that answer documents as PDF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from common.conditional import is_current, tag_of
from common.renderers import JSONRenderer, PDFRenderer
from common.views import FileMixin


class PDFMixin(FileMixin):
    """Answers documents."""

    def document(self: Any, request: Request, name: str, content: bytes) -> HttpResponse:
        return self.rendered(request, name, tag_of(content), lambda: content)

    def rendered(self: Any, request: Request, name: str, etag: str, render: Callable[[], bytes]) -> HttpResponse:
        """A document that bears the time of its issue: `etag` is that of its contents, and who has them already needs
        no rendering."""
        if is_current(request, etag):
            return HttpResponse(status=304, headers={"ETag": etag})
        headers = {"ETag": etag, "Content-Disposition": f'attachment; filename="{name}.pdf"'}
        return HttpResponse(render(), content_type="application/pdf", headers=headers)


def pdf_action(*, url_path: str | None = None, **schema: Any) -> Callable[[Any], Any]:
    """`GET /things/{id}/pdf`, or another path, in the router and in the schema, of a viewset with `PDFMixin`."""
    answers = {
        (200, "application/pdf"): OpenApiTypes.BINARY,
        304: OpenApiResponse(description="You have this version already."),
    }
    renderers = [JSONRenderer, PDFRenderer]

    def decorate(method: Any) -> Any:
        method.query_class = None
        decorated = action(
            detail=True, methods=["get"], url_path=url_path, renderer_classes=renderers, pagination_class=None
        )(method)
        return extend_schema(responses=answers, **schema)(decorated)

    return decorate
