"""/api/vehicles/{id}/history: what everybody may know of the past of a vehicle that is for sale, and nothing else."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from cars import services
from cars.models import Vehicle, VehicleEvent
from tests.answers import error, pages
from tests.auctions.deliveries import paid_order, pay
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.factories import VehicleFactory

pytestmark = pytest.mark.django_db

VIN = "1HGCM82633A004352"
NOW = timezone.now()
Kind = VehicleEvent.Kind
SECRETS = (
    "SECRET", "FC-PLATE", "4 Railway Street", "12207", "alice@", "Sam", "Driver", "ticket:", "reading:", "2500.00",
    "4000.00", "reserve", "registered_at",
)  # fmt: skip


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def happened(vehicle: Vehicle, kind: Kind, days: float, **more: Any) -> None:
    services.record_event(vehicle=vehicle, kind=kind, actor=vehicle.owner, at=ago(days), **more)


def read(vehicle: Vehicle, days: float, value: int, **more: Any) -> None:
    facts = {"actor": vehicle.owner, "unit": "km"} | more
    services.record_odometer(vehicle=vehicle, value=value, now=ago(days), **facts)


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    """Its owner's, with secrets in every corner that is not public."""
    vehicle: Vehicle = VehicleFactory(owner=user, vin=VIN, plate="FC-PLATE", vin_exempt_reason="SECRET exemption")
    read(vehicle, 800, 100_000)
    read(vehicle, 500, 120_000, source="workshop")
    happened(
        vehicle, Kind.SERVICED, 500, reference="ticket:31", public_summary="Serviced at 120,000 km.",
        private_summary="SECRET repair of the SECRET",
    )  # fmt: skip
    happened(vehicle, Kind.PARKED, 400, private_summary="Parked at SECRET lot.")
    happened(vehicle, Kind.ESTIMATE_AUTHORISED, 350, private_summary="SECRET estimate")
    happened(vehicle, Kind.BID_WON, 300, private_summary="Sold for SECRET.")
    read(vehicle, 200, 90_000, force=True, reason="SECRET reason")
    happened(vehicle, Kind.LISTED, 100, public_summary="Offered for sale.", private_summary="SECRET note")
    return vehicle


def listed(vehicle: Vehicle, **fields: Any) -> Listing:
    facts = {
        "seller": vehicle.owner, "vehicle": vehicle, "shares_history": True, "year": 2003, "location_address":
        "4 Railway Street", "reserve_price": Decimal("2500.00"), "buy_now_price": Decimal("4000.00"),
    } | fields  # fmt: skip
    listing: Listing = ListingFactory(**facts)
    return listing


def path(listing: Listing, ending: str = "") -> str:
    return f"/api/vehicles/{listing.pk}/history{ending}"


def history(client: APIClient, listing: Listing) -> dict[str, Any]:
    answer = client.get(path(listing))
    assert answer.status_code == 200, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def test_everybody_reads_the_same(
    api: APIClient, as_user: Any, user: User, other_user: User, admin_user: User, vehicle: Vehicle
) -> None:
    listing = listed(vehicle)
    answers = [client.get(path(listing)) for client in (api, *map(as_user, (user, other_user, admin_user)))]
    assert {answer["ETag"] for answer in answers} == {answers[0]["ETag"]}
    assert [answer.json()["fingerprint"] for answer in answers] == [answers[0].json()["fingerprint"]] * 4


def test_it_says_what_is_stated_and_what_is_known(api: APIClient, vehicle: Vehicle) -> None:
    shown = history(api, listed(vehicle))
    stated = {"vin": VIN, "mileage": 62_000, "odometer_status": "actual", "title_type": "clean", "title_state": "NY"}
    assert stated.items() <= shown["listing"].items()
    assert (shown["vin_decode"]["model_year"], shown["vin_decode"]["verified"]) == (2003, False)
    past = shown["history"]
    assert past["odometer"]["verdict"] == "questionable"
    assert past["odometer"]["reasons"] == [{"code": "corrected", "count": 1}]
    assert [row["verdict"] for row in past["odometer"]["readings"]] == ["plausible", "plausible", "corrected"]
    assert [(row["summary"], row["mileage"]) for row in past["services"]] == [("Serviced at 120,000 km.", 120_000)]
    assert [row["kind"] for row in past["market"]] == ["listed"]
    assert past["ownership"]["owners"] == 1
    counts = {row["kind"]: row["count"] for row in past["summary"]["counts"]}
    assert counts == {"listed": 1, "odometer": 3, "serviced": 1}  # What is private is not even counted.
    assert "parking" not in past


@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_nothing_private_is_in_it(
    api: APIClient, as_user: Any, admin_user: User, vehicle: Vehicle, ending: str
) -> None:
    """Not for the administrator either: it is the paper that goes round."""
    listing = listed(vehicle)
    for client in (api, as_user(admin_user)):
        answer = client.get(path(listing, ending))
        assert answer.status_code == 200
        body = " ".join(pages(answer.content)) if ending else answer.content.decode()
        assert [secret for secret in SECRETS if secret in body] == []
        assert "questionable" in body


@pytest.mark.parametrize("ending", ["", ".pdf"])
@pytest.mark.parametrize(
    "status", ["draft", "pending_review", "changes_requested", "rejected", "suspended", "archived"]
)
def test_of_what_is_not_public_strangers_read_none(
    api: APIClient, as_user: Any, user: User, other_user: User, vehicle: Vehicle, status: str, ending: str
) -> None:
    listing = listed(vehicle, status=status)
    for client in (api, as_user(other_user)):
        hidden, absent = client.get(path(listing, ending)), client.get(f"/api/vehicles/999999/history{ending}")
        assert (hidden.status_code, hidden.content) == (404, absent.content)
    assert as_user(user).get(path(listing, ending)).status_code == 200


def test_what_the_seller_does_not_share_is_not_there(api: APIClient, vehicle: Vehicle) -> None:
    listing = listed(vehicle, shares_history=False)
    shown = history(api, listing)
    assert (shown["shared"], shown["history"], shown["listing"]["vin"]) == (False, None, VIN)
    text = " ".join(pages(api.get(path(listing, ".pdf")).content))
    assert "does not share the history" in text
    assert "120,000" not in text


def test_a_seller_shares_no_history_of_a_vehicle_that_is_another_s(
    api: APIClient, other_user: User, vehicle: Vehicle
) -> None:
    listing = listed(vehicle)
    services.transfer_vehicle(vehicle=vehicle, new_owner=other_user, actor=None, now=NOW, reference="order:1")
    assert history(api, listing)["history"] is None


def test_the_price_of_an_auction_was_public(api: APIClient) -> None:
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(3000), clock=timezone.now)
    close_auction(auction_id=auction.pk, clock=lambda: auction.ends_at)
    assert history(api, auction.listing)["sale_price"] is None  # Not before it is paid.
    pay(auction.orders.get())
    assert history(api, auction.listing)["sale_price"] == "1000.00"
    assert "Sold at auction for 1,000.00 USD" in pages(api.get(path(auction.listing, ".pdf")).content)[0]


def test_what_was_agreed_without_an_auction_is_between_the_parties(api: APIClient) -> None:
    listing = paid_order(hammer_price=Decimal("7777.00")).listing
    assert listing.status == "sold"
    answer = api.get(path(listing))
    assert answer.json()["sale_price"] is None
    assert "7777" not in answer.content.decode()


def test_while_it_is_bid_for_there_is_no_price_of_a_sale(api: APIClient, vehicle: Vehicle) -> None:
    listing = listed(vehicle, reserve_price=None, buy_now_price=None)
    AuctionFactory(listing=listing)
    assert history(api, listing)["sale_price"] is None


def test_its_fingerprint_can_be_reckoned_again(api: APIClient, vehicle: Vehicle) -> None:
    listing = listed(vehicle)
    first = api.get(path(listing))
    content = first.json()
    sealed = {name: content.pop(name) for name in ("number", "fingerprint", "issued_at")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == sealed["fingerprint"]
    assert sealed["number"] == f"VH-{listing.pk}-{sealed['fingerprint'][:8].upper()}"
    assert api.get(path(listing), HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


def test_the_paper_says_where_to_check_it(api: APIClient, vehicle: Vehicle) -> None:
    listing = listed(vehicle)
    answer = api.get(path(listing, ".pdf"))
    shown = history(api, listing)
    assert answer["Content-Disposition"] == f'attachment; filename="{shown["number"]}.pdf"'
    text = " ".join(pages(answer.content))
    for part in (
        "Vehicle history", shown["number"], f"VIN {VIN}", "Odometer questionable", "1 reading was forced",
        "Clean NY", "62,000 mi, actual", "Serviced at 120,000 km.", "Offered for sale.", shown["fingerprint"],
        f"http://testserver/api/vehicles/{listing.pk}/history",
    ):  # fmt: skip
        assert part in text, text


def test_unknown_parameters_are_refused(api: APIClient, vehicle: Vehicle) -> None:
    listing = listed(vehicle)
    for ending in ("?x=1", ".pdf?x=1"):
        answer = api.get(path(listing, ending))
        assert (answer.status_code, error(answer)["attr"]) == (400, "x")


def test_its_statements_are_as_few_however_long_the_history(
    api: APIClient, vehicle: Vehicle, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    listing = listed(vehicle)
    with django_assert_max_num_queries(5) as few:
        history(api, listing)
    for number in range(30):
        read(vehicle, 60 - number, 130_000 + number)
    with django_assert_num_queries(len(few)):
        history(api, listing)


def test_a_session_reads_it_in_the_browser(client: Any, other_user: User, vehicle: Vehicle) -> None:
    client.force_login(other_user)
    page = client.get(path(listed(vehicle)), HTTP_ACCEPT="text/html")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (200, "text/html")


def test_the_staff_page_of_a_listing_leads_to_its_paper(client: Any, make_user: Any, vehicle: Vehicle) -> None:
    client.force_login(make_user(roles=["moderator"]))
    listing = listed(vehicle, status="draft")
    page = client.get(f"/admin/auctions/listing/{listing.pk}/change/").content.decode()
    link = f"/admin/auctions/listing/{listing.pk}/public-history/"
    assert link in page
    paper = client.get(link, follow=True)
    assert (paper.status_code, paper["Content-Type"]) == (200, "application/pdf")


@pytest.mark.parametrize("ending", [".pdf", ""])
def test_papers_are_limited_more_tightly_than_answers(
    api: APIClient, vehicle: Vehicle, settings: Any, ending: str
) -> None:
    settings.DISABLE_THROTTLES, settings.RATE_LIMITS = False, settings.RATE_LIMITS | {"documents": "2/minute"}
    address = path(listed(vehicle), ending)
    assert [api.get(address).status_code for _ in range(3)] == [200, 200, 429 if ending else 200]
