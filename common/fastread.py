"""The fast path of `GET /things/{id}`: as `common.fastlist`, one prepared statement whose row is JSON already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from common import replicas
from common.conditional import is_current, tag_of
from common.prepared import fetch_prepared
from common.rowjson import json_rows
from common.views import RetrieveMixin

_STAND_INS: tuple[Any, ...] = (987_654_321, UUID(int=987_654_321))


class FastRetrieveMixin(RetrieveMixin):
    """`GET /things/{id}` as `RetrieveMixin` answers it, byte for byte. The queryset may not depend on the caller. The
    plain way is left to the browsable API, to permissions that look at the object, and to what is not there."""

    def retrieve(self: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        fast = self.fast_retrieve(request) if request.accepted_renderer.format == "json" else None
        return fast or super().retrieve(request, *args, **kwargs)

    def fast_retrieve(self: Any, request: Request) -> HttpResponse | None:
        """The answer as JSON; None when the plain way has to give it."""
        statement = _statement_of(self)
        rows = statement.fetch(self.kwargs[self.lookup_url_kwarg or self.lookup_field]) if statement else []
        if not rows:
            return None
        body = rows[0][0].encode()
        etag = tag_of(body)
        if is_current(request, etag):
            unchanged = HttpResponse(status=304, headers={"ETag": etag})
            del unchanged.headers["Content-Type"]
            return unchanged
        return HttpResponse(body, content_type="application/json", headers={"ETag": etag})


class Statement(NamedTuple):
    """Of its parameters the key is the one at `place`; the others are constants of the view's queryset."""

    sql: str
    parameters: Sequence[Any]
    place: int
    key: Any

    def fetch(self, key: Any) -> list[tuple[Any, ...]]:
        bound = list(self.parameters)
        bound[self.place] = self.key.get_db_prep_value(key, connection)
        return fetch_prepared(self.sql, bound, replicas.current())


_statements: dict[type[Any], Statement | None] = {}


def _statement_of(view: Any) -> Statement | None:
    """The class's statement, compiled at its first use; None when a permission wants to see the object."""
    kind = type(view)
    if kind not in _statements:
        _statements[kind] = None if _looks_at_objects(view) else _compile(view)
    return _statements[kind]


def _looks_at_objects(view: Any) -> bool:
    plain = BasePermission.has_object_permission
    return any(type(permission).has_object_permission is not plain for permission in view.get_permissions())


def _compile(view: Any) -> Statement:
    queryset = view.get_queryset()
    key = queryset.model._meta.get_field(view.lookup_field) if view.lookup_field != "pk" else queryset.model._meta.pk
    stand_in = next(value for value in _STAND_INS if isinstance(key.to_python(value), type(value)))
    bound = key.get_db_prep_value(stand_in, connection)
    sql, parameters = json_rows(view.get_serializer(), queryset.filter(**{key.name: stand_in}))
    places = [place for place, value in enumerate(parameters) if type(value) is type(bound) and value == bound]
    if len(places) != 1:
        raise RuntimeError(f"{type(view).__name__}: the key must be one parameter of the statement, not {len(places)}.")
    return Statement(sql, parameters, places[0], key)
