"""The one router."""

from __future__ import annotations

from django.urls import register_converter
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
        """Prefix -> name of the list route, for every registered viewset that has a list."""
        return {prefix: f"{name}-list" for prefix, viewset, name in self.registry if hasattr(viewset, "list")}
