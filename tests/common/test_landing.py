"""The page at `/`: whole without scripts, the same for everybody, there while parts are away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.demo import PASSWORD, PEOPLE
from accounts.models import Heartbeat
from auctions.models import Auction, Listing
from auctions.services.bids import place_bid
from config import health, landing
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers."""
    monkeypatch.setattr(health, "_ask_broker", lambda: None)


@pytest.fixture
def tick() -> Heartbeat:
    return Heartbeat.objects.create(name="beat", beat_at=timezone.now())


@pytest.fixture
def demo_people() -> None:
    for person in PEOPLE:
        UserFactory(email=person.email)


def down(*_: Any, **__: Any) -> Any:
    raise OperationalError("connection to host db.internal failed")


def page(**headers: str) -> str:
    answer = Client().get("/", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def queries(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get("/").status_code == 200
    return len(asked)


def test_it_says_what_this_is_and_where_to_go_on(database_cache: None, tick: Heartbeat) -> None:
    text = page()
    for path in ("/api/docs", "/api/redoc", "/api/schema", "/api", "/admin/", "/health/detailed"):
        assert f'href="{path}"' in text
    assert 'href="/api/session/login?next=/api"' in text
    assert "Everything is up." in text
    assert "0 cars in the registry" in text


def test_it_needs_no_script_and_lets_none_in() -> None:
    answer = Client().get("/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert b"<script" not in answer.content
    assert b"style=" not in answer.content
    assert answer["Cache-Control"] == "no-store"


def test_it_is_only_read() -> None:
    assert Client().head("/").status_code == 200
    assert Client().head("/").content == b""
    for method in ("post", "put", "patch", "delete", "options"):
        assert getattr(Client(enforce_csrf_checks=True), method)("/").status_code == 405


def test_it_shows_the_open_auctions_and_no_secret_of_them() -> None:
    auction = AuctionFactory(reserve_price="4321.00")
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=1777)
    text = page()
    assert "2018 Honda Accord" in text
    assert "1,777.00" in text
    assert "1 bid<" in text
    assert f'href="/auctions/{auction.pk}/live"' in text
    assert "4,321" not in text


def test_it_shows_none_that_is_to_come_or_off_the_marketplace() -> None:
    AuctionFactory(status="scheduled")
    hidden = AuctionFactory()
    Listing.objects.filter(pk=hidden.listing_id).update(status="suspended")
    assert "None at the moment." in page()


def test_one_that_nobody_has_closed_yet_is_over_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    auction = AuctionFactory()
    monkeypatch.setattr(landing.clock, "now", lambda: auction.ends_at)
    assert "None at the moment." in page()


def test_the_next_to_end_comes_first_and_there_are_six_at_most() -> None:
    made = AuctionFactory.create_batch(7)
    for hours, auction in enumerate(reversed(made), start=2):
        Auction.objects.filter(pk=auction.pk).update(ends_at=timezone.now() + timedelta(hours=hours))
    text = page()
    places = [text.find(f'href="/auctions/{auction.pk}/live"') for auction in reversed(made)]
    assert places[:6] == sorted(places[:6])
    assert (min(places[:6]) > 0, places[6]) == (True, -1)


def test_what_a_seller_wrote_stays_text() -> None:
    auction = AuctionFactory()
    Listing.objects.filter(pk=auction.listing_id).update(model="<b>Accord</b>")
    assert "&lt;b&gt;Accord&lt;/b&gt;" in page()


def test_it_costs_the_same_however_many_auctions_are_open_and_whoever_asks(database_cache: None) -> None:
    AuctionFactory()
    signed_in = Client()
    signed_in.force_login(UserFactory())
    alone = queries(Client())
    AuctionFactory.create_batch(4)
    assert queries(Client()) == queries(signed_in) == alone <= 12


@pytest.mark.parametrize("part", ["_ask_database", "_read"])
def test_a_database_that_is_away_is_told_and_nothing_more(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    AuctionFactory()
    if part == "_read":  # It went away between the two questions.
        monkeypatch.setattr(landing, "_open_auctions", down)
    else:
        monkeypatch.setattr(health, part, down)
    text = page()
    assert ("The database does not answer" in text) is (part == "_ask_database")
    assert "Honda" not in text
    assert "db.internal" not in text
    assert "Traceback" not in text


def test_a_part_that_is_away_is_named(database_cache: None, tick: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_ask_broker", down)
    text = page()
    assert "It works, but a part is down." in text
    assert text.count('<span class="state no">down</span>') == 1


def test_the_people_of_the_demo_are_named_where_they_are(demo_people: None) -> None:
    text = page()
    assert PASSWORD in text
    assert all(person.email in text for person in PEOPLE)
    assert "A refund waits for your second approval" in text


def test_nobody_is_named_where_the_demo_is_not_or_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    UserFactory(email=PEOPLE[0].email)
    assert PASSWORD not in page()
    for person in PEOPLE[1:]:
        UserFactory(email=person.email)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")
    text = page()
    assert PASSWORD not in text
    assert "@example.com" not in text


def test_an_admin_at_another_path_is_not_given_away(demo_people: None, settings: LazySettings) -> None:
    settings.ADMIN_PATH = "behind-the-ivy"
    text = page()
    assert PASSWORD in text
    assert "behind-the-ivy" not in text
    assert "Staff pages" not in text


def test_it_is_under_the_limit_of_everybody(settings: LazySettings) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "1/minute"}
    assert Client().get("/").status_code == 200
    refused = Client().get("/")
    assert (refused.status_code, refused["Retry-After"].isdigit()) == (429, True)
    assert "asked for too often" in refused.content.decode()


def test_a_replica_that_is_away_is_named_too(
    database_cache: None, tick: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "replica_states", lambda: [{"name": "replica_1", "state": "down"}])
    text = page()
    assert "It works, but a part is down." in text
    assert "Replica replica_1" in text
