"""What is reachable: every route is in the published document, or on the list of exceptions here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from tests.security.document import document

# Not operations of the API: pages for people, the document itself, and figures for Prometheus.
EXCEPTIONS = {
    "/",
    "/metrics",
    "/api/schema",
    "/api/docs",
    "/api/redoc",
    "/api/session/login",
    "/api/session/logout",
    "/api/notifications/unsubscribe/{token}",
    "/estimates/{token}",
    "/auctions/{id}/live",
}


def routes(patterns: Iterable[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            yield path
        elif path != f"/{settings.ADMIN_PATH}/":
            yield from routes(pattern.url_patterns, path)


def test_every_route_is_published_or_a_written_exception() -> None:
    found = set(routes(get_resolver().url_patterns)) - {f"/{settings.ADMIN_PATH}/login/"}
    published = {re.sub(r"\{pk\}", "{id}", path) for path in document()["paths"]}
    assert {path.replace("{pk}", "{id}") for path in found} == published | EXCEPTIONS
