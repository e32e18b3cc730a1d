"""The OpenAPI document: what is enforced, published. Strict fields, filters and paginators describe themselves; here is
what belongs to an operation: its bodies, every status it can answer, and the headers that matter."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiFilterExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.plumbing import ResolvedComponent, append_meta, force_instance
from rest_framework.serializers import ListSerializer

from common.fields import IDEMPOTENCY_KEY_PATTERN, MAX_ITEMS, IdField, Strict
from common.permissions import Public
from common.routers import PkConverter
from common.serializers import EmptySerializer

BODY_METHODS = ("POST", "PUT", "PATCH")
_STRING = {"schema": {"type": "string"}}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
# Status -> name in the document's components, description, headers.
REFUSALS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "400": ("BadRequest", "The request breaks this document.", {}),
    "401": ("Unauthorized", "No token, or one that is not valid.", {"WWW-Authenticate": _STRING}),
    "403": ("Forbidden", "You may not do this.", {}),
    "404": ("NotFound", "There is no such resource, or it is not visible to you.", {}),
    "406": ("NotAcceptable", "The answer has another format than you accept.", {}),
    "409": ("Conflict", "The present state, a race or a duplicate refuses it.", {}),
    "412": ("PreconditionFailed", "`If-Match` names another version: somebody was first.", {}),
    "413": ("PayloadTooLarge", "The body is too large.", {}),
    "415": ("UnsupportedMediaType", "The body is not JSON in UTF-8.", {}),
    "422": ("Unprocessable", "Valid by this document, but meaningless.", {}),
    "429": ("TooManyRequests", "You asked too often.", _RETRY_AFTER),
    "503": ("Unavailable", "A needed part is down, or a lock timed out.", _RETRY_AFTER),
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["type", "errors"],
    "properties": {
        "type": {"type": "string", "enum": ["validation_error", "client_error", "server_error"]},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["code", "detail", "attr"],
                "properties": {
                    "code": {"type": "string", "description": "Stable, for programs."},
                    "detail": {"type": "string", "description": "For people."},
                    "attr": {"type": ["string", "null"], "description": "The member or parameter, as `jobs.0.title`."},
                    "meta": {"type": "object", "description": "Facts to act on.", "additionalProperties": True},
                },
            },
        },
    },
}  # fmt: skip


class AutoSchema(SpectacularAutoSchema):
    """Operations as `common.views` carries them out."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        for status in self._refusals():
            responses.setdefault(status, self._refusal(status))
        if getattr(self.view, "action", None) == "retrieve":
            responses["304"] = {"description": "You have this version already."}
        for status, response in responses.items():
            self._add_headers(status, response)
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _refusals(self) -> list[str]:
        statuses = {"400", "401", "403", "406", "429", "503"}
        if "{" in self.path or not self._is_list_view():
            statuses.add("404")
        if self.method in BODY_METHODS:
            statuses |= {"409", "413", "415", "422"}
        if self.method == "DELETE":
            statuses |= {"409", "413"}
        action = getattr(self.view, "action", None)
        if action in ("update", "partial_update", "destroy"):
            statuses.add("412")
        return sorted(statuses | set(getattr(self.view, "more_refusals", ())))

    def _refusal(self, status: str) -> dict[str, str]:
        """A reference to the response that all operations share."""
        name, description, headers = REFUSALS[status]
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        response = {"description": description, "content": content} | ({"headers": headers} if headers else {})
        self._register("Error", ResolvedComponent.SCHEMA, _ERROR)
        self._register(name, ResolvedComponent.RESPONSE, response)
        return {"$ref": f"#/components/responses/{name}"}

    def _register(self, name: str, kind: str, schema: dict[str, Any]) -> None:
        self.registry.register_on_missing(ResolvedComponent(name=name, type=kind, schema=schema, object=name))

    def _add_headers(self, status: str, response: dict[str, Any]) -> None:
        headers: dict[str, Any] = {}
        action = getattr(self.view, "action", None)
        if action in ("retrieve", "create", "update", "partial_update") and status in ("200", "201", "304"):
            headers["ETag"] = _STRING | {
                "description": "Version of this representation, for If-None-Match and If-Match."
            }
        if action == "create" and status == "201":
            headers["Location"] = {"schema": {"type": "string", "format": "uri"}}
        if status == "200" and self._is_list_view() and self._get_paginator():
            headers["Link"] = _STRING | {"description": "`next` and `prev` (RFC 8288)."}
        if headers:
            response["headers"] = headers | response.get("headers", {})

    def get_operation_id(self) -> str:
        """As generated, but a command is named by its path alone: `cars_unlock`, not `cars_unlock_create`, unless
        the same path lists what it makes; and what lies outside /api says so, because /health is served there too."""
        name = super().get_operation_id().replace(".", "_")  # Of a path like /passport.pdf.
        if not self.path.startswith("/api"):
            name = f"site_{name}"
        makes = getattr(self.view, "action", None) == "create" or "get" in (
            getattr(self.view, "action_map", None) or {}
        )
        is_command = self.method == "POST" and not makes
        return name.removesuffix("_create") if is_command else name

    def get_description(self) -> str:  # type: ignore[override]  # The stubs describe DRF's own generator.
        """The action's own text or the view's own; what a base class says about itself describes no operation."""
        action = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return inspect.cleandoc(getattr(action, "__doc__", None) or type(self.view).__doc__ or "")

    def get_auth(self) -> list[dict[str, Any]]:
        """Where no credentials are looked at nothing is said of them: generators make that a call without a token."""
        auth = super().get_auth()
        if auth and {} not in auth and any(isinstance(found, Public) for found in self.view.get_permissions()):
            auth.append({})
        return auth

    def get_response_serializers(self) -> Any:
        """For a viewset's own actions the answer's shape, which may differ from the body's."""
        if hasattr(self.view, "get_response_serializer_class"):
            return self.view.get_response_serializer_class()
        return super().get_response_serializers()

    def _get_request_body(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """A body is required exactly where the empty one would lack a member."""
        body: dict[str, Any] | None = super()._get_request_body(*args, **kwargs)
        if body is None or self.method == "PATCH":
            return body
        serializer = force_instance(self.get_request_serializer())
        if isinstance(serializer, EmptySerializer):
            body["content"]["application/json"].setdefault("example", {})
        choices = [force_instance(choice) for choice in getattr(serializer, "serializers", [serializer])]
        fields = [field for choice in choices for field in getattr(choice, "fields", {}).values()]
        if any(field.required and not field.read_only for field in fields):
            body["required"] = True
        return body

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters = super()._get_parameters()
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        query_class = getattr(handler, "query_class", None)
        if query_class is None and self.method == "GET" and not self._is_list_view():
            query_class = getattr(self.view, "query_class", None)
        if query_class is not None:
            parameters += [query_parameter(name, filter_) for name, filter_ in query_class.base_filters.items()]
        if getattr(handler, "idempotent", False):
            parameters.append(_IDEMPOTENCY_KEY)
        return parameters

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        parameters = super()._resolve_path_parameters(variables)
        for parameter in parameters:
            if parameter["schema"].get("pattern") == f"^{PkConverter.regex}$":
                parameter["schema"] = IdField().json_schema(request=True)
        return parameters

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Any:
        if isinstance(field, Strict):
            schema = self._map_strict_field(field, direction)
        else:
            schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if schema and direction == "request" and isinstance(field, ListSerializer) and "items" in schema:
            schema["maxItems"] = getattr(field, "max_length", None) or MAX_ITEMS
            if not field.allow_empty:
                schema["minItems"] = getattr(field, "min_length", None) or 1
        return schema

    def _map_strict_field(self, field: Any, direction: str) -> dict[str, Any]:
        meta = self._get_serializer_field_meta(field, direction)
        meta.pop("minLength", None)
        schema = field.json_schema(request=direction == "request", nested=lambda child: self._nested(child, direction))
        if not schema:
            meta.pop("nullable", None)  # Free JSON includes null already.
        if meta.get("nullable") and "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return append_meta(schema, meta)

    def _nested(self, child: Any, direction: str) -> dict[str, Any]:
        """The schema of an element or member that is no strict field: a serializer, or free JSON."""
        return self._map_serializer_field(child, direction) or {}

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        if not isinstance(field, Strict):
            super()._insert_field_validators(field, schema)

    def _map_serializer(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> dict[str, Any]:
        if isinstance(serializer, EmptySerializer):
            return {"type": "object", "additionalProperties": False}
        schema: dict[str, Any] = super()._map_serializer(serializer, direction, bypass_extensions)
        if type(force_instance(serializer)).__doc__ is None:
            schema.pop("description", None)  # Inherited.
        return schema


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body gets the first answer again, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": IDEMPOTENCY_KEY_PATTERN},
}


def query_parameter(name: str, filter_: Any) -> dict[str, Any]:
    """A strict filter as an OpenAPI parameter."""
    parameter = {"name": name, "in": "query", "required": filter_.extra["required"], "schema": filter_.json_schema()}
    return parameter | ({"description": filter_.description} if filter_.description else {})


class StrictFilterExtension(OpenApiFilterExtension):
    """The filters of a list, as they describe themselves."""

    target_class = "common.filters.StrictFilterBackend"
    priority = 1

    def get_schema_operation_parameters(self, auto_schema: Any) -> list[dict[str, Any]]:
        filterset = self.target.get_filterset_class(auto_schema.view)
        filters = filterset.base_filters if filterset else {}
        return [query_parameter(name, filter_) for name, filter_ in filters.items()]


def postprocess(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Close the bodies: an unknown member is refused, so the document says so."""
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return result
