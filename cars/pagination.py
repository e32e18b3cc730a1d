"""Pages of what has no rows of its own."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.utils.urls import replace_query_param

from common.filters import parse_parameters
from common.pagination import DEFAULT_LIMIT, PagePagination, check_depth


class GroupPagination(PagePagination):
    """Pages of a grouped queryset, which must be in total order already and has no row that a cursor could point at."""

    parameters = {name: PagePagination.parameters[name] for name in ("page", "skip", "limit", "count")}

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any]:
        asked = parse_parameters(request.query_params, self.parameters)
        if "page" in asked and "skip" in asked:
            detail = ErrorDetail("page and skip exclude each other.", code="exclusive_parameters")
            raise ValidationError({"skip": [detail]})
        limit = asked.get("limit", DEFAULT_LIMIT)
        skip = asked["skip"] if "skip" in asked else (asked.get("page", 1) - 1) * limit
        check_depth(skip, limit)
        rows = list(queryset[skip : skip + limit + 1])
        self._count(queryset, asked.get("count"), skip, rows, limit)
        if len(rows) > limit:
            self.next_url = _page_url(request, asked, skip + limit, limit)
        if skip > 0:
            self.previous_url = _page_url(request, asked, max(0, skip - limit), limit)
        return rows[:limit]


def _page_url(request: Any, asked: dict[str, Any], skip: int, limit: int) -> str:
    name, value = ("skip", skip) if "skip" in asked else ("page", skip // limit + 1)
    return str(replace_query_param(request.build_absolute_uri(), name, value))
