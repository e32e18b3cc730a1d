"""Every route: one router for the viewsets of all apps, and the few plain views beside it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

import accounts.urls
import cars.urls
from common.routers import ApiRouter

router = ApiRouter()
for routes in (accounts.urls.routes, cars.urls.routes):
    for prefix, viewset, basename in routes:
        router.register(prefix, viewset, basename=basename)

urlpatterns = [
    path(f"{settings.ADMIN_PATH}/", admin.site.urls),
    path("api/", include(accounts.urls.urlpatterns)),
    path("api/", include(cars.urls.urlpatterns)),
    path("api/", include(router.urls)),
]
