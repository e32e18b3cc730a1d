"""/api/garage: registering, listing, reading, changing and archiving vehicles."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Vehicle
from tests.answers import error
from tests.factories import CarFactory, VehicleFactory

pytestmark = pytest.mark.django_db

VIN = "1HGCM82633A004352"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def own(user: User) -> Vehicle:
    return VehicleFactory(owner=user, vin=VIN, vin_exempt_reason="", plate="AB 123")


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


def test_a_vehicle_becomes_the_callers(client: APIClient, user: User) -> None:
    body = {"vin": "1hgcm 82633-a004352", "plate": "ab-12 cd", "make": "Honda", "mileage": 100, "mileage_unit": "mi"}
    answer = client.post("/api/garage", body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["owner"], shown["vin"], shown["plate"]) == (user.pk, VIN, "ab-12 cd")
    assert (shown["mileage"], shown["mileage_unit"], shown["vin_warnings"]) == (100, "mi", [])
    assert client.get(answer["Location"]).json() == shown
    vehicle = Vehicle.objects.get()
    assert vehicle.plate_key == "AB12CD"
    assert [event.kind for event in vehicle.events.all()] == ["odometer", "registered"]
    assert vehicle.odometer_readings.get().value == 100


def test_the_registry_fills_what_is_blank(client: APIClient) -> None:
    car = CarFactory(make="Honda", model="Accord", year=2003)
    shown = client.post("/api/garage", {"car": car.pk, "model": "Accord EX"}).json()
    assert (shown["car"], shown["make"], shown["model"], shown["year"]) == (car.pk, "Honda", "Accord EX", 2003)


def test_a_car_that_does_not_exist_is_422(client: APIClient) -> None:
    answer = client.post("/api/garage", {"car": 999999})
    assert (answer.status_code, error(answer)["attr"]) == (422, "car")


@pytest.mark.parametrize(
    ("vin", "finding"),
    [
        ("1HGCM82633A004353", "check_digit_mismatch"),
        ("1HGCM82633A00435", "length"),
        ("1HGCM8263IA004352", "character"),
        ("11111111111111111", "implausible"),
    ],
)
def test_a_wrong_vin_is_422_and_says_why(client: APIClient, vin: str, finding: str) -> None:
    answer = client.post("/api/garage", {"vin": vin})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, "invalid_vin", "vin")
    assert error(answer)["meta"]["findings"][0]["code"] == finding


def test_a_wrong_check_digit_is_a_warning_outside_north_america(client: APIClient) -> None:
    answer = client.post("/api/garage", {"vin": "SGZCZ43D13S812715"})
    assert answer.status_code == 201
    assert [warning["code"] for warning in answer.json()["vin_warnings"]] == ["check_digit_mismatch"]


def test_an_old_chassis_number_is_admitted_with_a_reason(client: APIClient) -> None:
    assert client.post("/api/garage", {"vin": "S800123"}).status_code == 422
    answer = client.post("/api/garage", {"vin": "S800123", "vin_exempt_reason": "Built in 1967."})
    assert (answer.status_code, answer.json()["vin"]) == (201, "S800123")


def test_a_vin_belongs_to_one_vehicle_until_it_is_archived(client: APIClient, other_user: User, user: User) -> None:
    theirs = VehicleFactory(owner=other_user, vin=VIN)
    refused = client.post("/api/garage", {"vin": VIN})
    assert (refused.status_code, error(refused)["code"]) == (409, "vin_in_use")
    assert "meta" not in error(refused)
    Vehicle.objects.filter(pk=theirs.pk).update(archived_at=timezone.now())
    assert client.post("/api/garage", {"vin": VIN}).status_code == 201


def test_vehicles_without_a_vin_do_not_clash(client: APIClient) -> None:
    assert client.post("/api/garage", {"plate": "A 1"}).status_code == 201
    assert client.post("/api/garage", {"plate": "A 1", "vin": None}).status_code == 201


def test_a_plate_that_grows_too_long_is_422(client: APIClient) -> None:
    answer = client.post("/api/garage", {"plate": "ß" * 16})
    assert (answer.status_code, error(answer)["code"]) == (422, "plate_too_long")


@pytest.mark.parametrize(
    "body",
    [
        {"owner": 1},
        {"id": 1},
        {"archived_at": None},
        {"plate_key": "X"},
        {"vin_warnings": []},
        {"colour": "red"},
        {"mileage": -1},
        {"mileage": "100"},
        {"mileage_unit": "league"},
        {"year": 1885},
        {"vin": ""},
        {"vin": "x" * 33},
        {"car": "1"},
        {"created_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, own: Vehicle, body: dict[str, Any]) -> None:
    assert client.post("/api/garage", body).status_code == 400
    assert client.patch(f"/api/garage/{own.pk}", body).status_code == 400
    assert Vehicle.objects.count() == 1


def test_everybody_lists_their_own_and_staff_all(
    as_user: Any, user: User, other_user: User, advisor: User, own: Vehicle
) -> None:
    VehicleFactory(owner=other_user)
    VehicleFactory(owner=user, archived_at=timezone.now())
    shown = as_user(user).get("/api/garage").json()
    assert [row["id"] for row in shown["results"]] == [own.pk]
    assert as_user(advisor).get("/api/garage").json()["count"] == 2
    assert as_user(advisor).get(f"/api/garage?owner={user.pk}").json()["count"] == 1


@pytest.mark.parametrize(
    "query",
    ["", "?vin=1HGCM82633A004352", "?plate=AB-123", "?search=AB123", "?year=2020", "?ordering=-year", "?owner={owner}"],
)
def test_nothing_of_others_shows_whatever_the_query(
    as_user: Any, other_user: User, user: User, own: Vehicle, query: str
) -> None:
    url = "/api/garage" + query.format(owner=user.pk)
    assert as_user(other_user).get(url).json()["results"] == []
    assert [row["id"] for row in as_user(user).get(url).json()["results"]] == [own.pk]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "", None),
        ("put", "", {}),
        ("patch", "", {"color": "red"}),
        ("delete", "", None),
        ("get", "/timeline", None),
        ("get", "/odometer", None),
        ("post", "/odometer", {"value": 1, "unit": "km"}),
    ],
)
def test_another_persons_vehicle_is_like_one_that_does_not_exist(
    as_user: Any, other_user: User, own: Vehicle, method: str, path: str, body: Any
) -> None:
    call = getattr(as_user(other_user), method)
    hidden, missing = call(f"/api/garage/{own.pk}{path}", body), call(f"/api/garage/999999{path}", body)
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert Vehicle.objects.filter(pk=own.pk, color="", archived_at=None).exists()


def test_nobody_sees_anything_without_signing_in(api: APIClient, own: Vehicle) -> None:
    for path in ("/api/garage", f"/api/garage/{own.pk}", f"/api/garage/{own.pk}/timeline"):
        assert api.get(path).status_code == 401


def test_owner_and_staff_change_it_and_who_only_looks_does_not(
    as_user: Any, user: User, advisor: User, make_user: Any, own: Vehicle
) -> None:
    url = f"/api/garage/{own.pk}"
    assert as_user(user).patch(url, {"color": "red"}).json()["color"] == "red"
    assert as_user(advisor).put(url, {"color": "blue", "plate": "X 1"}).json()["color"] == "blue"
    viewer = as_user(make_user(perms=["cars.view_vehicle"]))
    assert viewer.get(url).status_code == 200
    assert viewer.patch(url, {"color": "green"}).status_code == 403
    assert viewer.delete(url).status_code == 403
    assert viewer.post(f"{url}/odometer", {"value": 1, "unit": "km"}).status_code == 403


def test_a_changed_vin_is_checked_and_must_be_free(client: APIClient, own: Vehicle) -> None:
    VehicleFactory(vin="5GZCZ43D13S812715")
    url = f"/api/garage/{own.pk}"
    assert error(client.patch(url, {"vin": "5GZCZ43D13S812715"}))["code"] == "vin_in_use"
    assert client.patch(url, {"vin": "1HGCM82633A004353"}).status_code == 422
    assert client.patch(url, {"vin": None}).json()["vin"] is None


def test_a_new_mileage_is_a_reading(client: APIClient, own: Vehicle) -> None:
    url = f"/api/garage/{own.pk}"
    assert client.patch(url, {"mileage": 1000}).json()["mileage"] == 1000
    assert client.patch(url, {"mileage": 1000, "color": "red"}).status_code == 200
    assert error(client.patch(url, {"mileage": 900}))["code"] == "odometer_rollback"
    assert error(client.patch(url, {"mileage_unit": "mi"}))["code"] == "mileage_required"
    assert error(client.patch(url, {"mileage": None}))["code"] == "mileage_required"
    shown = client.patch(url, {"mileage": 700, "mileage_unit": "mi"}).json()
    assert (shown["mileage"], shown["mileage_unit"]) == (700, "mi")
    assert own.odometer_readings.count() == 2


def test_the_unit_may_be_set_before_the_first_mileage(client: APIClient, own: Vehicle) -> None:
    assert client.patch(f"/api/garage/{own.pk}", {"mileage_unit": "mi"}).json()["mileage_unit"] == "mi"


def test_of_two_edits_of_one_version_the_second_is_412(client: APIClient, own: Vehicle) -> None:
    url = f"/api/garage/{own.pk}"
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"color": "red"}, HTTP_IF_MATCH=tag).status_code == 200
    assert client.patch(url, {"color": "blue"}, HTTP_IF_MATCH=tag).status_code == 412


def test_an_archived_vehicle_is_gone_for_everybody(as_user: Any, user: User, advisor: User, own: Vehicle) -> None:
    url = f"/api/garage/{own.pk}"
    assert as_user(user).delete(url).status_code == 204
    for who in (user, advisor):
        assert as_user(who).get(url).status_code == 404
        assert as_user(who).delete(url).status_code == 404
    own.refresh_from_db()
    assert own.archived_at is not None


def test_a_repeated_post_with_a_key_makes_one_vehicle(client: APIClient) -> None:
    answers = [client.post("/api/garage", {"plate": "A 1"}, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert Vehicle.objects.count() == 1


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, user: User, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    VehicleFactory.create_batch(25, owner=user, vin=None, car=CarFactory())
    with django_assert_max_num_queries(5) as few:
        client.get("/api/garage?limit=5")
    with django_assert_num_queries(len(few)):
        client.get("/api/garage?limit=20")
