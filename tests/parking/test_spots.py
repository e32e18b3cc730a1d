"""/api/parking/lots/{id}/spots and /api/parking/spots: who stands where, and taking a spot out of service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from parking.models import Lot, Reservation, Spot
from tests.answers import error
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/spots"


@pytest.fixture
def manager(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_manager"]))


@pytest.fixture
def lot() -> Lot:
    return LotFactory(spots=3)


@pytest.fixture
def spot(lot: Lot) -> Spot:
    return lot.spots.get(number=1)


def rows(client: APIClient, lot: Lot, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/parking/lots/{lot.pk}/spots", query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_each_spot_has_its_current_reservation(manager: APIClient, lot: Lot) -> None:
    now = timezone.now()
    first, second, third = lot.spots.order_by("number")
    standing = ReservationFactory(lot=lot, spot=first, status="active", starts_at=now - timedelta(hours=1))
    ReservationFactory(lot=lot, spot=first, starts_at=now + timedelta(hours=3))
    awaited = ReservationFactory(lot=lot, spot=second, starts_at=now - timedelta(minutes=5))
    ReservationFactory(lot=lot, spot=third, starts_at=now - timedelta(minutes=5), status="cancelled")
    shown = rows(manager, lot)
    assert [row["number"] for row in shown] == [1, 2, 3]
    assert [row["reservation"] and row["reservation"]["id"] for row in shown] == [standing.pk, awaited.pk, None]
    assert shown[0]["reservation"] == {
        "id": standing.pk, "reference": standing.reference, "user": standing.user_id, "plate": standing.plate,
        "vehicle_model": "", "vehicle_color": "", "status": "active", "is_overstay": False,
        "starts_at": shown[0]["reservation"]["starts_at"], "ends_at": shown[0]["reservation"]["ends_at"],
    }  # fmt: skip


def test_a_vehicle_that_stays_too_long_is_shown_before_who_waits_for_its_spot(
    manager: APIClient, lot: Lot, spot: Spot
) -> None:
    now = timezone.now()
    times = {"starts_at": now - timedelta(hours=3), "ends_at": now - timedelta(minutes=5)}
    standing = ReservationFactory(lot=lot, spot=spot, status="active", **times)
    ReservationFactory(lot=lot, spot=spot, starts_at=now - timedelta(minutes=4))
    assert rows(manager, lot)[0]["reservation"]["id"] == standing.pk


def test_spots_are_filtered(manager: APIClient, lot: Lot) -> None:
    lot.spots.filter(number=2).update(type="ev")
    lot.spots.filter(number=3).update(status="retired")
    assert [row["number"] for row in rows(manager, lot)] == [1, 2]
    assert [row["number"] for row in rows(manager, lot, status="retired")] == [3]
    assert [row["number"] for row in rows(manager, lot, type="ev")] == [2]
    assert [row["number"] for row in rows(manager, lot, number="1")] == [1]


def test_who_may_look(as_user: Any, make_user: Any, user: User, api: APIClient, lot: Lot, spot: Spot) -> None:
    attendant, driver = as_user(make_user(roles=["parking_attendant"])), as_user(user)
    for url in (f"/api/parking/lots/{lot.pk}/spots", f"{URL}/{spot.pk}"):
        assert [client.get(url).status_code for client in (attendant, driver, api)] == [200, 403, 401]
    refused = [client.patch(f"{URL}/{spot.pk}", {"type": "ev"}) for client in (attendant, driver, api)]
    assert [answer.status_code for answer in refused] == [403, 403, 401]


def test_the_list_costs_as_much_for_one_spot_as_for_many(manager: APIClient) -> None:
    small, large = LotFactory(spots=1), LotFactory(spots=9)
    for spot in (*small.spots.all(), *large.spots.all()):
        ReservationFactory(lot=spot.lot, spot=spot, status="active", starts_at=timezone.now() - timedelta(hours=1))
    with CaptureQueriesContext(connection) as one:
        rows(manager, small)
    with CaptureQueriesContext(connection) as many:
        assert all(row["reservation"] for row in rows(manager, large))
    assert len(one) == len(many)


def test_a_spot_changes_its_type(manager: APIClient, spot: Spot) -> None:
    answer = manager.patch(f"{URL}/{spot.pk}", {"type": "ev"})
    assert (answer.status_code, answer.json()["type"], answer.json()["status"]) == (200, "ev", "in_service")
    assert manager.get(f"{URL}/{spot.pk}").json() == answer.json()
    assert manager.patch(f"{URL}/{spot.pk}", {"type": "compact"}, HTTP_IF_MATCH='"x"').status_code == 412
    assert manager.patch(f"{URL}/{spot.pk}", {"type": "compact"}, HTTP_IF_MATCH=answer["ETag"]).status_code == 200
    assert manager.put(f"{URL}/{spot.pk}", {"type": "ev"}).status_code == 405


def test_a_spot_goes_out_of_order_and_comes_back(manager: APIClient, lot: Lot, spot: Spot) -> None:
    assert manager.patch(f"{URL}/{spot.pk}", {"out_of_order": True}).json()["status"] == "out_of_order"
    counts = manager.get(f"/api/parking/lots/{lot.pk}").json()["availability"]
    assert (counts["total"], counts["free"], counts["out_of_order"]) == (3, 2, 1)
    assert manager.patch(f"{URL}/{spot.pk}", {"type": "ev"}).json()["status"] == "out_of_order"
    assert manager.patch(f"{URL}/{spot.pk}", {"out_of_order": False}).json()["status"] == "in_service"
    assert manager.patch(f"{URL}/{spot.pk}", {}).json()["type"] == "ev"


@pytest.mark.parametrize("change", [{"out_of_order": True}, {"type": "ev"}])
def test_a_reserved_spot_stays(manager: APIClient, lot: Lot, spot: Spot, change: dict[str, Any]) -> None:
    reservation = ReservationFactory(lot=lot, spot=spot)
    answer = manager.patch(f"{URL}/{spot.pk}", change)
    assert (answer.status_code, error(answer)["code"]) == (409, "spot_reserved")
    assert error(answer)["meta"]["reservations"][0]["id"] == reservation.pk
    spot.refresh_from_db()
    assert (spot.type, spot.status) == ("standard", "in_service")


@pytest.mark.parametrize("change", [{"out_of_order": True}, {"type": "ev"}])
def test_reservations_are_moved_to_other_spots(manager: APIClient, lot: Lot, spot: Spot, change: dict) -> None:
    reservation = ReservationFactory(lot=lot, spot=spot)
    answer = manager.patch(f"{URL}/{spot.pk}", {**change, "relocate": True})
    assert answer.status_code == 200, answer.content
    reservation.refresh_from_db()
    assert (reservation.spot.number, reservation.lot_id) == (2, lot.pk)
    assert reservation.events.get().kind == "moved"
    assert Notification.objects.get().user == reservation.user


def test_all_are_moved_or_none(manager: APIClient, lot: Lot, spot: Spot) -> None:
    """The second finds no other spot, so the first stays too."""
    start = timezone.now() + timedelta(days=1)
    first = ReservationFactory(lot=lot, spot=spot)
    second = ReservationFactory(lot=lot, spot=spot, starts_at=start)
    for other in lot.spots.exclude(pk=spot.pk):
        ReservationFactory(lot=lot, spot=other, starts_at=start)
    answer = manager.patch(f"{URL}/{spot.pk}", {"out_of_order": True, "relocate": True})
    assert (answer.status_code, error(answer)["code"]) == (409, "spot_reserved")
    assert [row["id"] for row in error(answer)["meta"]["reservations"]] == [second.pk]
    first.refresh_from_db()
    assert (first.spot_id, first.events.count(), Notification.objects.count()) == (spot.pk, 0, 0)


def test_a_vehicle_cannot_be_moved(manager: APIClient, lot: Lot, spot: Spot) -> None:
    ReservationFactory(lot=lot, spot=spot, status="active", starts_at=timezone.now() - timedelta(hours=1))
    answer = manager.patch(f"{URL}/{spot.pk}", {"out_of_order": True, "relocate": True})
    assert (answer.status_code, error(answer)["code"]) == (409, "spot_reserved")
    assert manager.patch(f"{URL}/{spot.pk}", {"type": "ev"}).json()["type"] == "ev"


def test_who_did_not_come_is_not_in_the_way(manager: APIClient, lot: Lot, spot: Spot) -> None:
    late = ReservationFactory(lot=lot, spot=spot, starts_at=timezone.now() - timedelta(minutes=16))
    assert manager.patch(f"{URL}/{spot.pk}", {"out_of_order": True}).status_code == 200
    late.refresh_from_db()
    assert late.status == Reservation.Status.NO_SHOW


def test_who_did_not_come_does_not_stop_a_lot(manager: APIClient) -> None:
    start = timezone.now() - timedelta(minutes=16)
    shrinking, ending = ReservationFactory(starts_at=start), ReservationFactory(starts_at=start)
    assert manager.patch(f"/api/parking/lots/{shrinking.lot_id}", {"capacity": 1}).status_code == 200
    assert manager.delete(f"/api/parking/lots/{ending.lot_id}").status_code == 204
    assert set(Reservation.objects.values_list("status", flat=True)) == {"no_show"}


def test_a_retired_spot_is_for_the_history(manager: APIClient, spot: Spot) -> None:
    Spot.objects.filter(pk=spot.pk).update(status="retired")
    answer = manager.patch(f"{URL}/{spot.pk}", {"out_of_order": False})
    assert (answer.status_code, error(answer)["code"]) == (409, "spot_retired")


def test_the_spots_of_an_archived_lot_are_gone(manager: APIClient, lot: Lot, spot: Spot) -> None:
    Lot.objects.update(archived_at=timezone.now())
    assert manager.get(f"/api/parking/lots/{lot.pk}/spots").status_code == 404
    assert manager.get(f"{URL}/{spot.pk}").status_code == 404
    assert manager.patch(f"{URL}/{spot.pk}", {"type": "ev"}).status_code == 404


@pytest.mark.parametrize(
    "change", [{"type": "helicopter"}, {"status": "retired"}, {"out_of_order": "true"}, {"number": 7}, {"relocate": 1}]
)
def test_what_the_schema_does_not_allow_is_400(manager: APIClient, spot: Spot, change: dict[str, Any]) -> None:
    assert manager.patch(f"{URL}/{spot.pk}", change).status_code == 400
