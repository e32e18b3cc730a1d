"""How the OpenAPI document names our ways of signing in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer <access token or API key>`."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002 - its signature
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT or API key",
            "description": "An access token from signing in, or in its place an API key (`fck_...`) from "
            "`POST /api/auth/keys`. A key does what its `permissions` name as long as its holder may, and what "
            "needs no permission: the holder's own data and assignments. Else it is 403: `api_key_read_only` when it "
            "may only read, and `api_key_not_allowed` for what changes an account.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Left out of the document: it serves people who browse the API, and needs CSRF tokens that a schema cannot
    describe."""

    target_class = "accounts.authentication.SessionAuthentication"
    name: list[str] = []

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return []

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:  # noqa: ARG002
        return []
