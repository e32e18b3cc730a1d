"""Lists in pages: by number or offset to a bounded depth, and by cursor to any depth. One envelope for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote_plus

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.encoding import escape_uri_path
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.response import Response

from common.errors import BadRequest
from common.filters import ChoiceFilter, IntegerFilter, StrictFilter, TextFilter, parse_parameters
from common.keyset import CURSOR_PATTERN, MAX_CURSOR, Cursor, SortTerm, cursor_of, read_cursor, sort_terms

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_DEPTH = 10_000  # Rows: so deep go pages, and so far are rows counted unless an exact count is asked for.
FIRST = "*"


def bounded_count(queryset: QuerySet[Any]) -> tuple[int, bool]:
    """The number of rows, at most MAX_DEPTH, and whether there are more."""
    count = queryset.order_by()[: MAX_DEPTH + 1].count()
    return min(count, MAX_DEPTH), count > MAX_DEPTH


def envelope(
    results: Any, *, count: int | None, capped: bool, next_url: str | None, previous_url: str | None
) -> dict[str, Any]:
    return {
        "count": count,
        "count_capped": capped,
        "next": next_url,
        "previous": previous_url,
        "results": results,
    }


def link_header(next_url: str | None, previous_url: str | None) -> dict[str, str]:
    """The `Link` header of a page (RFC 8288), or nothing."""
    links = [f'<{url}>; rel="{rel}"' for rel, url in (("next", next_url), ("prev", previous_url)) if url]
    return {"Link": ", ".join(links)} if links else {}


class StrictPagination(BasePagination):
    """What both paginators share: the cursor walk, the envelope and their place in the schema."""

    parameters: ClassVar[Mapping[str, StrictFilter]] = {}
    display_page_controls = False
    count: int | None = None
    count_capped = False
    next_url: str | None = None
    previous_url: str | None = None

    def walk(self, queryset: QuerySet[Any], request: Any, text: str, limit: int) -> list[Any]:
        """The page at a cursor; sets `next_url` and `previous_url`."""
        terms = sort_terms(queryset)
        cursor = None if text == FIRST else read_cursor(text, queryset.model, terms)
        rows = queryset.order_by(*(term.order_by(reverse=is_backwards(cursor)) for term in terms))
        page = list((cursor.filter(rows, terms) if cursor else rows)[: limit + 1])
        page, self.next_url, self.previous_url = walked(request, page, limit, cursor, terms)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        body = envelope(
            data,
            count=self.count,
            capped=self.count_capped,
            next_url=self.next_url,
            previous_url=self.previous_url,
        )
        return Response(body, headers=link_header(self.next_url, self.previous_url))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        url = {"type": ["string", "null"], "format": "uri"}
        next_url = "https://api.example.org/api/things?page=2"
        return {
            "type": "object",
            "required": ["count", "count_capped", "next", "previous", "results"],
            "properties": {
                "count": {
                    "type": ["integer", "null"],
                    "minimum": 0,
                    "description": "Rows that match; null in lists by cursor and with `count=none`.",
                    "example": 123,
                },
                "count_capped": {
                    "type": "boolean",
                    "description": f"True when more than {MAX_DEPTH} rows match.",
                    "example": False,
                },
                "next": url | {"example": next_url},
                "previous": url | {"example": None},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": parameter.description,
                "schema": parameter.json_schema(),
            }
            for name, parameter in self.parameters.items()
        ]


_LIMIT = IntegerFilter(min=1, max=MAX_LIMIT, description=f"Rows in a page; {DEFAULT_LIMIT} unless given.")


class PagePagination(StrictPagination):
    """`page` (from 1) or `skip`, with `limit`; exact count to 10,000 rows. `cursor=*` starts a walk of any depth, whose
    `next` carries the cursor on."""

    parameters = {
        "page": IntegerFilter(min=1, max=MAX_DEPTH, description="Page number, from 1. Not together with `skip`."),
        "skip": IntegerFilter(min=0, max=MAX_DEPTH, description="Rows to pass over, instead of `page`."),
        "limit": _LIMIT,
        "count": ChoiceFilter(
            choices=("exact", "none"),
            description=f"`exact` counts beyond {MAX_DEPTH} too, `none` does not count.",
        ),
        "cursor": TextFilter(
            max_length=MAX_CURSOR,
            pattern=CURSOR_PATTERN,
            description="`*` starts a walk of any depth; then as `next` gives it. Not together with page or skip.",
        ),
    }

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any]:
        asked = read_page(request.query_params, self.parameters)
        if asked.cursor is not None:
            return self.walk(queryset, request, asked.cursor, asked.limit)
        terms = sort_terms(queryset)
        rows = queryset.order_by(*(term.order_by(reverse=False) for term in terms))
        page = list(rows[asked.skip : asked.skip + asked.limit + 1])
        self._count(queryset, asked.counting, asked.skip, page, asked.limit)
        more = len(page) > asked.limit
        page = page[: asked.limit]
        self.next_url, self.previous_url = page_links(request, asked, cursor_of(page[-1], terms) if more else None)
        return page

    def _count(self, queryset: QuerySet[Any], mode: str | None, skip: int, page: list[Any], limit: int) -> None:
        """A page that shows the end of the list has counted it already."""
        if mode == "none":
            return
        if page and len(page) <= limit:
            self.count = skip + len(page)
        elif mode == "exact":
            self.count = queryset.order_by().count()
        else:
            self.count, self.count_capped = bounded_count(queryset)


def check_depth(skip: int, limit: int) -> None:
    """Raises BadRequest `use_cursor`: rows so deep cost the database all the rows before them."""
    if skip + limit > MAX_DEPTH:
        raise BadRequest(
            f"Pages end at {MAX_DEPTH} rows; start with cursor=* and follow next.",
            code="use_cursor",
            attr="page",
            meta={"max_depth": MAX_DEPTH, "cursor": FIRST},
        )


class PageRequest(NamedTuple):
    """A page, asked for: `cursor`, or `limit` rows from `skip` on. `counting` is `exact`, `none` or absent."""

    limit: int
    skip: int
    cursor: str | None
    counting: str | None
    by_skip: bool

    @property
    def is_followed_by_cursor(self) -> bool:
        """Whether the next page would lie too deep for a number."""
        return self.skip + 2 * self.limit > MAX_DEPTH


def read_page(query: QueryDict, parameters: Mapping[str, StrictFilter]) -> PageRequest:
    """Raises ValidationError or BadRequest (400)."""
    asked = parse_parameters(query, parameters)
    alternatives = [name for name in ("page", "skip", "cursor") if name in asked]
    if len(alternatives) > 1:
        detail = ErrorDetail(f"{' and '.join(alternatives)} exclude each other.", code="exclusive_parameters")
        raise ValidationError({alternatives[1]: [detail]})
    limit = asked.get("limit", DEFAULT_LIMIT)
    skip = asked["skip"] if "skip" in asked else (asked.get("page", 1) - 1) * limit
    if "cursor" not in asked:
        check_depth(skip, limit)
    return PageRequest(limit, skip, asked.get("cursor"), asked.get("count"), "skip" in asked)


def page_links(request: Any, asked: PageRequest, cursor: Cursor | None) -> tuple[str | None, str | None]:
    """`next` and `previous`, absolute and in the caller's own style; past the depth of pages, `next` goes on by
    `cursor`, which is that of the page's last row, and None when no row follows."""
    next_url = previous_url = None
    if cursor is not None and asked.is_followed_by_cursor:
        next_url = cursor_url(request, cursor)
    elif cursor is not None:
        next_url = _page_url(request, asked, asked.skip + asked.limit)
    if asked.skip > 0:
        previous_url = _page_url(request, asked, max(0, asked.skip - asked.limit))
    return next_url, previous_url


def _page_url(request: Any, asked: PageRequest, skip: int) -> str:
    if asked.by_skip:
        return _url_with(request, skip=skip)
    return _url_with(request, page=skip // asked.limit + 1)


def cursor_url(request: Any, cursor: Cursor) -> str:
    return _url_with(request, page=None, skip=None, cursor=cursor.text())


def _url_with(request: Any, **changes: Any) -> str:
    """The request's address with other parameters, by name; None takes one out. Each is given once: the filter backend
    refuses repetitions."""
    parameters = request.query_params.dict() | changes
    query = "&".join(f"{name}={_quoted(str(value))}" for name, value in sorted(parameters.items()) if value is not None)
    return f"{request.scheme}://{request.get_host()}{escape_uri_path(request.path)}?{query}"


def _quoted(value: str) -> str:
    """Most values are plain words and numbers; looking is cheaper than quoting. Names are those of declared filters."""
    return value if value.isascii() and value.isalnum() else quote_plus(value)


def is_backwards(cursor: Cursor | None) -> bool:
    return cursor is not None and cursor.backwards


def walked(
    request: Any, rows: list[Any], limit: int, cursor: Cursor | None, terms: list[SortTerm]
) -> tuple[list[Any], str | None, str | None]:
    """The page in its own order, its `next` and its `previous`, from the `limit + 1` rows found past a cursor."""
    more, page = len(rows) > limit, rows[:limit]
    backwards = is_backwards(cursor)
    if backwards:
        page.reverse()
    next_url = previous_url = None
    if page and (more or backwards):
        next_url = cursor_url(request, cursor_of(page[-1], terms))
    if page and (more if backwards else cursor is not None):
        previous_url = cursor_url(request, cursor_of(page[0], terms, backwards=True))
    return page, next_url, previous_url


class CursorPagination(StrictPagination):
    """For long append-only lists: no counting, no depth. The first page needs no cursor."""

    parameters = {
        "limit": _LIMIT,
        "cursor": TextFilter(
            max_length=MAX_CURSOR, pattern=CURSOR_PATTERN, description="As `next` or `previous` gives it."
        ),
    }

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any]:
        asked = parse_parameters(request.query_params, self.parameters)
        return self.walk(queryset, request, asked.get("cursor", FIRST), asked.get("limit", DEFAULT_LIMIT))
