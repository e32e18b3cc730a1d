"""Every route: one router for the viewsets of all apps, and the few plain views beside it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import accounts.urls
import auctions.urls
import cars.urls
import parking.urls
import workshop.urls
from accounts.views.session import admin_login
from common.docs import ApiRootView, DocumentationView, SchemaView
from common.routers import ApiRouter, SegmentResolver
from config import health
from config.landing import LandingPage

router = ApiRouter()
views: list[Any] = []
for app in (accounts.urls, cars.urls, workshop.urls, parking.urls, auctions.urls):
    views += app.urlpatterns
    for prefix, viewset, basename in app.routes:
        router.register(prefix, viewset, basename=basename)

urlpatterns = [
    SegmentResolver("api/", [*views, *router.urls]),
    *workshop.urls.pages,
    *auctions.urls.pages,
    path(f"{settings.ADMIN_PATH}/login/", admin_login),  # Before the admin's own: under the sign-in limits.
    path(f"{settings.ADMIN_PATH}/", admin.site.urls),
    path("health", health.HealthView.as_view(), name="health"),
    path("health/detailed", health.DetailedHealthView.as_view(), name="health-detailed"),
    path("metrics", health.metrics, name="metrics"),
    path("api/health", health.ApiHealthView.as_view(), name="api-health"),
    path("api", ApiRootView.as_view(collections=router.collections()), name="api-root"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", DocumentationView.as_view(), name="docs"),
    path("api/redoc", DocumentationView.as_view(template_name="docs/redoc.html"), name="redoc"),
    path("", csrf_exempt(LandingPage.as_view()), name="landing"),  # It knows no unsafe method: that is 405.
]

handler400 = "common.handler.bad_request"
handler403 = "common.handler.permission_denied"
handler404 = "common.handler.page_not_found"
handler500 = "common.handler.server_error"
