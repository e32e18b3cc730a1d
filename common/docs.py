"""Where the API describes itself: its collections, its OpenAPI document, and two readers of that document."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from common.examples import shown
from common.permissions import Public
from common.renderers import JSONRenderer
from common.views import ApiView


class JSONSchemaRenderer(JSONRenderer):
    """The document to whoever asks for no format in particular."""


class ApiRootView(ApiView):
    """The collections of this API, by name."""

    permission_classes = [Public]
    collections: ClassVar[dict[str, str]] = {}

    @extend_schema(
        operation_id="root_retrieve",
        summary="List the collections",
        tags=["root"],
        responses={200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}},
        examples=[shown("some of them", {"cars": "http://localhost:8000/api/cars"})],
    )
    def get(self, request: Request) -> Response:
        names = {name: reverse(view_name, request=request) for name, view_name in self.collections.items()}
        return Response(names)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document; it cannot change while the process runs, and takes a second to build."""
    return SchemaGenerator().get_schema(request=None, public=True)


class SchemaView(ApiView):
    """The OpenAPI 3.1 document: JSON, or YAML for `Accept: application/vnd.oai.openapi`."""

    permission_classes = [Public]
    renderer_classes = [JSONSchemaRenderer, OpenApiYamlRenderer, OpenApiJsonRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(document())


class DocumentationView(ApiView):
    """A page that reads the document with scripts of this server only."""

    permission_classes = [Public]
    renderer_classes = [TemplateHTMLRenderer]
    template_name = "docs/swagger.html"

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response({"schema_url": reverse("schema")}, template_name=self.template_name)
