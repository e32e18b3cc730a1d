"""The short way to the fast reads, for a GET with a token or without any sign-in: past sessions, CSRF, messages and
DRF's dispatch, which have nothing to do for it and cost more than the read.

Only the answer that everybody expects is given here. Whatever else there is to say - not signed in, not allowed, too
many, a bad parameter, nothing there, the database away - is left to the long way, which starts over and words it. So
the two cannot differ in a refusal; `tests/common/test_fastlane.py` holds their answers against each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import MiddlewareNotUsed, PermissionDenied, SuspiciousOperation
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, get_resolver
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from common import replicas
from common.errors import DomainError
from common.fastlist import FastListMixin
from common.fastread import FastRetrieveMixin
from common.middleware import GetResponse, Middleware
from common.renderers import JSONRenderer, is_browser_session
from common.views import ApiViewSet

_REFUSALS = (APIException, DomainError, Http404, PermissionDenied, SuspiciousOperation, Error)


class FastLane(Middleware):
    """Stands behind everything that looks at every request and before the session. Not for the ASGI process: reads of
    the database would hold up its loop."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        if self.is_async:
            raise MiddlewareNotUsed
        self._lanes: dict[Any, Lane | None] = {}

    def before(self, request: HttpRequest) -> HttpResponse | None:
        meta = request.META
        if request.method != "GET" or is_browser_session(request):
            return None
        if meta.get("HTTP_ACCEPT", "*/*") not in ("*/*", JSONRenderer.media_type):
            return None
        try:
            match = get_resolver().resolve(request.path_info)
        except Resolver404:
            return None
        lane = self._lane_of(match.func)
        if lane is None or (lane.action == "retrieve" and meta.get("QUERY_STRING")):
            return None
        request.resolver_match = match
        try:
            return lane.answer(request, match.kwargs)
        except _REFUSALS as refusal:
            replicas.gave_up(refusal)
            return None

    def _lane_of(self, func: Any) -> Lane | None:
        if func not in self._lanes:
            self._lanes[func] = _lane(func)
        return self._lanes[func]


class Lane(NamedTuple):
    """One route that has a short way."""

    view_class: type[Any]
    initkwargs: dict[str, Any]
    actions: dict[str, str]
    action: str
    headers: dict[str, str]

    def answer(self, django_request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse | None:
        """As DRF's dispatch: authentication, permissions, limits, the read."""
        django_request.get_host()  # Refuses a host that is not ours.
        view = self.view_class(**self.initkwargs)
        request = Request(django_request)
        view.action_map, view.action, view.args, view.kwargs = self.actions, self.action, (), kwargs
        view.request, view.format_kwarg = request, None
        for authenticator in view.get_authenticators():
            if found := authenticator.authenticate(request):
                request.user, request.auth = found
                break
        else:
            if "HTTP_AUTHORIZATION" in django_request.META:
                return None
            request.user = AnonymousUser()
        if not all(permission.has_permission(request, view) for permission in view.get_permissions()):
            return None
        if not all(throttle.allow_request(request, view) for throttle in view.get_throttles()):
            return None
        replicas.begin(view, request)
        response: HttpResponse | None = (
            view.fast_list(request) if self.action == "list" else view.fast_retrieve(request)
        )
        if response is not None:
            response.headers["Content-Length"] = str(len(response.content))
            for name, value in self.headers.items():
                response.headers[name] = value
        return response


def _lane(func: Any) -> Lane | None:
    """The short way to a routed view; None when it has none, or looks at requests in a way of its own."""
    view_class, actions = getattr(func, "cls", None), getattr(func, "actions", None) or {}
    action = actions.get("get", "")
    mixin = {"list": FastListMixin, "retrieve": FastRetrieveMixin}.get(action)
    if view_class is None or mixin is None or not issubclass(view_class, mixin):
        return None
    if view_class.initial is not ApiViewSet.initial or view_class.dispatch is not ApiViewSet.dispatch:
        return None
    view = view_class(**func.initkwargs)
    for method, name in {**actions, "head": action}.items():
        setattr(view, method, getattr(view, name))
    return Lane(view_class, func.initkwargs, actions, action, view.default_response_headers)
