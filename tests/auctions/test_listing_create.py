"""POST /api/vehicles: drafts, their vehicles and their VINs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing
from cars.models import Vehicle
from cars.services import VinAnswer
from cars.vin import validate
from common.http import OutsideError
from tests.answers import error, refused
from tests.auctions.factories import ListingFactory
from tests.auctions.listings import COMPLETE, URL, VIN
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def test_a_new_listing_is_a_draft_of_a_new_vehicle_in_the_garage(seller: APIClient, user: User) -> None:
    body = {**COMPLETE, "reserve_price": 2500, "exterior_color": "silver", "latitude": "42.6526"}
    answer = seller.post(URL, body, format="json")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert shown["status"] == "draft"
    assert shown["seller"] == {"id": user.pk, "business_name": None, "is_dealer": False}
    assert (shown["reserve_price"], shown["latitude"], shown["currency"]) == ("2500.00", "42.652600", "USD")
    assert (shown["images"], shown["auction"], shown["service_history"]) == ([], None, None)
    vehicle = Vehicle.objects.get(pk=shown["vehicle"])
    assert (vehicle.owner, vehicle.vin, vehicle.make, vehicle.color) == (user, VIN, "Honda", "silver")
    assert (vehicle.mileage, vehicle.mileage_unit) == (113_400, "mi")


def test_its_answer_is_the_listing_and_where_its_words_come_from(seller: APIClient) -> None:
    answer = seller.post(URL, COMPLETE, format="json")
    shown = answer.json()
    assert shown.pop("vin_decode") == {"source": "vininfo", "verified": False}
    again = seller.get(answer["Location"])
    assert (again.json(), again["ETag"]) == (shown, answer["ETag"])


def test_the_vin_fills_what_the_seller_leaves_blank(seller: APIClient) -> None:
    shown = seller.post(URL, {"vin": "1hgcm-82633-a004352"}, format="json").json()
    assert (shown["vin"], shown["make"], shown["year"]) == (VIN, "Honda", 2003)
    vehicle = Vehicle.objects.get(pk=shown["vehicle"])
    assert (vehicle.make, vehicle.year) == ("Honda", 2003)


def test_the_words_of_a_provider_become_those_of_a_listing(seller: APIClient, monkeypatch: Any) -> None:
    told = {"make": "HONDA", "model": "Accord", "year": "2004", "body": "Sedan/Saloon", "fuel_type": "Gasoline"}
    told |= {"drivetrain": "FWD/Front-Wheel Drive", "transmission": "Continuously Variable Transmission (CVT)"}
    report = validate(VIN, today=timezone.now().date())
    answer = VinAnswer(report, "vpic", verified=True, attributes=told, warnings=())
    monkeypatch.setattr("auctions.views.listings.decode_vin", lambda **_: answer)
    shown = seller.post(URL, {"vin": VIN, "model": "Accord LX"}, format="json").json()
    assert shown["vin_decode"] == {"source": "vpic", "verified": True}
    assert (shown["make"], shown["model"], shown["year"]) == ("HONDA", "Accord LX", 2004)
    choices = ("body_type", "fuel_type", "drivetrain", "transmission")
    assert [shown[name] for name in choices] == ["sedan", "gasoline", "fwd", "cvt"]


def test_a_provider_that_is_down_blocks_no_draft(seller: APIClient, settings: Any, monkeypatch: Any) -> None:
    settings.VIN_PROVIDER = "vpic"

    def down(*_: Any) -> None:
        raise OutsideError("timeout", "vpic")

    monkeypatch.setattr("cars.vin_providers.Vpic.decode", down)
    answer = seller.post(URL, {"vin": VIN}, format="json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["vin_decode"] == {"source": "vininfo", "verified": False}


@pytest.mark.django_db(transaction=True)
def test_the_provider_is_asked_outside_of_the_transaction(seller: APIClient, monkeypatch: Any) -> None:
    from django.db import connection

    from cars.services import decode_vin

    asked: list[bool] = []

    def decode(**kwargs: Any) -> VinAnswer:
        asked.append(connection.in_atomic_block)
        return decode_vin(**kwargs)

    monkeypatch.setattr("auctions.views.listings.decode_vin", decode)
    assert seller.post(URL, {"vin": VIN}, format="json", HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    assert asked == [False]


@pytest.mark.django_db(transaction=True)
def test_a_repeated_post_makes_one_draft(seller: APIClient) -> None:
    first, again = (seller.post(URL, COMPLETE, format="json", HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert (first.json(), again["Idempotency-Replayed"], Listing.objects.count()) == (again.json(), "true", 1)


def test_the_sellers_own_vehicle_is_used_and_its_blanks_are_filled(seller: APIClient, user: User) -> None:
    vehicle = VehicleFactory(owner=user, vin=VIN, make="HONDA", model="", year=None, color="grey")
    shown = seller.post(URL, {**COMPLETE, "exterior_color": "silver"}, format="json").json()
    assert (shown["vehicle"], shown["make"], shown["exterior_color"]) == (vehicle.pk, "Honda", "silver")
    vehicle.refresh_from_db()
    assert (vehicle.make, vehicle.model, vehicle.year, vehicle.color) == ("HONDA", "Accord", 2003, "grey")
    assert (vehicle.mileage, vehicle.mileage_unit) == (113_400, "mi")


def test_the_vehicle_of_somebody_else_is_refused(seller: APIClient) -> None:
    ListingFactory(vehicle=VehicleFactory(owner=UserFactory(), vin=VIN), status="active")
    assert refused(seller.post(URL, COMPLETE, format="json")) == (409, "vin_in_use")


def test_a_vehicle_without_an_owner_is_left_as_it_is(seller: APIClient) -> None:
    vehicle = VehicleFactory(owner=None, vin=VIN, make="", model="")
    shown = seller.post(URL, {**COMPLETE, "shares_history": True}, format="json").json()
    assert (shown["vehicle"], shown["service_history"]) == (vehicle.pk, None)
    vehicle.refresh_from_db()
    assert (vehicle.owner, vehicle.make, vehicle.mileage) == (None, "", None)


@pytest.mark.parametrize("status", ["draft", "pending_review", "changes_requested", "active", "suspended"])
def test_a_vehicle_is_listed_once_at_a_time(seller: APIClient, user: User, status: str) -> None:
    listing = ListingFactory(seller=user, vehicle__vin=VIN, status=status)
    answer = seller.post(URL, COMPLETE, format="json")
    assert refused(answer) == (409, "vehicle_listed")
    assert error(answer)["meta"] == {"listing": listing.pk}


def test_anothers_listing_of_an_unowned_vehicle_is_not_named(seller: APIClient) -> None:
    vehicle = VehicleFactory(owner=None, vin=VIN)
    ListingFactory(seller=UserFactory(), vehicle=vehicle, status="draft")
    answer = seller.post(URL, COMPLETE, format="json")
    assert refused(answer) == (409, "vehicle_listed")
    assert "meta" not in error(answer)


def test_a_vin_is_listed_once_even_when_its_vehicle_left_the_garage(seller: APIClient) -> None:
    ListingFactory(vehicle__vin=VIN, vehicle__archived_at=timezone.now())
    assert refused(seller.post(URL, COMPLETE, format="json")) == (409, "vehicle_listed")


@pytest.mark.parametrize("status", ["archived", "sold", "rejected"])
def test_a_sale_that_is_over_stands_in_nobodys_way(seller: APIClient, user: User, status: str) -> None:
    ListingFactory(seller=user, vehicle__vin=VIN, status=status)
    assert seller.post(URL, COMPLETE, format="json").status_code == 201


def test_short_numbers_need_a_reason(seller: APIClient) -> None:
    body = {**COMPLETE, "vin": "9110300123"}
    assert refused(seller.post(URL, body, format="json")) == (422, "invalid_vin")
    answer = seller.post(URL, {**body, "vin_exempt_reason": "Built in 1971."}, format="json")
    assert (answer.status_code, answer.json()["vin"]) == (201, "9110300123")


def test_without_a_verified_address_nothing_is_listed(as_user: Any) -> None:
    client = as_user(UserFactory(email_verified_at=None))
    assert refused(client.post(URL, COMPLETE, format="json")) == (403, "email_not_verified")
    assert refused(client.post(URL, {}, format="json")) == (403, "email_not_verified")


def test_strangers_sign_in_first(api: APIClient) -> None:
    assert refused(api.post(URL, COMPLETE, format="json")) == (401, "not_authenticated")


@pytest.mark.parametrize(
    "change",
    [
        {"vin": None},
        {"vin": ""},
        {"vin": "x" * 33},
        {"year": 1885},
        {"year": "2003"},
        {"mileage": -1},
        {"mileage": 10_000_000},
        {"body_type": "boat"},
        {"title_state": "ny"},
        {"title_state": "N"},
        {"starting_price": 0},
        {"starting_price": "1000.001"},
        {"currency": "usd"},
        {"latitude": 91},
        {"longitude": -181},
        {"has_keys": None},
        {"description": "x" * 10_001},
        {"make": "\x00"},
        {"status": "active"},
        {"seller": 1},
        {"vehicle": 1},
        {"published_at": None},
    ],
)
def test_what_the_schema_does_not_allow_is_400(seller: APIClient, change: dict[str, Any]) -> None:
    assert seller.post(URL, COMPLETE | change, format="json").status_code == 400
    assert not Listing.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vin": "1HGCM82643A004352"}, "invalid_vin"),
        ({"vin": "11111111111111111"}, "invalid_vin"),
        ({"reserve_price": "999.99"}, "reserve_below_start"),
        ({"buy_now_price": "999.99"}, "buy_now_below_start"),
        ({"reserve_price": "2000", "buy_now_price": "2000"}, "buy_now_not_above_reserve"),
        ({"starting_price": None, "reserve_price": "2000", "buy_now_price": "1"}, "buy_now_not_above_reserve"),
        ({"currency": "EUR"}, "currency_not_supported"),
        ({"year": 2100}, "year_too_far"),
        ({"make": "\ufdfa" * 128}, "name_too_long"),
        ({"starting_price": "0.00"}, "out_of_range"),
        ({"starting_price": "1000000000.00"}, "out_of_range"),
        ({"reserve_price": "1000000000.00"}, "out_of_range"),
        ({"buy_now_price": "1000000000.00"}, "out_of_range"),
    ],
)
def test_what_makes_no_sense_is_422(seller: APIClient, change: dict[str, Any], code: str) -> None:
    assert refused(seller.post(URL, COMPLETE | change, format="json")) == (422, code)
    assert not Vehicle.objects.exists()


def test_a_reserve_and_a_buy_now_at_their_limits_are_accepted(seller: APIClient) -> None:
    limits = {"starting_price": 1000, "reserve_price": 1000, "buy_now_price": "1000.01"}
    assert seller.post(URL, COMPLETE | limits, format="json").status_code == 201
    listing = Listing.objects.get()
    assert (listing.reserve_price, listing.buy_now_price) == (Decimal("1000.00"), Decimal("1000.01"))
    assert listing.created_at > timezone.now() - timedelta(minutes=1)
