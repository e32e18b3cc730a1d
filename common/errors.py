"""Errors: the domain's refusals and the body they get. `common.handler` maps every exception to one of them.

The body is that of drf-standardized-errors, `{"type", "errors": [{"code", "detail", "attr"}]}`, with the facts of a
domain refusal as `meta` inside its error. `type` follows the status: validation_error for 400 and 422, client_error
for the other 4xx, server_error from 500 on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.http import HttpResponse

from common.renderers import dump_json

ErrorType = Literal["validation_error", "client_error", "server_error"]
RETRY_AFTER_S = 1  # A lock or a restart is over in about that time.


class DomainError(Exception):
    """A refusal by a rule of the business. `code` is stable and for programs, `detail` is for people, `meta` holds the
    facts a client can act on, `attr` names the offending member of the body (`jobs.0.title`)."""

    status = 409
    code = "conflict"
    detail = "The request conflicts with the present state."

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        meta: dict[str, Any] | None = None,
        attr: str | None = None,
    ) -> None:
        self.detail = detail or self.detail
        self.code = code or self.code
        self.meta = meta
        self.attr = attr
        super().__init__(self.detail)

    def headers(self) -> dict[str, str]:
        return {}


class Conflict(DomainError):
    """409: a state, a race or a duplicate refuses it."""


class BadRequest(DomainError):
    """400: the input breaks the published schema."""

    status, code, detail = 400, "invalid", "The request is not valid."


class Unprocessable(DomainError):
    """422: valid by the schema, but meaningless."""

    status, code, detail = 422, "semantic", "The request makes no sense."


class SeveralErrors(Unprocessable):
    """422 for several things at once: the body has all of them, each with its code and `attr`."""

    def __init__(self, errors: Sequence[DomainError]) -> None:
        first = errors[0]
        super().__init__(first.detail, code=first.code, meta=first.meta, attr=first.attr)
        self.errors = tuple(errors)


class Forbidden(DomainError):
    """403: known, but not allowed."""

    status, code, detail = 403, "permission_denied", "You do not have permission to perform this action."


class NotFound(DomainError):
    """404: unknown or not visible; the body must not tell which, so pass no detail for rows that have owners."""

    status, code, detail = 404, "not_found", "Not found."


class PreconditionFailed(DomainError):
    """412: `If-Match` names another version."""

    status, code = 412, "precondition_failed"
    detail = "The resource has changed since you read it."


class BadCredentials(DomainError):
    """401, also from views without authentication classes (which DRF would turn into 403)."""

    status, code, detail = 401, "authentication_failed", "Incorrect authentication credentials."

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="api"'}


class ServiceUnavailable(DomainError):
    """503: a needed part is down; `retry_after` in seconds."""

    status, code = 503, "service_unavailable"
    detail = "The service is temporarily unavailable. Try again."

    def __init__(self, detail: str | None = None, *, retry_after: float = RETRY_AFTER_S, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class InvalidTransition(Conflict):
    """409: the state machine has no such move. `meta` names `from`, `to` and the moves `allowed` from here."""

    code = "invalid_transition"
    detail = "This change of status is not possible."


def error_type(status: int) -> ErrorType:
    if status in (400, 422):
        return "validation_error"
    return "client_error" if status < 500 else "server_error"


def error_body(
    status: int, code: str, detail: str, *, attr: str | None = None, meta: dict[str, Any] | None = None
) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "detail": detail, "attr": attr}
    if meta is not None:
        error["meta"] = meta
    return {"type": error_type(status), "errors": [error]}


def error_response(
    status: int,
    code: str,
    detail: str,
    *,
    attr: str | None = None,
    meta: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The same body outside DRF: middleware, handler404, plain views."""
    body = dump_json(error_body(status, code, detail, attr=attr, meta=meta))
    return HttpResponse(body, status=status, content_type="application/json", headers=dict(headers or {}))
