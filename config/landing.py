"""The page at `/`: what this is, where to go on, which auctions are open, and how the parts are. It is whole without
scripts, asks for no user, and answers while parts are away, the database too."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views import View
from rest_framework.request import Request

from accounts import demo
from auctions.models import Auction, Listing, ListingImage
from cars.models import Car
from common import clock
from common.cache import CacheNamespace
from common.throttling import GeneralThrottle
from common.uploads import store
from config import health

SHOWN_AUCTIONS = 6
FACTS_FOR_S = 30
TEMPLATE = "landing.html"
_facts = CacheNamespace("landing")
_PARTS = {"database": "Database", "cache": "Cache", "broker": "Broker", "beat": "Schedule", "ledger": "Ledger of sales"}
_STATES = {
    "healthy": "Everything is up.",
    "degraded": "It works, but a part is down.",
    "unhealthy": "The database does not answer, so that nothing else can.",
}


@dataclass
class Content:
    """What the page reads from the database; nothing of it while that is away."""

    figures: list[tuple[str, int]] = field(default_factory=list)
    auctions: list[dict[str, Any]] = field(default_factory=list)
    is_demo: bool = False


class LandingPage(View):
    """For everybody. It costs the questions of `/health/detailed` and two queries more; what it counts is cached."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        throttle = GeneralThrottle()
        if not throttle.allow_request(Request(request), cast("Any", self)):
            wait = str(round(throttle.wait() or 1))
            return _page({"is_busy": True}, status=429, headers={"Retry-After": wait})
        now = clock.now()
        parts = health.examine(now=now)
        content = _read(now=now) if parts[0].is_up else Content()
        return _page(_state(parts) | _links() | {"content": content, "people": _people(content), "now": now})


def _state(parts: list[health.Component]) -> dict[str, Any]:
    status = health.status_of(parts)
    return {
        "status": status,
        "words": _STATES[status],
        "parts": [(_PARTS[part.name], part.is_up, part.latency_ms) for part in parts],
        "replicas": [(copy["name"], copy["state"] == "up") for copy in health.replica_states()],
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "database": connection.display_name,
    }


def _admin_is_told() -> bool:
    """Where the admin is: one that was moved to another path is meant to be found by those only who know it."""
    return settings.ADMIN_PATH == "admin"


def _links() -> dict[str, Any]:
    names = {"docs": "docs", "redoc": "redoc", "schema": "schema", "root": "api-root", "health": "health-detailed"}
    links = {name: reverse(view) for name, view in names.items()}
    links["sign_in"] = reverse("rest_framework:login")
    return {"links": links, "admin": reverse("admin:index") if _admin_is_told() else ""}


def _read(*, now: datetime) -> Content:
    try:
        figures, is_demo = _facts.get_or_set(("facts",), _count, timeout=FACTS_FOR_S)
        return Content(figures=figures, auctions=[_shown(row) for row in _open_auctions(now)], is_demo=is_demo)
    except (DatabaseError, InterfaceError):  # It went away meanwhile, or has no tables yet.
        return Content()


def _count() -> tuple[list[tuple[str, int]], bool]:
    figures = [
        ("cars in the registry", Car.objects.count()),
        ("vehicles on the marketplace", Listing.objects.public().count()),
        ("auctions so far", Auction.objects.count()),
    ]
    return figures, demo.is_welcome() and demo.is_seeded()


def _open_auctions(now: datetime) -> list[Auction]:
    """The next to end first."""
    ready = ListingImage.objects.filter(status=ListingImage.Status.READY).order_by("-is_primary", "position")
    photos = Prefetch("listing__images", queryset=ready, to_attr="ready_images")
    shown = Auction.objects.visible_to(AnonymousUser()).filter(status=Auction.Status.LIVE, ends_at__gt=now)
    return list(shown.order_by("ends_at", "id").select_related("listing").prefetch_related(photos)[:SHOWN_AUCTIONS])


def _shown(auction: Auction) -> dict[str, Any]:
    """A photo in a bucket has another host's address, which the page's policy does not let in."""
    photo = next(iter(auction.listing.ready_images), None) if store().is_local else None  # type: ignore[attr-defined]
    return {
        "auction": auction,
        "title": str(auction.listing),
        "price": auction.starting_price if auction.price is None else auction.price,
        "photo": photo and f"/api/vehicles/{auction.listing_id}/images/{photo.pk}/file?size=thumb",
    }


def _people(content: Content) -> list[dict[str, Any]]:
    """The people of the demo, each with what there is to be seen; nobody where it is not seeded."""
    if not content.is_demo:
        return []
    looks = [look for look in demo.looks() if _admin_is_told() or "{admin}" not in look.path]
    return [
        {
            "person": person,
            "role": person.role.replace("_", " "),
            "looks": [(demo.path_of(look), look.what) for look in looks if look.username == person.username],
        }
        for person in demo.PEOPLE
    ]


def _page(context: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Without the request, so that nothing asks who is signed in."""
    context["password"] = demo.PASSWORD if context.get("people") else ""
    return HttpResponse(render_to_string(TEMPLATE, context), status=status, headers=headers or {})
