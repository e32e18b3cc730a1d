"""Routes found by their first segment are the routes that Django finds."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import Resolver404, path
from django.urls.resolvers import RoutePattern, URLResolver

from common.routers import SegmentResolver


def view(request: Any, **kwargs: Any) -> HttpResponse:
    return HttpResponse()


ROUTES = [
    path("cars", view, name="car-list"),
    path("cars/makes", view, name="car-makes"),
    path("cars/<pk:pk>", view, name="car-detail"),
    path("cars/<str:name>", view, name="car-by-name"),
    path("auth/me", view, name="me"),
]
OURS = SegmentResolver("api/", ROUTES)
DJANGOS = URLResolver(RoutePattern("api/", is_endpoint=False), ROUTES)


@pytest.mark.parametrize("url", ["api/cars", "api/cars/makes", "api/cars/5", "api/cars/x", "api/auth/me"])
def test_the_same_route_is_found(url):
    ours, djangos = OURS.resolve(url), DJANGOS.resolve(url)
    assert (ours.func, ours.kwargs, ours.route, ours.view_name) == (
        view,
        djangos.kwargs,
        djangos.route,
        djangos.view_name,
    )


@pytest.mark.parametrize("url", ["api/", "api/boats", "api/cars/5/6", "api/auth", "apicars", "", "cars"])
def test_what_django_does_not_find_is_not_found(url):
    for resolver in (OURS, DJANGOS):
        with pytest.raises(Resolver404):
            resolver.resolve(url)


def test_a_route_without_a_literal_segment_is_a_mistake():
    with pytest.raises(ValueError, match="literal segment"):
        SegmentResolver("api/", [path("<str:name>", view)])
