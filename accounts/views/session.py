"""Signing in with a session: for the browsable API, and the admin's own page under the same limits."""

from __future__ import annotations

import math
from typing import Any

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import path

from accounts.sign_in import SignInLocked

TEMPLATE = "accounts/sign_in.html"


class SignInForm(AuthenticationForm):
    """Django's, with one sentence for every failure."""

    error_messages = {"invalid_login": "These credentials do not fit.", "inactive": "These credentials do not fit."}


def locked_page(request: HttpRequest, error: SignInLocked) -> HttpResponse:
    """What a browser gets while an account or an address is locked."""
    context = {"retry_after": error.retry_after, "minutes": math.ceil(error.retry_after / 60)}
    page = render_to_string(TEMPLATE, context, request)
    return HttpResponse(page, status=error.status, headers=error.headers())


class SessionLoginView(LoginView):
    """A form for anybody with an account."""

    form_class = SignInForm
    template_name = TEMPLATE
    next_page = "/api"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except SignInLocked as error:
            return locked_page(request, error)


class SessionLogoutView(LogoutView):
    next_page = "/api/session/login"


def admin_login(request: HttpRequest) -> HttpResponseBase:
    """The admin's sign-in page, which would answer 500 to a lock."""
    try:
        return admin.site.login(request)
    except SignInLocked as error:
        return locked_page(request, error)


urlpatterns = [
    path("login", SessionLoginView.as_view(), name="login"),
    path("logout", SessionLogoutView.as_view(), name="logout"),
]
