"""The customer's page in a real browser, as phone and as desktop, with scripts turned off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright

from tests.concurrency.served import served
from tests.factories import VehicleFactory
from tests.workshop.estimates import jobs_of, sent_estimate
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, TicketFactory
from workshop.models import EstimateLink
from workshop.services import estimates

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHONE = {"viewport": {"width": 320, "height": 640}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PICTURES = os.environ.get("ESTIMATE_PICTURES")  # A folder for pictures to be looked at.


@contextmanager
def opened(chromium: str, link: EstimateLink, **device: Any) -> Iterator[Page]:
    """The page behind the link. Rows are made before and read after: the driver has an event loop, beside which Django
    refuses to ask the database."""
    path = f"/estimates/{estimates.token_of(link)}"
    with served() as site, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        page = browser.new_context(java_script_enabled=False, **device).new_page()
        troubles: list[str] = []
        page.on("console", lambda message: None if "status of 4" in message.text else troubles.append(message.text))
        page.on("requestfailed", lambda request: troubles.append(request.url))
        foreign = [site]
        page.on("request", lambda request: None if request.url.startswith(site) else foreign.append(request.url))
        page.goto(site + path)
        yield page
        browser.close()
        assert troubles == []
        assert foreign == [site]


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.fixture
def link() -> EstimateLink:
    vehicle = VehicleFactory(make="Volvo", model="P1800 ES", year=1972, plate="FC 1972")
    return sent_estimate(
        vehicle=vehicle,
        vin="",
        customer__name="Casey Customer",
        description="Squeals when braking, mostly in the morning.",
        promised_at=timezone.now() + timezone.timedelta(days=2),
    )


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("phone", PHONE),
        ("phone-dark", PHONE | {"color_scheme": "dark"}),
        ("desktop", DESKTOP),
        ("desktop-dark", DESKTOP | {"color_scheme": "dark"}),
    ],
)
def test_a_customer_authorises_one_job_and_declines_another(
    chromium: str, link: EstimateLink, name: str, device: dict[str, Any]
) -> None:
    with opened(chromium, link, **device) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Your 1972 Volvo P1800 ES")
        picture(page, f"{name}-1-asked")
        assert fits(page)
        brakes = page.get_by_role("group", name="Your decision on Replace the front brake pads")
        wipers = page.get_by_role("group", name="Your decision on Wiper blades")
        brakes.get_by_text("Authorise").click()
        wipers.get_by_text("Decline").click()
        expect(brakes.get_by_label("Authorise")).to_be_checked()
        picture(page, f"{name}-2-chosen")
        page.get_by_role("button", name="Send my decision").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you, we have your decision.")
        expect(page.get_by_role("region", name="Replace the front brake pads")).to_contain_text("Authorised")
        expect(page.get_by_role("region", name="Wiper blades")).to_contain_text("Declined")
        picture(page, f"{name}-3-saved")
        page.reload()
        expect(page.get_by_role("button")).to_have_count(0)
    assert [job.state for job in jobs_of(link)] == ["authorised", "declined"]


def fits(page: Page) -> bool:
    """Whether nothing hangs over the edge of the screen, and whatever is touched is large enough for a finger."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    boxes = [box for part in page.locator("h1, h2, td, dd, label, button").all() if (box := part.bounding_box())]
    touched = [box for part in page.locator("label, button").all() if (box := part.bounding_box())]
    inside = all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    return inside and all(box["height"] >= 44 for box in touched)


def test_long_words_and_large_amounts_stay_on_a_small_screen(chromium: str) -> None:
    ticket = TicketFactory(customer__name="Wolfeschlegelsteinhausenbergerdorff", description="a" * 200)
    job = JobFactory(ticket=ticket, title="Donaudampfschifffahrtskapitaensmuetzenreparatur")
    part = PartFactory(name="Supercalifragilisticexpialidocious-brakepads", unit="litre", price=Decimal("9876543.21"))
    PartLineFactory(job=job, part=part, quantity=Decimal("1.125"))
    with opened(chromium, sent_estimate(ticket), **PHONE) as page:
        picture(page, "phone-6-long")
        assert fits(page)


def test_the_keyboard_is_enough(chromium: str, link: EstimateLink) -> None:
    """Radio buttons are one stop of the Tab key; the arrow keys choose."""
    with opened(chromium, link, **DESKTOP) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowLeft")
        picture(page, "keyboard")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Thank you")
    assert [job.state for job in jobs_of(link)] == ["declined", "authorised"]


def test_choosing_nothing_and_a_void_link_are_pages_too(chromium: str, link: EstimateLink) -> None:
    with opened(chromium, link, **PHONE) as page:
        page.get_by_role("button", name="Send my decision").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing is chosen yet.")
        picture(page, "phone-4-nothing-chosen")
        page.goto(page.url + "x", wait_until="commit")
        expect(page.get_by_role("heading", level=1)).to_have_text("This link is not valid")
        picture(page, "phone-5-not-valid")
    assert [job.state for job in jobs_of(link)] == ["authorisation_required"] * 2
