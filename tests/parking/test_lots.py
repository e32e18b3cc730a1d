"""/api/parking/lots: listing, opening, reading, changing and archiving lots."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from parking.models import Lot, Rate, Reservation, Spot
from parking.services.booking import book
from tests.answers import error
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/lots"
RATE = {"price": "3.00"}
BODY = {"name": "Station", "address": "4 Railway Street", "pin_code": "10557", "capacity": 3, "rate": RATE}


@pytest.fixture
def manager(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_manager"]))


@pytest.fixture
def driver(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def numbers(lot: Lot, **filters: Any) -> list[int]:
    return list(lot.spots.filter(**filters).order_by("number").values_list("number", flat=True))


def test_a_new_lot_has_its_spots_and_its_rate(manager: APIClient) -> None:
    rate = {"price": 3, "increment_min": 30, "first_free_s": 600, "cap": "15.00", "currency": "EUR"}
    body = {**BODY, "rate": {**rate, "surcharges": {"ev": 10}}, "opens_at": "06:00", "closes_at": "23:30:00"}
    answer = manager.post(URL, {**body, "timezone": "Europe/Berlin"})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    counts = {"total": 3, "free": 3, "occupied": 0, "reserved": 0, "out_of_order": 0}
    assert {**shown, "id": 0, "created_at": "", "updated_at": ""} == {
        "id": 0, "name": "Station", "address": "4 Railway Street", "pin_code": "10557", "description": "",
        "is_active": True, "timezone": "Europe/Berlin", "opens_at": "06:00:00", "closes_at": "23:30:00",
        "default_stay_min": 120, "no_show_after_min": 15, "cancel_cutoff_min": 0, "capacity": 3,
        "rate": {**rate, "price": "3.00", "surcharges": {"ev": "10.00"}},
        "availability": {**counts, "by_type": {"standard": counts}}, "created_at": "", "updated_at": "",
    }  # fmt: skip
    assert manager.get(answer["Location"]).json() == shown
    assert numbers(Lot.objects.get(), type="standard", status="in_service") == [1, 2, 3]


def test_a_rate_has_sensible_defaults(manager: APIClient) -> None:
    assert manager.post(URL, {**BODY, "rate": {"price": "0.00"}}).json()["rate"] == {
        "price": "0.00", "increment_min": 60, "first_free_s": 0, "cap": None, "currency": "USD", "surcharges": {},
    }  # fmt: skip


def test_the_largest_lot(manager: APIClient) -> None:
    answer = manager.post(URL, {**BODY, "capacity": 5000})
    assert (answer.status_code, answer.json()["capacity"]) == (201, 5000)
    assert Spot.objects.count() == 5000


@pytest.mark.django_db(transaction=True)
def test_a_repeated_post_opens_one_lot(manager: APIClient) -> None:
    first, again = (manager.post(URL, BODY, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert (first.json(), again["Idempotency-Replayed"], Lot.objects.count()) == (again.json(), "true", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"capacity": 0},
        {"capacity": 5001},
        {"capacity": "3"},
        {"capacity": None},
        {"rate": None},
        {"rate": {"price": "-1"}},
        {"rate": {"price": "3.001"}},
        {"rate": {"price": "3", "increment_min": 0}},
        {"rate": {"price": "3", "currency": "eur"}},
        {"rate": {"price": "3", "cap": "-1"}},
        {"rate": {"price": "3", "version": 7}},
        {"rate": {"price": "3", "surcharges": {"helicopter": "10"}}},
        {"rate": {"price": "3", "surcharges": {"ev": "-1"}}},
        {"rate": {"price": "3", "surcharges": []}},
        {"opens_at": "24:00", "closes_at": "06:00"},
        {"opens_at": "8:00", "closes_at": "18:00"},
        {"opens_at": "08:00\n", "closes_at": "18:00"},
        {"opens_at": 8, "closes_at": "18:00"},
        {"name": ""},
        {"pin_code": "x" * 17},
        {"default_stay_min": 0},
        {"no_show_after_min": -1},
        {"availability": {}},
        {"archived_at": None},
        {"id": 1},
        {"size": 3},
    ],
)
def test_what_the_schema_does_not_allow_is_400(manager: APIClient, change: dict[str, Any]) -> None:
    lot = LotFactory(name="Before")
    assert manager.post(URL, BODY | change).status_code == 400
    assert manager.put(f"{URL}/{lot.pk}", BODY | change).status_code == 400
    assert manager.patch(f"{URL}/{lot.pk}", change).status_code == 400
    assert (Lot.objects.get().name, Rate.objects.count(), Spot.objects.count()) == ("Before", 1, 2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"opens_at": "06:00"}, "opening_hours"),
        ({"closes_at": "06:00"}, "opening_hours"),
        ({"opens_at": "06:00", "closes_at": "06:00:00"}, "opening_hours"),
        ({"timezone": "Europe/Atlantis"}, "unknown_timezone"),
        ({"rate": {"price": "9999999999.99", "increment_min": 1}}, "rate_too_high"),
        ({"rate": {"price": "10000.00", "increment_min": 1, "surcharges": {"ev": "999.99"}}}, "rate_too_high"),
    ],
)
def test_what_makes_no_sense_is_422(manager: APIClient, change: dict[str, Any], code: str) -> None:
    lot = LotFactory()
    for answer in (manager.post(URL, BODY | change), manager.patch(f"{URL}/{lot.pk}", change)):
        assert (answer.status_code, error(answer)["code"]) == (422, code)
    assert (Lot.objects.count(), Rate.objects.count()) == (1, 1)


def test_what_a_post_needs(manager: APIClient) -> None:
    missing = {fault["attr"] for fault in manager.post(URL, {"rate": {}}).json()["errors"]}
    assert missing == {"name", "address", "pin_code", "capacity", "rate.price"}


def test_opening_hours_go_as_they_came(manager: APIClient) -> None:
    lot = LotFactory(opens_at="06:00", closes_at="22:00")
    assert error(manager.patch(f"{URL}/{lot.pk}", {"opens_at": None}))["code"] == "opening_hours"
    shown = manager.patch(f"{URL}/{lot.pk}", {"opens_at": None, "closes_at": None}).json()
    assert (shown["opens_at"], shown["closes_at"]) == (None, None)
    over_midnight = {"opens_at": "18:00", "closes_at": "02:00"}
    assert manager.patch(f"{URL}/{lot.pk}", over_midnight).status_code == 200


def test_drivers_see_active_lots_only(driver: APIClient, manager: APIClient) -> None:
    open_one, closed = LotFactory(), LotFactory(is_active=False)
    LotFactory(archived_at=timezone.now())
    assert (ids(driver.get(URL)), ids(manager.get(URL))) == ([open_one.pk], [open_one.pk, closed.pk])
    assert ids(manager.get(URL, {"is_active": "false"})) == [closed.pk]
    assert ids(driver.get(URL, {"is_active": "false"})) == []
    assert driver.get(f"{URL}/{closed.pk}").status_code == 404
    assert manager.get(f"{URL}/{closed.pk}").status_code == 200


def test_who_may_not_write(driver: APIClient, api: APIClient, as_user: Any, make_user: Any) -> None:
    lot = LotFactory()
    attendant = as_user(make_user(roles=["parking_attendant"]))
    for client, status in ((driver, 403), (attendant, 403), (api, 401)):
        assert client.post(URL, BODY).status_code == status
        assert client.patch(f"{URL}/{lot.pk}", {"name": "Mine"}).status_code == status
        assert client.delete(f"{URL}/{lot.pk}").status_code == status
        assert client.get(f"{URL}/{lot.pk}/rates").status_code == status
    assert api.get(URL).status_code == 401


def test_lots_are_found_by_pin_code_and_words(driver: APIClient) -> None:
    north = LotFactory(name="Station North", pin_code="SW1A 1AA")
    south = LotFactory(name="Harbour", address="9 Station Road", pin_code="10557")
    assert ids(driver.get(URL, {"pin_code": "sw1a 1aa"})) == [north.pk]
    assert ids(driver.get(URL, {"search": "station"})) == [north.pk, south.pk]
    assert ids(driver.get(URL, {"search": "station road"})) == [south.pk]
    assert ids(driver.get(URL, {"ordering": "-id"})) == [south.pk, north.pk]


def test_lots_are_found_by_type_and_free_spots(driver: APIClient) -> None:
    full, free = LotFactory(spots=1), LotFactory(spots=2)
    charger = free.spots.get(number=2)
    Spot.objects.filter(pk=charger.pk).update(type="ev")
    now = timezone.now()
    ReservationFactory(lot=full, status="active", starts_at=now - timedelta(hours=1))
    assert ids(driver.get(URL, {"has_free": "true"})) == [free.pk]
    assert ids(driver.get(URL, {"has_free": "false"})) == [full.pk]
    assert ids(driver.get(URL, {"spot_type": "ev"})) == [free.pk]
    start, end = now + timedelta(hours=5), now + timedelta(hours=6)
    window = {"starts_at": start.isoformat(), "ends_at": end.isoformat()}
    ReservationFactory(lot=free, spot=charger, starts_at=start, ends_at=end)
    assert ids(driver.get(URL, {"has_free": "true", **window})) == [full.pk, free.pk]
    assert ids(driver.get(URL, {"has_free": "true", "spot_type": "ev", **window})) == []
    assert ids(driver.get(URL, {"has_free": "true", "spot_type": "ev"})) == [free.pk]
    Spot.objects.filter(pk=charger.pk).update(status="retired")
    assert ids(driver.get(URL, {"spot_type": "ev"})) == []


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ({"starts_at": "2030-01-01T10:00:00Z"}, "starts_at"),
        ({"ends_at": "2030-01-01T10:00:00Z"}, "ends_at"),
        ({"starts_at": "2030-01-01T10:00:00Z", "ends_at": "2030-01-01T10:00:00Z"}, "starts_at"),
        ({"starts_at": "2030-01-01T11:00:00Z", "ends_at": "2030-01-01T10:00:00Z"}, "starts_at"),
        ({"starts_at": "today", "ends_at": "2030-01-01T10:00:00Z"}, "starts_at"),
    ],
)
def test_half_a_window_is_400(driver: APIClient, query: dict[str, str], attr: str) -> None:
    lot = LotFactory()
    for url in (URL, f"{URL}/{lot.pk}"):
        answer = driver.get(url, query)
        assert (answer.status_code, error(answer)["attr"]) == (400, attr)


def test_other_parameters_are_400(driver: APIClient) -> None:
    lot = LotFactory()
    assert driver.get(URL, {"has_free": "yes"}).status_code == 400
    assert driver.get(URL, {"spot_type": "helicopter"}).status_code == 400
    assert driver.get(f"{URL}/{lot.pk}", {"has_free": "true"}).status_code == 400


def test_a_list_costs_as_much_for_one_lot_as_for_many(driver: APIClient) -> None:
    ReservationFactory(lot=LotFactory())
    with CaptureQueriesContext(connection) as one:
        assert len(ids(driver.get(URL))) == 1
    for _ in range(4):
        ReservationFactory(lot=LotFactory(spots=5))
    with CaptureQueriesContext(connection) as five:
        assert len(ids(driver.get(URL))) == 5
    assert len(one) == len(five) <= 6


def test_reads_carry_an_etag(driver: APIClient) -> None:
    lot = LotFactory()
    for url in (URL, f"{URL}/{lot.pk}"):
        first = driver.get(url)
        assert driver.get(url, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    ReservationFactory(lot=lot, status="active", starts_at=timezone.now() - timedelta(minutes=1))
    assert driver.get(f"{URL}/{lot.pk}", HTTP_IF_NONE_MATCH=first["ETag"]).json()["availability"]["occupied"] == 1


@pytest.mark.django_db(transaction=True)
def test_what_changes_shows_on_the_next_read(driver: APIClient, manager: APIClient, user: User) -> None:
    """Outside a transaction, as in production, the figures are cached."""
    lot = LotFactory(spots=3)

    def free() -> list[int]:
        shown = driver.get(URL).json()["results"][0], driver.get(f"{URL}/{lot.pk}").json()
        return [row["availability"]["free"] for row in shown]

    assert free() == [3, 3]
    book(user=user, lot_id=lot.pk, plate="FC 1", now=timezone.now())
    assert free() == [2, 2]
    manager.patch(f"/api/parking/spots/{lot.spots.get(number=2).pk}", {"out_of_order": True})
    assert free() == [1, 1]
    manager.patch(f"{URL}/{lot.pk}", {"capacity": 5})
    assert free() == [3, 3]


def test_a_lot_is_replaced_and_changed(manager: APIClient) -> None:
    lot = LotFactory(description="Old.", spots=3)
    assert manager.put(f"{URL}/{lot.pk}", BODY).json()["name"] == "Station"
    answer = manager.patch(f"{URL}/{lot.pk}", {"is_active": False, "cancel_cutoff_min": 30})
    shown = answer.json()
    assert (shown["is_active"], shown["cancel_cutoff_min"], shown["description"], shown["capacity"]) == (
        False, 30, "Old.", 3,
    )  # fmt: skip
    changed = manager.patch(f"{URL}/{lot.pk}", {"name": "New"}, HTTP_IF_MATCH=answer["ETag"])
    assert (changed.status_code, changed.json()["name"]) == (200, "New")
    assert manager.patch(f"{URL}/{lot.pk}", {"name": "Newer"}, HTTP_IF_MATCH=answer["ETag"]).status_code == 412


def test_a_new_rate_is_a_new_version(manager: APIClient) -> None:
    lot = LotFactory(rate={"cap": "15.00", "surcharges": {"ev": "10.00"}})
    reservation = ReservationFactory(lot=lot)
    assert manager.patch(f"{URL}/{lot.pk}", {"rate": {"price": "4.00"}}).json()["rate"] == {
        "price": "4.00", "increment_min": 60, "first_free_s": 0, "cap": "15.00", "currency": "USD",
        "surcharges": {"ev": "10.00"},
    }  # fmt: skip
    shown = manager.patch(f"{URL}/{lot.pk}", {"rate": {"cap": None, "surcharges": {}}}).json()["rate"]
    assert (shown["price"], shown["cap"], shown["surcharges"]) == ("4.00", None, {})
    history = manager.get(f"{URL}/{lot.pk}/rates").json()["results"]
    assert [(row["version"], row["price"], row["cap"]) for row in history] == [
        (3, "4.00", None), (2, "4.00", "15.00"), (1, "3.00", "15.00"),
    ]  # fmt: skip
    reservation.refresh_from_db()
    assert reservation.rate.version == 1
    assert manager.get(f"{URL}/{lot.pk}").json()["rate"] == shown


def test_the_same_rate_again_is_no_new_version(manager: APIClient) -> None:
    lot = LotFactory()
    for rate in ({"price": 3}, {"price": "3.00", "increment_min": 60}, {}):
        assert manager.patch(f"{URL}/{lot.pk}", {"rate": rate}).status_code == 200
    assert Rate.objects.get().version == 1


def test_capacity_grows_by_new_numbers(manager: APIClient) -> None:
    lot = LotFactory(spots=3)
    assert manager.patch(f"{URL}/{lot.pk}", {"capacity": 2}).json()["capacity"] == 2
    shown = manager.patch(f"{URL}/{lot.pk}", {"capacity": 4}).json()
    assert (shown["capacity"], shown["availability"]["free"]) == (4, 4)
    assert (numbers(lot, status="in_service"), numbers(lot, status="retired")) == ([1, 2, 4, 5], [3])
    assert manager.patch(f"{URL}/{lot.pk}", {"capacity": 4}).status_code == 200
    assert lot.spots.count() == 5


def test_capacity_shrinks_by_the_highest_free_numbers(manager: APIClient) -> None:
    lot = LotFactory(spots=5)
    ReservationFactory(lot=lot, spot=lot.spots.get(number=5))
    ReservationFactory(lot=lot, spot=lot.spots.get(number=3), status="cancelled")
    lot.spots.filter(number=4).update(status="out_of_order")
    assert manager.patch(f"{URL}/{lot.pk}", {"capacity": 3}).json()["capacity"] == 3
    assert numbers(lot, status="retired") == [3, 4]


def test_too_few_free_spots_change_nothing(manager: APIClient) -> None:
    lot = LotFactory(spots=4, name="Before")
    future = ReservationFactory(lot=lot, spot=lot.spots.get(number=2), starts_at=timezone.now() + timedelta(days=9))
    standing = ReservationFactory(
        lot=lot, spot=lot.spots.get(number=4), status="active", starts_at=timezone.now() - timedelta(days=1)
    )
    answer = manager.patch(f"{URL}/{lot.pk}", {"capacity": 1, "name": "After", "rate": {"price": "9.00"}})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "spots_occupied", "capacity")
    assert error(answer)["meta"] == {
        "to_retire": 3, "free": 2, "blocking_count": 2,
        "blocking": [
            {"id": standing.spot_id, "number": 4, "type": "standard"},
            {"id": future.spot_id, "number": 2, "type": "standard"},
        ],
    }  # fmt: skip
    lot.refresh_from_db()
    assert (lot.name, lot.rates.count(), numbers(lot, status="in_service")) == ("Before", 1, [1, 2, 3, 4])


def test_an_archived_lot_is_gone_with_its_history_kept(manager: APIClient) -> None:
    lot = LotFactory()
    ReservationFactory(lot=lot, status="cancelled")
    assert manager.delete(f"{URL}/{lot.pk}").status_code == 204
    assert manager.get(f"{URL}/{lot.pk}").status_code == 404
    assert manager.delete(f"{URL}/{lot.pk}").status_code == 404
    assert ids(manager.get(URL)) == []
    assert (Lot.objects.count(), Spot.objects.count(), Reservation.objects.count()) == (1, 2, 1)


@pytest.mark.parametrize("status", ["reserved", "active"])
def test_a_lot_in_use_is_not_archived(manager: APIClient, status: str) -> None:
    lot = LotFactory()
    reservation = ReservationFactory(lot=lot, status=status)
    answer = manager.delete(f"{URL}/{lot.pk}")
    assert (answer.status_code, error(answer)["code"]) == (409, "lot_in_use")
    assert error(answer)["meta"]["count"] == 1
    assert error(answer)["meta"]["reservations"][0]["reference"] == reservation.reference
    lot.refresh_from_db()
    assert lot.archived_at is None
