"""The views' base: a viewset says what it shows, who may and which service does it; everything else is here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import MethodNotAllowed, ParseError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from common import replicas
from common.cache import CacheNamespace
from common.conditional import check_if_match, etag_of, is_current
from common.filters import StrictFilterSet, refuse_parameters
from common.parsers import PayloadTooLarge
from common.renderers import FileRenderer, JSONRenderer
from common.serializers import EmptySerializer

# Actions whose query string has no meaning; lists answer for theirs in the filter backend.
_WITHOUT_QUERY = frozenset({"retrieve", "create", "update", "partial_update", "destroy"})


class StrictViewMixin:
    """The order of refusals: 405 with `Allow`, then 406, 401, 403, 429, then 413 and 400 for the request's contents."""

    body_limit: ClassVar[int] = settings.API_BODY_LIMIT
    query_class: type[StrictFilterSet] | None = None
    # Actions (of a plain view: "get") that a replica may answer: their rows may be REPLICA_MAX_LAG_S old.
    replica_reads: ClassVar[frozenset[str]] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):  # type: ignore[attr-defined]
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self.load_body(request)
        known = self.known_parameters(request)
        if known is not None:
            refuse_parameters(request.query_params, known)
        replicas.begin(self, request)

    def handle_exception(self, exc: Exception) -> Response:
        """When a replica failed the primary answers instead."""
        if replicas.gave_up(exc):
            method = getattr(self, self.request.method.lower())  # type: ignore[attr-defined]
            try:
                return method(self.request, *self.args, **self.kwargs)  # type: ignore[attr-defined]
            except Exception as another:
                exc = another
        return super().handle_exception(exc)  # type: ignore[misc]

    def load_body(self, request: Request) -> None:
        """Raises PayloadTooLarge (413)."""
        load_body(request, self.body_limit)

    def known_parameters(self, request: Request) -> Collection[str] | None:
        """The names this request's query may use; None leaves the question to the filter backend."""
        query_class = self.query_class if request.method in ("GET", "HEAD") else None
        return query_class.base_filters if query_class else ()

    def query(self) -> dict[str, Any]:
        """The values of the declared query parameters. Raises ValidationError (400)."""
        if self.query_class is None:
            raise RuntimeError("This view declares no query_class.")
        return self.query_class.read(self.request.query_params)  # type: ignore[attr-defined]

    @property
    def caller(self) -> Any:
        """Who asks. Untyped, because `common` knows no user; where the permissions want a sign-in it is a `User`."""
        return self.request.user  # type: ignore[attr-defined]

    def validated(self, serializer_class: type[BaseSerializer[Any]], **kwargs: Any) -> dict[str, Any]:
        """The body's validated data. Raises ValidationError (400, or 422 or 409 by its codes)."""
        context = {"request": self.request, "view": self}  # type: ignore[attr-defined]
        serializer = serializer_class(data=body_of(self.request), context=context, **kwargs)  # type: ignore[attr-defined]
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def represent(self, instance: Any, serializer_class: type[BaseSerializer[Any]], **kwargs: Any) -> Any:
        context = {"request": self.request, "view": self}  # type: ignore[attr-defined]
        return serializer_class(instance, context=context, **kwargs).data


def load_body(request: Request, limit: int) -> None:
    """Read the body now, so that it can be read as bytes and as data in any order. Django and DRF take a chunked body
    (no Content-Length) for an empty one, so it is read from the server here. Raises PayloadTooLarge (413)."""
    django_request: Any = request._request
    if request.method in ("GET", "HEAD", "OPTIONS") or hasattr(django_request, "_body"):
        return
    meta = django_request.META
    try:
        if meta.get("CONTENT_LENGTH"):
            if int(meta["CONTENT_LENGTH"]) > limit:
                raise PayloadTooLarge
            _ = django_request.body
        elif "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower():
            source = meta.get("wsgi.input") or django_request._stream
            django_request._body = body = _read(source, limit + 1)
            if len(body) > limit:
                raise PayloadTooLarge
            django_request._read_started = True
            meta["CONTENT_LENGTH"] = str(len(body))
    except OSError:  # Cut off, or chunks that are none.
        raise ParseError("The body could not be read.") from None


def _read(source: Any, size: int) -> bytes:
    """Servers refuse chunks that are none with exceptions of their own. Raises OSError."""
    try:
        data: bytes = source.read(size)
    except Exception as error:
        raise OSError("not a chunked body") from error
    return data


def body_of(request: Request) -> Any:
    """The parsed body; an absent one is `{}` whatever its content type says."""
    data = request.data
    return {} if isinstance(data, QueryDict) else data


def conditional(request: Request, data: Any) -> Response:
    """`data` with its ETag, or 304 when the caller has this version."""
    etag = etag_of(data)
    if is_current(request, etag):
        return Response(status=304, headers={"ETag": etag})
    return Response(data, headers={"ETag": etag})


class ApiView(StrictViewMixin, APIView):
    """A plain view. `query_class` declares the parameters of its GET; other methods take none."""


class ApiViewSet(StrictViewMixin, GenericViewSet[Any]):
    """A viewset on one queryset.

    `serializer_class` is the shape of the answer. `action_serializers[action]` overrides it: for `list` and `retrieve`
    the answer, for `create`, `update` and `partial_update` (which falls back to `update`) the body; what these answer
    is the shape of `retrieve`. `action_permissions[action]` replaces `permission_classes`; `partial_update` falls back
    to `update`.
    """

    action_permissions: ClassVar[dict[str, list[Any]]] = {}
    action_serializers: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {}
    lookup_value_converter = "pk"

    def get_permissions(self) -> list[BasePermission]:
        classes = self._by_action(self.action_permissions, self.permission_classes)
        return [permission() for permission in classes]

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """The body's shape where there is a body, else the answer's."""
        return self._by_action(self.action_serializers, self.serializer_class)

    def get_response_serializer_class(self) -> type[BaseSerializer[Any]]:
        if self.action == "list":
            return self.get_serializer_class()
        # A command sets the instance's serializer_class to that of its body.
        default = type(self).serializer_class
        return self.action_serializers.get("retrieve", default)  # type: ignore[return-value]

    def _by_action(self, table: dict[str, Any], default: Any) -> Any:
        action_name = self.action or ""
        if action_name == "partial_update" and action_name not in table:
            action_name = "update"
        return table.get(action_name, default)

    def known_parameters(self, request: Request) -> Collection[str] | None:
        handler: Any = getattr(self, self.action or "", None)
        if hasattr(handler, "query_class"):
            return handler.query_class.base_filters if handler.query_class else ()
        return () if self.action in _WITHOUT_QUERY else None

    def query(self) -> dict[str, Any]:
        handler: Any = getattr(self, self.action)
        return handler.query_class.read(self.request.query_params)

    def listing(self, queryset: QuerySet[Any], serializer_class: type[BaseSerializer[Any]] | None = None) -> Response:
        """A page of `queryset`, filtered by the view's filter set, in the list envelope."""
        page = self.paginate_queryset(self.filter_queryset(queryset))
        return self.get_paginated_response(
            self.represent(page, serializer_class or self.get_serializer_class(), many=True)
        )

    def cached_listing(
        self,
        cache: CacheNamespace,
        queryset: QuerySet[Any],
        serializer_class: type[BaseSerializer[Any]] | None = None,
        *,
        viewer: object = None,
    ) -> Response:
        """As `listing`, from the cache and with an ETag. `viewer` tells apart who is shown different things. The
        address is part of the key, since the page's links repeat it."""

        def produce() -> tuple[Any, str | None]:
            page = self.listing(queryset, serializer_class)
            return page.data, page.get("Link")

        data, link = cache.get_or_set((viewer, self.request.build_absolute_uri()), produce)
        answer = conditional(self.request, data)
        if link:
            answer["Link"] = link
        return answer

    def answer(self, instance: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """The representation of one resource, with its ETag."""
        data = self.represent(instance, self.get_response_serializer_class())
        return Response(data, status=status, headers={"ETag": etag_of(data), **(headers or {})})

    def locked_if_matched(self) -> Any:
        """The object of a write. With `If-Match` its row is locked before it is read and compared, so that of two who
        hold the same tag one gets 412; call it inside a transaction."""
        instance = self.get_object()
        if "If-Match" not in self.request.headers:
            return instance
        model: type[Model] = type(instance)
        list(model._base_manager.filter(pk=instance.pk).select_for_update(no_key=True).values_list("pk"))
        instance = self.get_object()
        check_if_match(self.request, etag_of(self.represent(instance, self.get_response_serializer_class())))
        return instance


class FileMixin:
    """Answers files. Errors are JSON, also for those who asked for the file's type."""

    def finalize_response(self: Any, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = getattr(request, "accepted_renderer", None) or self.get_renderers()[0]
        if isinstance(chosen, FileRenderer) and isinstance(response, Response):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]


class ListMixin:
    """`GET /things`."""

    def list(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.listing(self.get_queryset())


class RetrieveMixin:
    """`GET /things/{id}` with ETag and 304."""

    def retrieve(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return conditional(request, self.represent(self.get_object(), self.get_response_serializer_class()))


class CreateMixin:
    """`POST /things`: 201 with Location. `perform_create(data)` calls the service and returns the instance."""

    def create(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        instance = self.perform_create(self.validated(self.get_serializer_class()))
        return self.answer(instance, status=201, headers=self.location_of(instance))

    def location_of(self: Any, instance: Any) -> dict[str, str]:
        lookup = self.lookup_url_kwarg or self.lookup_field
        return {"Location": self.reverse_action("detail", kwargs={lookup: getattr(instance, self.lookup_field)})}

    def perform_create(self, data: dict[str, Any]) -> Any:
        raise NotImplementedError


class UpdateMixin:
    """`PUT` and `PATCH /things/{id}`, with If-Match. `perform_update(instance, data)` returns the instance."""

    def update(self: Any, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        with transaction.atomic():
            instance = self.locked_if_matched()
            data = self.validated(self.get_serializer_class(), instance=instance, partial=partial)
            updated = self.perform_update(instance, data)
        return self.answer(updated)

    def partial_update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def perform_update(self, instance: Any, data: dict[str, Any]) -> Any:
        raise NotImplementedError


class DestroyMixin:
    """`DELETE /things/{id}`: 204, with If-Match. `perform_destroy(instance)` calls the service."""

    def destroy(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            self.perform_destroy(self.locked_if_matched())
        return Response(status=204)

    def perform_destroy(self, instance: Any) -> None:
        raise NotImplementedError


def command(
    *,
    detail: bool,
    request: type[BaseSerializer[Any]] | None = None,
    response: Any = None,
    status: int = 200,
    url_path: str | None = None,
    **schema: Any,
) -> Callable[[Any], Any]:
    """`POST /things[/{id}]/verb`, in the router and in the schema. Without `request` any member of the body is refused.
    `response` None means an answer without a body; extra keywords go to `extend_schema`."""
    body = request or EmptySerializer

    def decorate(method: Any) -> Any:
        method = method if request else _takes_no_body(method)
        method.query_class = None
        decorated = action(detail=detail, methods=["post"], url_path=url_path, serializer_class=body)(method)
        return extend_schema(request=body, responses={status: response}, **schema)(decorated)

    return decorate


def _takes_no_body(method: Any) -> Any:
    @wraps(method)
    def command_without_body(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(EmptySerializer)
        answer: Response = method(self, request, *args, **kwargs)
        return answer

    return command_without_body


def reading(
    *,
    detail: bool,
    response: Any,
    query: type[StrictFilterSet] | None = None,
    url_path: str | None = None,
    schema: dict[str, Any] | None = None,
    **view: Any,
) -> Callable[[Any], Any]:
    """`GET /things[/{id}]/noun`. A single answer takes the parameters of `query`. For a list give
    `response=X(many=True)` and answer with `self.listing(queryset, X)`; `pagination_class=` and `filterset_class=` then
    act as on a viewset."""
    many = getattr(response, "many", False)

    def decorate(method: Any) -> Any:
        if not many:
            method.query_class = query
        settings_of_view = {"filterset_class": None, **view} if many else {"pagination_class": None, **view}
        decorated = action(detail=detail, methods=["get"], url_path=url_path, **settings_of_view)(method)
        return extend_schema(responses={200: response}, **(schema or {}))(decorated)

    return decorate
