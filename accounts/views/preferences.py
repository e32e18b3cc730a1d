"""What people want to be told, and the page behind a mail's unsubscribe link."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notifications
from accounts.authentication import user_of
from accounts.permissions import InPerson
from accounts.registry import notification_kinds
from accounts.serializers.notifications import PreferencesField
from accounts.views import examples
from common.errors import NotFound
from common.views import ApiView, body_of

_ANSWER = PreferencesField().json_schema(request=False)
_BODY = {"application/json": PreferencesField().json_schema(request=True)}


class PreferencesView(ApiView):
    """Kinds that are always mailed (confirmation, reset, security) are not among them."""

    permission_classes = (InPerson,)

    @extend_schema(
        summary="Read one's notification preferences", responses={200: _ANSWER}, examples=[examples.PREFERENCES]
    )
    def get(self, request: Request) -> Response:
        """Every kind of message that can be chosen, and where it goes."""
        return Response(notifications.preferences_of(user_of(request)))

    @extend_schema(
        summary="Choose one's notifications",
        request=_BODY,
        responses={200: _ANSWER},
        examples=[examples.CHOOSE, examples.PREFERENCES],
    )
    def put(self, request: Request) -> Response:
        """Choose; kinds left out stay as they are. An unknown kind is 422, and then nothing is changed."""
        choices: dict[str, Any] = PreferencesField().run_validation(body_of(request))
        return Response(notifications.set_preferences(user=user_of(request), choices=choices))


@method_decorator(csrf_exempt, name="dispatch")  # The signed token is the right to do this, and all it can do.
class UnsubscribeView(View):
    """A page for people, outside of the schema. GET shows a button and changes nothing, because mail
    scanners follow links; POST, from the button or by a mail program in one click (RFC 8058), ends the
    mails of the kind."""

    http_method_names = ["get", "post", "head"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._page(request, token, done=False)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._page(request, token, done=True)

    def _page(self, request: HttpRequest, token: str, *, done: bool) -> HttpResponse:
        try:
            user, kind = notifications.read_unsubscribe_token(token)
        except NotFound:
            return render(request, "accounts/unsubscribe.html", {"unknown": True}, status=404)
        if done:
            notifications.unsubscribe(user=user, kind=kind)
        return render(request, "accounts/unsubscribe.html", {"label": notification_kinds[kind].label, "done": done})
