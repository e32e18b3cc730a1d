"""What happens to every request before and after the views. The order is that of settings.MIDDLEWARE.

All of it is plain computing, so each class serves WSGI and ASGI without a detour through a thread.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from prometheus_client import Counter, Histogram

from common import replicas
from common.errors import error_response
from common.logs import log_request, route_of
from common.throttling import set_rate_headers

GetResponse = Callable[[HttpRequest], Any]


class Middleware:
    """`before` may answer instead of the view; `after` sees every answer, also that of an exception."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        return self.after(request, self.before(request) or self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        return self.after(request, self.before(request) or await self.get_response(request))

    def before(self, request: HttpRequest) -> HttpResponseBase | None:  # noqa: ARG002 - for subclasses
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:  # noqa: ARG002
        return response


def is_api(path: str) -> bool:
    return path.startswith("/api/") or path == "/api"


class TrustedProxy(Middleware):
    """Believes X-Forwarded-For and -Proto only from TRUSTED_PROXIES (networks, or `unix` for a local socket),
    and sets REMOTE_ADDR to the nearest address that is not one of them. From anybody else the headers are
    dropped, so that nobody chooses his own rate-limit key or calls plain HTTP secure."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        names = [name.strip() for name in settings.TRUSTED_PROXIES if name.strip()]
        self.trusts_socket = "unix" in names
        self.networks = [ipaddress.ip_network(name) for name in names if name != "unix"]
        self._is_trusted = lru_cache(maxsize=1024)(self._judge)  # The peers are few: the proxies.

    def before(self, request: HttpRequest) -> None:
        peer = request.META.get("REMOTE_ADDR", "")
        forwarded_for = request.META.pop("HTTP_X_FORWARDED_FOR", "")
        request.is_forwarded = bool(forwarded_for)  # type: ignore[attr-defined]
        if not self._is_trusted(peer):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
            return
        for address in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                break
            request.META["REMOTE_ADDR"] = address
            if not self._is_trusted(address):
                break

    def _judge(self, address: str) -> bool:
        if not address:
            return self.trusts_socket
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self.networks)


_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext(Middleware):
    """X-Request-ID in (when sane) and out, in the context of every log line in between; one log line and one metric per
    request. Of an answer that is a stream they tell how it began."""

    def before(self, request: HttpRequest) -> None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)
        request.started_at = time.perf_counter()  # type: ignore[attr-defined]
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        duration_s = time.perf_counter() - request.started_at  # type: ignore[attr-defined]
        request_id: str = request.request_id  # type: ignore[attr-defined]
        response["X-Request-ID"] = request_id
        route, status = route_of(request), response.status_code
        method = request.method if request.method in _METHODS else "other"
        _REQUESTS.labels(method, route, str(status)).inc()
        _DURATION.labels(route).observe(duration_s)
        log_request(
            level=logging.ERROR if status >= 500 else logging.INFO,
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 2),
            user_id=_known_user_id(request),
            **_key_used(request),
        )
        return response


# django-prometheus' own middleware counts methods as they come, so that a client can make up time series, and costs ten
# times as much.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REQUESTS = Counter("forecourt_http_requests_total", "Answered requests.", ["method", "route", "status"])
_DURATION = Histogram(
    "forecourt_http_request_duration_seconds",
    "Time to the answer, or to the beginning of a stream.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def _known_user_id(request: HttpRequest) -> int | None:
    """The user's id when somebody asked for the user; the log must not cause a query of its own."""
    user = getattr(request, "_cached_user", None) or request.__dict__.get("user")
    return None if user is None or isinstance(user, SimpleLazyObject) else cast("int | None", user.pk)


def _key_used(request: HttpRequest) -> dict[str, int]:
    """Which API key the user's program came with, if it was one."""
    key_id: int | None = getattr(getattr(request, "auth", None), "key_id", None)
    return {} if key_id is None else {"api_key_id": key_id}


_POLICY_JSON = "default-src 'none'; frame-ancestors 'none'"
_HTML = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_POLICY_HTML = _HTML + "; script-src 'self'{nonce}; style-src 'self'{nonce}; img-src 'self'"
# What the admin theme and the documentation pages need on top: see the ADR on content security.
_LOOSE_STYLE = "; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
_POLICY_ADMIN = _HTML + "; script-src 'self' 'unsafe-eval'{nonce}" + _LOOSE_STYLE
_POLICY_DOCS = _HTML + "; script-src 'self'{nonce}; worker-src blob:" + _LOOSE_STYLE
_DOCS_PATHS = ("/api/docs", "/api/redoc")


class SecurityHeaders(Middleware):
    """Content-Security-Policy, Cache-Control and RateLimit-* on every answer; SecurityMiddleware sets the
    rest.

    HTML pages use `request.csp_nonce` in their script and style elements. Anything a view does not declare
    cacheable itself is `no-store`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self.admin_prefix = f"/{settings.ADMIN_PATH}/"

    def before(self, request: HttpRequest) -> None:
        request.csp_nonce = SimpleLazyObject(lambda: _new_nonce(request))  # type: ignore[attr-defined]

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", self._policy(request, response))
        response.headers.setdefault("Cache-Control", "no-store")
        set_rate_headers(request, response)
        return response

    def _policy(self, request: HttpRequest, response: HttpResponseBase) -> str:
        if not response.get("Content-Type", "").startswith("text/html"):
            return _POLICY_JSON
        policy = _POLICY_HTML
        if request.path.startswith(self.admin_prefix):
            policy = _POLICY_ADMIN
        elif request.path.startswith(_DOCS_PATHS):
            policy = _POLICY_DOCS
        used = getattr(request, "used_csp_nonce", None)
        return policy.format(nonce=f" 'nonce-{used}'" if used else "")


def _new_nonce(request: HttpRequest) -> str:
    request.used_csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
    return request.used_csp_nonce  # type: ignore[attr-defined]


_OPEN_PATHS = {"/health", "/api/health"}  # Probes inside the network speak plain HTTP.


class Guard(Middleware):
    """Refuses what no view should have to think about: plain HTTP where the deployment is https (not
    redirected: the secrets of the request have already travelled), NUL and broken UTF-8 in path or query,
    oversized API bodies."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        if settings.BACKEND_IS_HTTPS and not request.is_secure() and request.path not in _OPEN_PATHS:
            return error_response(403, "https_required", "Use https.")
        if not _is_clean(request):
            return error_response(400, "bad_url", "The path and the query must be UTF-8 without NUL.")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return error_response(400, "bad_content_length", "Content-Length must be a number.")
        limit = settings.UPLOAD_BODY_LIMIT if _is_upload(request) else settings.API_BODY_LIMIT
        if is_api(request.path) and (len(length) > 18 or int(length) > limit):
            return error_response(413, "too_large", f"The body may have at most {limit} bytes.")
        return None


def _is_upload(request: HttpRequest) -> bool:
    """The one route of the API that takes files."""
    return request.method == "POST" and request.path in ("/api/uploads", "/api/uploads/")


def _is_clean(request: HttpRequest) -> bool:
    """Whether path and query are UTF-8 without NUL once their escapes are undone."""
    query = request.META.get("QUERY_STRING", "")
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is None:  # WSGI carries the query's bytes as Latin-1; Django has put back the escapes of a broken path.
        raw = unquote_to_bytes(request.path_info) + unquote_to_bytes(query.encode("latin-1"))
    else:
        raw = unquote_to_bytes(scope.get("raw_path") or request.path_info) + unquote_to_bytes(query)
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


class StripSlash(Middleware):
    """`/api/cars/` is `/api/cars`: no redirect, which would lose a POST's body."""

    def before(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/api/") and request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
            request.path = request.path[:-1]


def _needs_session(request: HttpRequest) -> bool:
    """Calls of the API by token, or by nobody, spend no time on sessions. Signing in there for the browsable
    API is where a session begins."""
    if not is_api(request.path) or request.path.startswith("/api/session/"):
        return True
    return settings.SESSION_COOKIE_NAME in request.COOKIES and "HTTP_AUTHORIZATION" not in request.META


class Cors(CorsMiddleware):
    """django-cors-headers, not there at all while no origin is allowed."""

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.CORS_ALLOWED_ORIGINS:
            raise MiddlewareNotUsed
        super().__init__(get_response)


class ReplicaReads(Middleware):
    """Not there at all without replicas. What a request learned of them ends with it."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        if self.is_async or not replicas.ALIASES:
            raise MiddlewareNotUsed

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        replicas.end(method=request.method, user_id=_known_user_id(request))
        return response


class SessionWithCookie(SessionMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if _needs_session(request):
            super().process_request(request)


class AuthenticationWithCookie(AuthenticationMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if hasattr(request, "session"):
            super().process_request(request)
        else:
            request.user = AnonymousUser()


class MessagesWithCookie(MessageMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if hasattr(request, "session"):
            super().process_request(request)
