"""The live page in a real browser: two bidders against each other, without a reload."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from accounts.models import User
from auctions.models import Auction
from auctions.services.closing import close_auction
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.auctions.live import hub_at_rest, tell
from tests.concurrency.served import served

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

T = TypeVar("T")
PHONE = {"viewport": {"width": 320, "height": 640}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
DARK = {"color_scheme": "dark"}
PICTURES = os.environ.get("LIVE_PICTURES")  # A folder for pictures to be looked at.


def beside(action: Callable[[], T]) -> T:
    """In a thread of its own: the driver has an event loop, beside which Django refuses to ask the database."""

    def run() -> T:
        try:
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


class Site:
    """The application and a browser. `open` gives a page of somebody's own."""

    def __init__(self, url: str, browser: Browser, troubles: list[str]) -> None:
        self.url, self.browser, self.troubles = url, browser, troubles

    def open(self, auction: Auction, user: User | None = None, **device: Any) -> Page:
        context = self.browser.new_context(**DESKTOP | device)
        if user is not None:
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": beside(lambda: _session_of(user)), "url": self.url}])
        page = context.new_page()
        page.on(
            "console", lambda message: None if "status of 4" in message.text else self.troubles.append(message.text)
        )
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.goto(f"{self.url}/auctions/{auction.pk}/live")
        return page


def _session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def site(chromium: str) -> Iterator[Site]:
    with ExitStack() as stack:
        stack.enter_context(hub_at_rest())
        url = stack.enter_context(served())
        driver = stack.enter_context(sync_playwright())
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = Site(url, browser, [])
        yield opened
        browser.close()
        assert opened.troubles == []


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def bid(page: Page, amount: str) -> None:
    page.get_by_label("Your maximum bid").fill(amount)
    page.get_by_role("button", name="Bid", exact=True).click()


def shows(page: Page, id_: str, text: str) -> None:
    expect(page.locator(f"#{id_}")).to_contain_text(text, timeout=60_000)


def is_live(*pages: Page) -> None:
    for page in pages:
        expect(page.locator("#connection")).to_have_text("Live", timeout=60_000)


@contextmanager
def unreloaded(*pages: Page) -> Iterator[None]:
    """None of the pages is loaded anew meanwhile."""
    for page in pages:
        page.evaluate("window.isTheSame = true")
    yield
    assert all(page.evaluate("window.isTheSame") for page in pages)


def auction_of(**fields: Any) -> Auction:
    """Of an old Volvo; it ends soon enough for a bid to move the end."""
    terms = {"ends_at": timezone.now() + timedelta(seconds=90)} | fields
    volvo = {"year": 1972, "make": "Volvo", "model": "P1800 ES", "trim": "B20E"}
    return beside(lambda: AuctionFactory(listing=ListingFactory(**volvo), **terms))


def bidder(**fields: Any) -> User:
    return beside(lambda: BidderFactory(**fields))


def test_two_bidders_see_each_other_live_up_to_the_end(site: Site) -> None:
    auction = auction_of(reserve_price=2000)
    before = auction.ends_at
    ann, bob = bidder(email="ann@example.com"), bidder(email="bob@example.com")
    one, two = site.open(auction, ann), site.open(auction, bob, **PHONE)
    is_live(one, two)
    with unreloaded(one, two):
        bid(one, "1500")
        shows(one, "you", "You lead")
        shows(one, "you", "Your maximum: 1,500.00 USD")
        shows(two, "price", "1,500.00")  # Below the reserve the leader's maximum is the price.
        expect(two.locator("#extended")).to_be_visible()
        bid(two, "2500")
        shows(two, "you", "You lead")
        shows(one, "you", "You were outbid")
        shows(one, "price", "2,000.00")
        shows(one, "reserve", "Reserve met")
        picture(one, "desktop-outbid")
        bid(one, "1600")
        expect(one.get_by_role("alert")).to_contain_text("the next bid is 2,100.00 USD at least")
        bid(one, "3000")
        shows(one, "you", "You lead")
        shows(two, "you", "You were outbid")
        expect(two.locator("#bids li")).to_have_count(3)
        picture(two, "phone-outbid")
        end = beside(lambda: Auction.objects.get(pk=auction.pk).ends_at)
        assert end > before
        beside(lambda: close_auction(auction_id=auction.pk, clock=lambda: end))
        shows(one, "notice", "Sold to Bidder 1 for 2,600.00 USD")
        shows(one, "you", "You won")
        shows(two, "you", "You did not win")
        expect(two.locator("#connection")).to_have_text("Ended")
        picture(one, "desktop-won")
        picture(two, "phone-lost")


def test_everybody_sees_it_without_signing_in(site: Site) -> None:
    auction = auction_of()
    page = site.open(auction)
    is_live(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("1972 Volvo P1800 ES")
    expect(page.get_by_role("link", name="Sign in to bid").first).to_have_attribute(
        "href", f"/api/session/login?next=/auctions/{auction.pk}/live"
    )
    assert page.locator("form").count() == 0
    beside(lambda: tell(auction, "extended", "paused"))
    shows(page, "notice", "The auction is paused")
    expect(page.locator("#extended")).to_be_visible()


def test_buying_at_once_asks_first(site: Site) -> None:
    auction = auction_of(buy_now_price=4000)
    page = site.open(auction, bidder())
    is_live(page)
    page.get_by_role("button", name="Buy now for 4,000.00 USD").click()
    picture(page, "desktop-buy")
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Buy now for 4,000.00 USD").click()
    page.get_by_role("button", name="Buy it").click()
    shows(page, "notice", "Bought at once by Bidder 1 for 4,000.00 USD")
    shows(page, "you", "You won")


def test_who_may_not_bid_reads_why(site: Site) -> None:
    auction = auction_of()
    page = site.open(auction, bidder(payment_reference="", payment_provider=""))
    is_live(page)
    bid(page, "1000")
    expect(page.get_by_role("alert")).to_contain_text("Your account lacks a way to pay")
    bid(page, "much")
    expect(page.get_by_role("alert")).to_contain_text("Enter an amount such as")
    picture(page, "desktop-refused")


@pytest.mark.parametrize(
    ("name", "device"), [("phone", PHONE), ("phone-dark", PHONE | DARK), ("desktop", {}), ("desktop-dark", DARK)]
)
def test_it_fits_every_screen(site: Site, name: str, device: dict[str, Any]) -> None:
    auction = auction_of(reserve_price=2000, buy_now_price=9_000_000, starting_price=1000)
    page = site.open(auction, bidder(email="a-rather-long-address-of-somebody@motor-traders.example.com"), **device)
    is_live(page)
    bid(page, "1500")
    shows(page, "you", "You lead")
    picture(page, name)
    width = device.get("viewport", DESKTOP["viewport"])["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    touched = [box for part in page.locator("button:visible, input:visible").all() if (box := part.bounding_box())]
    assert all(box["height"] >= 44 for box in touched)


def test_the_keyboard_is_enough(site: Site) -> None:
    page = site.open(auction_of(), bidder())
    is_live(page)
    page.keyboard.press("Tab")
    page.keyboard.type("1500")
    page.keyboard.press("Enter")
    shows(page, "you", "You lead")


def test_without_scripts_it_tells_how_things_stand(site: Site) -> None:
    auction = auction_of()
    page = site.open(auction, java_script_enabled=False)
    shows(page, "price", "1,000.00")
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    expect(page.locator("#clock")).to_contain_text("UTC")
    picture(page, "desktop-without-scripts")
