"""The staff pages in a real browser: their policy refuses nothing that they need, and they fit a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright

from accounts.models import User
from auctions.models import Order
from parking.models import Lot
from tests.admin.rows import one_of_everything
from tests.concurrency.served import served
from tests.factories import UserFactory
from workshop.models import ServiceTicket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

T = TypeVar("T")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def beside(action: Callable[[], T]) -> T:
    """In a thread of its own: the driver has an event loop, beside which Django refuses to ask the database."""

    def run() -> T:
        try:
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def prepare() -> tuple[User, list[str]]:
    """An administrator, and one page of each kind that the theme draws."""
    one_of_everything(1)
    rows = (Order.objects.first(), ServiceTicket.objects.first(), Lot.objects.first())
    assert all(rows)
    order, ticket, lot = rows
    return UserFactory(is_superuser=True, is_staff=True), [
        reverse("admin:index"),
        reverse("admin:auctions_order_changelist"),
        reverse("admin:auctions_order_change", args=[order.pk]),  # type: ignore[union-attr]
        reverse("admin:auctions_order_cancel", args=[order.pk]),  # type: ignore[union-attr]
        reverse("admin:workshop_serviceticket_change", args=[ticket.pk]),  # type: ignore[union-attr]
        reverse("admin:parking_lot_change", args=[lot.pk]),  # type: ignore[union-attr]
        reverse("admin:workshop_part_add"),
        reverse("admin:auth_group_add"),
        reverse("admin:django_celery_beat_periodictask_add"),
        reverse("admin:cars_car_import"),
    ]


@contextmanager
def opened(chromium: str, user: User, **device: Any) -> Iterator[tuple[Page, str]]:
    """A page of somebody who has signed in. No script, style, font or picture of any page may fail."""
    with served() as site, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(**device)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": beside(lambda: session_of(user)), "url": site}])
        page = context.new_page()
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        yield page, site
        browser.close()
        assert troubles == []
        assert [url for url in asked if not url.startswith((site, "data:"))] == []


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_the_pages_work_under_their_policy_and_fit_a_phone(chromium: str) -> None:
    user, paths = prepare()
    with opened(chromium, user, color_scheme="dark", viewport=DESKTOP) as (page, site):
        for path in paths:
            answer = page.goto(site + path)
            assert answer is not None
            assert (answer.status, answer.headers["content-security-policy"][:18]) == (200, "default-src 'self'"), path
        page.goto(site + paths[0])
        expect(page.get_by_role("region", name="Workshop").get_by_role("heading", name="Workshop")).to_be_visible()
        expect(page.locator("canvas").first).to_be_visible()
        page.set_viewport_size(PHONE)
        for path in paths[:5]:
            page.goto(site + path)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
