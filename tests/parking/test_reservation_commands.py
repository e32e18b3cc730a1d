"""Check-in, release, cancel and extend: what each does, and what refuses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from parking.models import Lot, Reservation, Spot
from parking.services import allocation, reservations
from tests.answers import refused
from tests.factories import VehicleFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/reservations"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def lot(db: None) -> Lot:
    return LotFactory()


@pytest.fixture
def manager(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_manager"]))


@pytest.fixture
def attendant(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_attendant"]))


def reserve(user: User, lot: Lot, *, begin: float, end: float = 120, **fields: Any) -> Reservation:
    """Minutes from now."""
    now = timezone.now()
    return ReservationFactory(
        user=user, lot=lot, starts_at=now + timedelta(minutes=begin), ends_at=now + timedelta(minutes=end), **fields
    )


def post(client: APIClient, reservation: Reservation, verb: str, body: Any = None) -> Any:
    answer = client.post(f"{URL}/{reservation.pk}/{verb}", body or {})
    reservation.refresh_from_db()
    return answer


def later(**delta: float) -> dict[str, str]:
    return {"ends_at": (timezone.now() + timedelta(**delta)).isoformat()}


# --- Check-in


def test_a_driver_checks_in_and_the_timeline_tells(client: APIClient, user: User, lot: Lot) -> None:
    vehicle = VehicleFactory(owner=user, plate="AB 1")
    reservation = reserve(user, lot, begin=-2, vehicle=vehicle, plate="AB 1")
    answer = post(client, reservation, "check-in")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert reservation.checked_in_at is not None
    assert reservation.starts_at < reservation.checked_in_at
    assert vehicle.events.get().kind == "parked"
    assert refused(post(client, reservation, "check-in")) == (409, "invalid_transition")


def test_who_comes_early_holds_the_spot_from_then_on(client: APIClient, user: User, lot: Lot) -> None:
    early, too_early = reserve(user, lot, begin=14), reserve(user, lot, begin=16, spot=lot.spots.get(number=2))
    assert post(client, early, "check-in").status_code == 200
    assert early.starts_at == early.checked_in_at
    answer = post(client, too_early, "check-in")
    assert refused(answer) == (409, "too_early")
    assert "from" in answer.json()["errors"][0]["meta"]


def test_who_comes_early_gets_another_spot_while_theirs_is_taken(client: APIClient, user: User, lot: Lot) -> None:
    parked = reserve(user, lot, begin=-60, end=10, status="active")
    early = reserve(user, lot, begin=10)
    assert post(client, early, "check-in").json()["spot"]["number"] == 2
    assert early.starts_at < parked.ends_at
    assert [event.kind for event in early.events.all()] == ["status", "moved"]


def test_who_comes_early_waits_when_no_other_spot_is_free(client: APIClient, user: User) -> None:
    lot = LotFactory(spots=1)
    reserve(user, lot, begin=-60, end=10, status="active")
    early = reserve(user, lot, begin=10)
    assert refused(post(client, early, "check-in")) == (409, "spot_taken")
    assert early.status == "reserved"


def test_while_the_vehicle_before_stands_there_nobody_checks_in(client: APIClient, user: User) -> None:
    """Its time is over and its grace is not: nothing is overdue yet, but there is no place."""
    lot = LotFactory(spots=1)
    parked = reserve(user, lot, begin=-60, end=-2, status="active")
    following = reserve(user, lot, begin=-2)
    assert refused(post(client, following, "check-in")) == (409, "spot_taken")
    post(client, parked, "release")
    assert post(client, following, "check-in").status_code == 200


def test_who_comes_too_late_has_lost_the_spot(client: APIClient, user: User, lot: Lot) -> None:
    assert post(client, reserve(user, lot, begin=-14), "check-in").status_code == 200
    late = reserve(user, lot, begin=-16, spot=lot.spots.get(number=2))
    assert refused(post(client, late, "check-in")) == (409, "no_show")


def test_a_plate_is_parked_once(client: APIClient, user: User, lot: Lot) -> None:
    first = reserve(user, LotFactory(), begin=-60, end=-1, status="active", plate="AB 1")
    second = reserve(user, lot, begin=0, plate="AB 1")
    assert refused(post(client, second, "check-in")) == (409, "plate_in_use")
    post(client, first, "release")
    assert post(client, second, "check-in").status_code == 200


def test_an_attendant_checks_in_and_releases_anybody(attendant: APIClient, user: User, lot: Lot) -> None:
    reservation = reserve(user, lot, begin=-1)
    assert post(attendant, reservation, "check-in").status_code == 200
    assert post(attendant, reservation, "release").json()["cost"] == "3.00"


# --- Release


def test_a_release_freezes_the_cost_from_check_in_on(user: User) -> None:
    lot = LotFactory(rate={"price": "20.00", "surcharges": {"ev": "10.00"}})
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    stay = ReservationFactory(
        user=user, lot=lot, starts_at=noon, status="active", surcharge_percent=Decimal("10.00"),
        checked_in_at=noon + timedelta(minutes=30),
    )  # fmt: skip
    done = reservations.release(reservation=stay, actor=user, now=noon + timedelta(minutes=91))
    assert (done.cost, done.status) == (Decimal("44.00"), "completed")
    assert done.released_at == noon + timedelta(minutes=91)


def test_a_second_release_is_409_and_charges_nothing(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-61, status="active")
    assert post(client, stay, "release").json()["cost"] == "6.00"
    lot.rates.create(version=2, price="9.00", currency="USD")
    again = post(client, stay, "release")
    assert refused(again) == (409, "already_released")
    assert again.json()["errors"][0]["meta"]["cost"] == "6.00"
    assert stay.cost == Decimal("6.00")


def test_what_was_not_parked_cannot_be_released(client: APIClient, user: User, lot: Lot) -> None:
    assert refused(post(client, reserve(user, lot, begin=5), "release")) == (409, "invalid_transition")


def test_a_released_spot_is_free_again_and_the_timeline_tells(client: APIClient, user: User) -> None:
    lot, vehicle = LotFactory(spots=1), VehicleFactory(owner=user, plate="AB 1")
    stay = reserve(user, lot, begin=-61, status="active", vehicle=vehicle, plate="AB 1")
    post(client, stay, "release")
    assert vehicle.events.get().private_summary == f"Left {lot.name}, spot 1."
    assert client.post(URL, {"lot": lot.pk, "plate": "AB 1"}).status_code == 201


def test_staff_release_by_force_with_a_reason(attendant: APIClient, client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-30, status="active")
    assert post(client, stay, "release", {"force": True, "reason": "x"}).status_code == 403
    assert refused(post(attendant, stay, "release", {"force": True})) == (422, "reason_required")
    assert post(attendant, stay, "release", {"force": True, "reason": "It has left."}).status_code == 200
    event = stay.events.first()
    assert event is not None
    assert (event.note, event.actor_id == user.pk) == ("forced: It has left.", False)


def test_nothing_is_told_on_the_timeline_of_a_vehicle_that_was_sold(client: APIClient, user: User, lot: Lot) -> None:
    vehicle = VehicleFactory(plate="AB 1")
    post(client, reserve(user, lot, begin=-30, status="active", vehicle=vehicle), "release")
    assert not vehicle.events.exists()


# --- Cancel


def test_a_cancelled_reservation_costs_nothing(client: APIClient, user: User, lot: Lot) -> None:
    reservation = reserve(user, lot, begin=30)
    answer = post(client, reservation, "cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["cost"]) == (200, "cancelled", None)
    assert refused(post(client, reservation, "cancel")) == (409, "invalid_transition")


def test_past_the_cutoff_it_is_too_late(client: APIClient, manager: APIClient, user: User) -> None:
    lot = LotFactory(cancel_cutoff_min=60)
    late, in_time = reserve(user, lot, begin=59), reserve(user, lot, begin=61, spot=lot.spots.get(number=2))
    for who in (client, manager):
        assert refused(post(who, late, "cancel")) == (409, "too_late_to_cancel")
    assert post(manager, in_time, "cancel").status_code == 200


def test_a_parked_vehicle_cannot_be_cancelled(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-30, status="active")
    assert refused(post(client, stay, "cancel")) == (409, "invalid_transition")


# --- Extend


def test_a_stay_is_extended_while_the_spot_is_free(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-30, end=30, status="active")
    assert post(client, stay, "extend", later(minutes=90)).status_code == 200
    assert stay.ends_at == stay.booked_until > timezone.now() + timedelta(minutes=89)
    event = stay.events.get()
    assert (event.kind, event.new) == ("extended", stay.ends_at.isoformat())
    following = reserve(user, lot, begin=120, end=180)
    answer = post(client, stay, "extend", later(minutes=130))
    assert refused(answer) == (409, "spot_taken")
    assert datetime.fromisoformat(answer.json()["errors"][0]["meta"]["from"]) == following.starts_at


def test_an_extension_is_later_and_within_bounds(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=30, end=60)
    assert refused(post(client, stay, "extend", later(minutes=50))) == (422, "not_later")
    assert refused(post(client, stay, "extend", later(days=31))) == (422, "stay_too_long")
    assert post(client, stay, "extend", {}).status_code == 400
    Lot.objects.filter(pk=lot.pk).update(is_active=False)
    assert refused(post(client, stay, "extend", later(minutes=90))) == (409, "lot_closed")


def test_an_extension_waits_for_no_no_show(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-60, end=-25, status="active")
    Reservation.objects.filter(pk=stay.pk).update(ends_at=timezone.now() - timedelta(minutes=20))
    missed = reserve(user, lot, begin=-18, end=60)
    assert post(client, stay, "extend", later(minutes=30)).status_code == 200
    missed.refresh_from_db()
    assert missed.status == "no_show"


def test_extending_ends_an_overstay(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-60, end=5, status="active", is_overstay=True)
    Reservation.objects.filter(pk=stay.pk).update(booked_until=timezone.now() - timedelta(minutes=20))
    assert post(client, stay, "extend", later(minutes=60)).json()["is_overstay"] is False
    assert stay.booked_until == stay.ends_at


def test_a_plate_that_is_booked_elsewhere_cannot_stay_longer(client: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-60, end=30, status="active", plate="AB 1")
    reserve(user, LotFactory(), begin=60, end=90, plate="AB 1")
    assert refused(post(client, stay, "extend", later(minutes=80))) == (409, "plate_in_use")


def test_what_is_over_is_not_extended(client: APIClient, user: User, lot: Lot) -> None:
    cancelled = reserve(user, lot, begin=30, status="cancelled")
    assert refused(post(client, cancelled, "extend", later(days=1))) == (409, "invalid_transition")


def test_a_manager_extends_for_a_driver(manager: APIClient, user: User, lot: Lot) -> None:
    stay = reserve(user, lot, begin=-30, end=30, status="active")
    assert post(manager, stay, "extend", later(minutes=90)).status_code == 200


# --- Relocation


def test_a_reservation_moves_to_the_lowest_free_spot_of_its_type_and_its_driver_is_told(user: User) -> None:
    lot = LotFactory(spots=4)
    Spot.objects.filter(lot=lot, number=2).update(type="ev")
    reservation = reserve(user, lot, begin=30)
    reserve(user, lot, begin=60, end=90, spot=lot.spots.get(number=3))
    assert allocation.relocate(reservation, actor=None, now=timezone.now()) is True
    assert reservation.spot.number == 4
    reservation.refresh_from_db()
    assert (reservation.spot.number, reservation.events.get().kind) == (4, "moved")
    assert Notification.objects.get(user=user, kind="parking_moved").data == {"reservation": reservation.pk}


def test_without_another_spot_nothing_moves(user: User) -> None:
    reservation = reserve(user, LotFactory(spots=1), begin=30)
    assert allocation.relocate(reservation, actor=None, now=timezone.now()) is False
    assert not reservation.events.exists()


@pytest.mark.parametrize(("status", "is_gone"), [("active", False), ("cancelled", True)])
def test_only_what_has_not_begun_is_moved(user: User, lot: Lot, status: str, is_gone: bool) -> None:
    reservation = reserve(user, lot, begin=-1)
    Reservation.objects.filter(pk=reservation.pk).update(
        status=status, checked_in_at=timezone.now() if status == "active" else None
    )
    assert allocation.relocate(reservation, actor=None, now=timezone.now()) is is_gone
    assert reservation.spot.number == 1
