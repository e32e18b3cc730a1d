"""Signing in with a session: for the browsable API, and the admin's own page under the same limits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from accounts.sign_in import SignInLocked


def locked_page(error: SignInLocked) -> HttpResponse:
    """What a browser gets while an account or an address is locked."""
    return HttpResponse(
        f"{error.detail}\n", status=error.status, headers=error.headers(), content_type="text/plain; charset=utf-8"
    )


class SessionLoginView(LoginView):
    """A form for anybody with an account."""

    template_name = "rest_framework/login.html"
    next_page = "/api/"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except SignInLocked as error:
            return locked_page(error)


class SessionLogoutView(LogoutView):
    next_page = "/api/session/login"


def admin_login(request: HttpRequest) -> HttpResponseBase:
    """The admin's sign-in page, which would answer 500 to a lock."""
    try:
        return admin.site.login(request)
    except SignInLocked as error:
        return locked_page(error)


urlpatterns = [
    path("login", SessionLoginView.as_view(), name="login"),
    path("logout", SessionLogoutView.as_view(), name="logout"),
]
