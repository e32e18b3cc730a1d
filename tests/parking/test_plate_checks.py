"""/api/parking/check: may this vehicle stand here? Every look is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from parking.models import PlateCheck, Reservation
from parking.services.plate_checks import check_plate
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/check"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def attendant(make_user: Any) -> User:
    return make_user(roles=["parking_attendant"])


@pytest.fixture
def client(as_user: Any, attendant: User) -> APIClient:
    return as_user(attendant)


def parked(**fields: Any) -> Reservation:
    facts = {"status": "active", "plate": "AB-12 CD", "starts_at": timezone.now() - 60 * MINUTE} | fields
    return ReservationFactory(**facts)


def test_a_parked_vehicle_is_allowed_until_the_end_as_booked(client: APIClient, attendant: User) -> None:
    stay = parked()
    answer = client.get(URL, {"plate": "ab 12cd", "lot": stay.lot_id})
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert shown == {
        "allowed": True,
        "allowed_until": shown["allowed_until"],
        "is_overstay": False,
        "lot": stay.lot_id,
        "spot": {"id": stay.spot_id, "number": 1, "type": "standard"},
        "reservation": stay.pk,
    }
    kept = PlateCheck.objects.get()
    assert (kept.plate, kept.reservation_id, kept.lot_id, kept.actor) == ("AB12CD", stay.pk, stay.lot_id, attendant)
    assert kept.allowed_until == stay.booked_until


def test_what_the_sweep_adds_is_no_permission(attendant: User) -> None:
    now = timezone.now()
    stay = parked(ends_at=now + 10 * MINUTE, booked_until=now - MINUTE)
    answer = check_plate(plate=stay.plate, actor=attendant, now=now)
    assert (answer.allowed, answer.allowed_until, answer.is_overstay) == (False, now - MINUTE, False)


@pytest.mark.parametrize(("late", "is_overstay"), [(9, False), (10, True), (600, True)])
def test_it_is_an_overstay_after_the_grace_whether_or_not_the_sweep_came_by(
    attendant: User, late: int, is_overstay: bool
) -> None:
    now = timezone.now()
    stay = parked(ends_at=now - late * MINUTE, starts_at=now - timedelta(days=1))
    answer = check_plate(plate=stay.plate, actor=attendant, now=now)
    assert (answer.allowed, answer.is_overstay, answer.reservation) == (False, is_overstay, stay)


@pytest.mark.parametrize(
    ("minutes", "allowed"), [(-16, False), (-15, True), (0, True), (14, True), (15, False), (60, False)]
)
def test_who_may_check_in_may_stand_there(attendant: User, minutes: int, allowed: bool) -> None:
    now = timezone.now()
    stay = parked(status="reserved", starts_at=now - minutes * MINUTE)
    answer = check_plate(plate=stay.plate, actor=attendant, now=now)
    assert (answer.allowed, answer.reservation) == (allowed, stay if allowed else None)


def test_a_vehicle_that_has_overstayed_is_shown_before_its_next_reservation(attendant: User) -> None:
    now = timezone.now()
    late = parked(ends_at=now - MINUTE, booked_until=now - MINUTE)
    parked(status="reserved", starts_at=now, lot=LotFactory())
    assert check_plate(plate="AB12CD", actor=attendant, now=now).reservation == late


@pytest.mark.parametrize("status", ["completed", "cancelled", "no_show"])
def test_what_is_over_allows_nothing(client: APIClient, status: str) -> None:
    over = {"released_at": timezone.now(), "cost": 1} if status == "completed" else {}
    stay = parked(status=status, **over)
    assert client.get(URL, {"plate": stay.plate}).json() == {
        "allowed": False,
        "allowed_until": None,
        "is_overstay": False,
        "lot": None,
        "spot": None,
        "reservation": None,
    }
    assert PlateCheck.objects.get().reservation is None


def test_another_lot_is_another_question(client: APIClient) -> None:
    stay, other = parked(), LotFactory()
    assert client.get(URL, {"plate": stay.plate, "lot": other.pk}).json()["allowed"] is False
    assert client.get(URL, {"plate": stay.plate}).json()["lot"] == stay.lot_id
    assert list(PlateCheck.objects.order_by("id").values_list("lot", flat=True)) == [other.pk, stay.lot_id]


def test_plates_that_were_blanked_match_nothing(client: APIClient) -> None:
    parked(status="completed", plate="", released_at=timezone.now(), cost=1)
    assert client.get(URL, {"plate": "- -"}).json()["allowed"] is False


def test_a_plate_that_grows_when_written_out_is_looked_for_and_kept(client: APIClient) -> None:
    assert client.get(URL, {"plate": "ß" * 16}).json()["allowed"] is False
    assert PlateCheck.objects.get().plate == "S" * 16


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"plate": ""}, 400),
        ({"plate": " "}, 400),
        ({"plate": "x" * 17}, 400),
        ({"plate": "A\x00B"}, 400),
        ({"plate": "A", "lot": "x"}, 400),
        ({"plate": "A", "spot": "1"}, 400),
        ({"plate": "A", "lot": str(2**62)}, 404),
    ],
)
def test_questions_that_are_none_are_refused_and_not_kept(client: APIClient, query: Any, status: int) -> None:
    assert client.get(URL, query).status_code == status
    assert not PlateCheck.objects.exists()


def test_a_missing_plate_is_named(client: APIClient) -> None:
    (error,) = client.get(URL).json()["errors"]
    assert (error["attr"], error["code"]) == ("plate", "required")


def test_only_attendants_and_managers_ask(as_user: Any, make_user: Any, user: User, api: APIClient) -> None:
    query = {"plate": "A 1"}
    assert api.get(URL, query).status_code == 401
    assert as_user(user).get(URL, query).status_code == 403
    assert as_user(make_user(roles=["parking_manager"])).get(URL, query).status_code == 200


def test_queries_do_not_grow(client: APIClient, django_assert_num_queries: Any) -> None:
    client.get(URL, {"plate": "A 1"})
    for _ in range(2):
        parked(status="cancelled")
        with django_assert_num_queries(5):
            client.get(URL, {"plate": "AB12CD"})
