"""The one router, and how its routes are found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import ResolverMatch, register_converter
from django.urls.resolvers import RoutePattern, URLResolver
from rest_framework.routers import SimpleRouter

MAX_ID = 2**63 - 1


class PkConverter:
    """An id as the database numbers them; anything else is no route, hence 404."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MAX_ID:
            raise ValueError
        return number

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(PkConverter, "pk")


class ApiRouter(SimpleRouter):
    """No trailing slash, and no regular expressions in paths."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)

    def collections(self) -> dict[str, str]:
        """Prefix -> name of the list route, for every registered viewset that has a list of its own (not one of some
        parent's things)."""
        return {
            prefix: f"{name}-list"
            for prefix, viewset, name in self.registry
            if hasattr(viewset, "list") and "<" not in prefix
        }


class SegmentResolver(URLResolver):
    """Routes under one prefix, found by the path's next segment (`cars` of `api/cars/5`) in a table. Django tries one
    route after the other: with the routes of all apps that was a tenth of a small request.

    Every route must begin with a literal segment; raises ValueError for one that does not.
    """

    def __init__(self, prefix: str, routes: Iterable[Any]) -> None:
        pattern, routes = RoutePattern(prefix, is_endpoint=False), list(routes)
        super().__init__(pattern, routes)
        groups: dict[str, list[Any]] = {}
        for route in routes:
            segment = str(route.pattern).partition("/")[0]
            if not segment or "<" in segment:
                raise ValueError(f"{route.pattern!s} does not begin with a literal segment.")
            groups.setdefault(segment, []).append(route)
        self._prefix = prefix
        self._groups = {segment: URLResolver(pattern, group) for segment, group in groups.items()}

    def resolve(self, path: Any) -> ResolverMatch:
        text = str(path)
        segment = text[len(self._prefix) :].partition("/")[0] if text.startswith(self._prefix) else ""
        group = self._groups.get(segment)
        return group.resolve(text) if group else super().resolve(text)
