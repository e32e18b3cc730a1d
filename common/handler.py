"""The one place where an exception becomes a status and a body."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import exceptions
from rest_framework.response import Response

from common.errors import (
    BadRequest,
    Conflict,
    DomainError,
    ErrorType,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    SeveralErrors,
    error_body,
    error_response,
    error_type,
)

logger = structlog.get_logger(__name__)

CONFLICT_CODES = frozenset({"unique"})
# What the published schema allows and the world refuses. Codes of the password validators start with `password_`.
MEANINGLESS_CODES = frozenset({"does_not_exist", "invalid_reference", "out_of_range", "semantic"})


class DomainAPIException(exceptions.APIException):
    """A domain error on its way through DRF's handler."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(detail=error.detail, code=error.code)
        self.status_code = error.status
        self.error = error


def validation_status(codes: set[str]) -> int:
    """A broken schema outweighs a meaningless value, and that outweighs a duplicate."""
    meaningless = {code for code in codes if code in MEANINGLESS_CODES or code.startswith("password_")}
    if codes - meaningless - CONFLICT_CODES:
        return 400
    return 422 if meaningless else 409


class ErrorFormatter(ExceptionFormatter):
    """drf-standardized-errors' shape; adds `meta`, and takes the type from the status."""

    def get_error_type(self) -> ErrorType:
        return error_type(self.exc.status_code)

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        if isinstance(self.exc, DomainAPIException):
            error = self.exc.error
            body = _body_of(error)
            if isinstance(error, SeveralErrors):
                body["errors"] = [entry for each in error.errors for entry in _body_of(each)["errors"]]
            return body
        return super().format_error_response(error_response)


def _body_of(error: DomainError) -> dict[str, Any]:
    return error_body(error.status, error.code, error.detail, attr=error.attr, meta=error.meta)


def _from_database(exc: Exception) -> DomainError | None:
    """Database errors as domain errors; None for every other exception. Texts of the database stay in the log."""
    if isinstance(exc, ProtectedError | RestrictedError):
        return Conflict("Other records still refer to this one.", code="protected")
    if isinstance(exc, IntegrityError):
        unique = getattr(exc.__cause__, "sqlstate", None) == "23505" or "UNIQUE constraint" in str(exc)
        logger.warning("integrity_error", unique=unique, exc_info=exc)
        return Conflict("This clashes with a record that exists.", code="unique" if unique else "conflict")
    if isinstance(exc, DataError):
        logger.warning("data_error", exc_info=exc)
        return BadRequest("The database cannot hold this value.")
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error("database_unavailable", exc_info=exc)
        return ServiceUnavailable()
    return None


class Handler(ExceptionHandler):
    """Maps domain, database and framework exceptions."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, Http404):
            return DomainAPIException(NotFound())
        if isinstance(exc, PermissionDenied):
            return DomainAPIException(Forbidden())
        if isinstance(exc, SuspiciousOperation):
            return DomainAPIException(BadRequest())
        domain = exc if isinstance(exc, DomainError) else _from_database(exc)
        if domain is not None:
            return DomainAPIException(domain)
        if isinstance(exc, exceptions.ValidationError):
            exc.status_code = validation_status(_codes(exc.get_codes()))
        return exc

    def get_headers(self, exc: exceptions.APIException) -> dict[str, str]:
        if isinstance(exc, DomainAPIException):
            return exc.error.headers()
        headers: dict[str, str] = super().get_headers(exc)
        if wait := getattr(exc, "wait", None):
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return headers

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        """Only what nobody foresaw is reported as a failure of the server; a 503 is an answer."""
        if not isinstance(exc, DomainAPIException):
            super().report_exception(exc, response)


def _codes(codes: Any) -> set[str]:
    if isinstance(codes, dict):
        return set().union(*(_codes(value) for value in codes.values()))
    if isinstance(codes, list):
        return set().union(*(_codes(value) for value in codes))
    return {codes}


def exception_handler(exc: Exception, context: Any) -> Response | None:
    """DRF's EXCEPTION_HANDLER."""
    return Handler(exc, context).run()


def _page(
    request: HttpRequest, status: int, django_page: Callable[[], HttpResponse], error: DomainError
) -> HttpResponse:
    """JSON under /api and to whoever does not ask for HTML; people in the admin get Django's page."""
    wants_html = "text/html" in request.headers.get("Accept", "")
    if wants_html and not (request.path == "/api" or request.path.startswith("/api/")):
        return django_page()
    return error_response(status, error.code, error.detail, headers=error.headers())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    return _page(request, 400, lambda: defaults.bad_request(request, exception), BadRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return _page(request, 403, lambda: defaults.permission_denied(request, exception), Forbidden())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return _page(request, 404, lambda: defaults.page_not_found(request, exception), NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500, for what was raised outside the API's views; a database that is away is 503 there too."""
    raised = sys.exc_info()[1]
    error = _from_database(raised) if isinstance(raised, Exception) else None
    if error is None:
        error = DomainError("An internal error has occurred.", code="error")
        return _page(request, 500, lambda: defaults.server_error(request), error)
    return error_response(error.status, error.code, error.detail, headers=error.headers())
