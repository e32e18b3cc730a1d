"""The published document, taken apart for the tests that walk it: what each operation takes and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        """As in the permission table: `GET /api/cars`."""
        return f"{self.method.upper()} {self.path}"

    @property
    def is_public(self) -> bool:
        return {} in self.spec.get("security", [{}])

    def writable(self) -> set[str] | None:
        """The members that the body may have; None when there is no body, or one with members of any name."""
        content = self.spec.get("requestBody", {}).get("content", {}).get("application/json")
        schema = _resolved(content["schema"]) if content else {}
        if "oneOf" in schema:
            return {name for choice in schema["oneOf"] for name in _resolved(choice)["properties"]}
        return set(schema.get("properties", ())) if schema.get("additionalProperties") is False else None

    def readable(self) -> set[str]:
        """The members of what it answers when it succeeds."""
        contents = (answer.get("content", {}) for status, answer in self.spec["responses"].items() if status[0] == "2")
        schemas = (content["application/json"]["schema"] for content in contents if "application/json" in content)
        return {name for schema in schemas for name in _resolved(schema).get("properties", ())}

    def texts(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Where text goes in: `query` or `path`, the parameter's name, and its schema."""
        for parameter in self.spec.get("parameters", ()):
            if parameter["schema"].get("type") == "string" and parameter["in"] in ("query", "path"):
                yield parameter["in"], parameter["name"], parameter["schema"]


@cache
def operations() -> dict[str, Operation]:
    """By name."""
    found = (
        Operation(method, path, spec)
        for path, methods in document()["paths"].items()
        for method, spec in methods.items()
        if method in METHODS
    )
    return {operation.name: operation for operation in found}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema
