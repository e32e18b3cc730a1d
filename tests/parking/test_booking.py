"""POST /api/parking/reservations: which spot, which time, which vehicle, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Vehicle
from parking.models import Lot, Reservation, Spot
from parking.services import booking
from tests.answers import error, refused
from tests.factories import VehicleFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/reservations"


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def lot(db: None) -> Lot:
    return LotFactory(spots=3)


def at(**delta: float) -> str:
    return (timezone.now() + timedelta(**delta)).isoformat().replace("+00:00", "Z")


def window(start_h: float, end_h: float) -> dict[str, str]:
    return {"starts_at": at(hours=start_h), "ends_at": at(hours=end_h)}


def test_book_now_is_active_on_the_lowest_spot(client: APIClient, user: User, lot: Lot) -> None:
    answer = client.post(URL, {"lot": lot.pk, "plate": "fc-20 03", "remarks": "Near the lift."})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["spot"]["number"], shown["spot"]["type"]) == ("active", 1, "standard")
    assert (shown["user"], shown["plate"], shown["checked_in_at"]) == (user.pk, "fc-20 03", shown["starts_at"])
    assert (shown["hourly_rate"], shown["currency"], shown["cost"], shown["paid"]) == ("3.00", "USD", None, "0.00")
    assert client.get(answer["Location"]).json() == shown
    reservation = Reservation.objects.get()
    assert reservation.ends_at - reservation.starts_at == timedelta(minutes=lot.default_stay_min)
    assert (reservation.plate_key, reservation.booked_until) == ("FC2003", reservation.ends_at)
    assert [(event.kind, event.new) for event in reservation.events.all()] == [("booked", "active")]


def test_a_booking_to_come_is_reserved_and_keeps_its_window(client: APIClient, lot: Lot) -> None:
    shown = client.post(URL, {"lot": lot.pk, "plate": "A 1", **window(2, 4)}).json()
    assert (shown["status"], shown["checked_in_at"], shown["is_overstay"]) == ("reserved", None, False)
    assert shown["ends_at"] == shown["booked_until"]


def test_the_next_spot_and_then_the_lot_is_full(client: APIClient, lot: Lot) -> None:
    numbers = [client.post(URL, {"lot": lot.pk, "plate": f"A {n}", **window(1, 2)}).json()["spot"] for n in range(3)]
    assert [spot["number"] for spot in numbers] == [1, 2, 3]
    answer = client.post(URL, {"lot": lot.pk, "plate": "A 9", **window(1.5, 3)})
    assert refused(answer) == (409, "lot_full")
    assert error(answer)["meta"]["other_types"] == []
    # Windows are half open: who comes when the others go finds a spot.
    assert client.post(URL, {"lot": lot.pk, "plate": "A 9", **window(2.01, 3)}).status_code == 201


def test_a_type_is_what_was_asked_for_and_standard_otherwise(client: APIClient, lot: Lot) -> None:
    Spot.objects.filter(lot=lot, number__in=[1, 3]).update(type="ev")
    lot.rates.update(surcharges={"ev": "10.00"})
    assert client.post(URL, {"lot": lot.pk, "plate": "A 1"}).json()["spot"]["number"] == 2
    full = client.post(URL, {"lot": lot.pk, "plate": "A 2"})
    assert (refused(full), error(full)["meta"]["other_types"]) == ((409, "lot_full"), ["ev"])
    charged = client.post(URL, {"lot": lot.pk, "plate": "A 2", "spot_type": "ev"}).json()
    assert (charged["spot"]["number"], charged["surcharge_percent"]) == (1, "10.00")


def test_spots_out_of_order_and_retired_are_passed_over(client: APIClient, lot: Lot) -> None:
    Spot.objects.filter(lot=lot, number=1).update(status="out_of_order")
    Spot.objects.filter(lot=lot, number=2).update(status="retired")
    assert client.post(URL, {"lot": lot.pk, "plate": "A 1"}).json()["spot"]["number"] == 3
    assert refused(client.post(URL, {"lot": lot.pk, "plate": "A 2"})) == (409, "lot_full")


def test_a_vehicle_of_the_garage_brings_its_plate_and_gets_a_timeline(client: APIClient, user: User, lot: Lot) -> None:
    vehicle = VehicleFactory(owner=user, plate="AB 12", color="red")
    shown = client.post(URL, {"lot": lot.pk, "vehicle": vehicle.pk}).json()
    assert (shown["vehicle"], shown["plate"]) == (vehicle.pk, "AB 12")
    assert (shown["vehicle_model"], shown["vehicle_color"]) == ("Toyota Corolla", "red")
    event = vehicle.events.get()
    assert (event.kind, event.reference, event.public_summary) == ("parked", f"reservation:{shown['id']}", "")
    assert event.private_summary == f"Parked at {lot.name}, spot 1."


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "vehicle_or_plate"),
        ({"plate": "A 1", "vehicle": 1}, "vehicle_or_plate"),
        ({"vehicle": 999999}, "does_not_exist"),
        ({"plate": "---"}, "plate_required"),
        ({"plate": "ß" * 16}, "plate_too_long"),
        ({"plate": "A 1", "ends_at": at(hours=-1)}, "end_before_start"),
        ({"plate": "A 1", "starts_at": at(hours=-1)}, "start_in_past"),
        ({"plate": "A 1", "starts_at": at(days=400)}, "too_far_ahead"),
        ({"plate": "A 1", **window(2, 1)}, "end_before_start"),
        ({"plate": "A 1", **window(1, 24 * 31)}, "stay_too_long"),
    ],
)
def test_what_makes_no_sense_is_422(client: APIClient, lot: Lot, body: dict[str, Any], code: str) -> None:
    assert refused(client.post(URL, {"lot": lot.pk, **body})) == (422, code)
    assert not Reservation.objects.exists()


def test_a_lot_that_does_not_exist_is_422(client: APIClient, lot: Lot) -> None:
    answer = client.post(URL, {"lot": 999999, "plate": "A 1"})
    assert (refused(answer), error(answer)["attr"]) == ((422, "does_not_exist"), "lot")


def test_a_vehicle_without_plate_and_another_persons_are_422(
    client: APIClient, user: User, other_user: User, lot: Lot
) -> None:
    bare, theirs = VehicleFactory(owner=user, plate=""), VehicleFactory(owner=other_user)
    assert refused(client.post(URL, {"lot": lot.pk, "vehicle": bare.pk})) == (422, "plate_required")
    assert refused(client.post(URL, {"lot": lot.pk, "vehicle": theirs.pk})) == (422, "does_not_exist")
    archived = VehicleFactory(owner=user, archived_at=timezone.now())
    assert refused(client.post(URL, {"lot": lot.pk, "vehicle": archived.pk})) == (422, "does_not_exist")


@pytest.mark.parametrize(
    "extra",
    [
        {"user": 1},
        {"status": "completed"},
        {"cost": "0.00"},
        {"spot": 1},
        {"reference": "X"},
        {"colour": "red"},
        {"plate": ""},
        {"plate": 12},
        {"plate": None},
        {"spot_type": "yacht"},
        {"starts_at": "tomorrow"},
        {"lot": "1"},
        {"remarks": "x" * 501},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, lot: Lot, extra: dict[str, Any]) -> None:
    assert client.post(URL, {"lot": lot.pk, "plate": "A 1", **extra}).status_code == 400
    assert not Reservation.objects.exists()


def test_an_archived_or_closed_lot_takes_nobody(client: APIClient, lot: Lot) -> None:
    Lot.objects.filter(pk=lot.pk).update(is_active=False)
    closed = client.post(URL, {"lot": lot.pk, "plate": "A 1"})
    assert (refused(closed), error(closed)["meta"]) == ((409, "lot_closed"), {"reason": "inactive"})
    Lot.objects.filter(pk=lot.pk).update(archived_at=timezone.now())
    assert refused(client.post(URL, {"lot": lot.pk, "plate": "A 1"})) == (409, "lot_archived")


@pytest.mark.parametrize(
    ("hours", "zone", "begin", "end", "taken"),
    [
        ((8, 20), "UTC", 9, 19, True),
        ((8, 20), "UTC", 7, 9, False),
        ((8, 20), "UTC", 19, 21, False),
        ((8, 20), "UTC", 19, 20, True),
        ((8, 20), "UTC", 19, 33, True),  # Overnight: it stands there while the lot is closed.
        ((20, 4), "UTC", 22, 27, True),
        ((20, 4), "UTC", 3, 5, False),
        ((8, 20), "Asia/Tokyo", 23.5, 33, True),  # From 8:30 to 18:00 there.
        ((8, 20), "Asia/Tokyo", 12, 13, False),
    ],
)
def test_one_comes_and_goes_while_the_lot_is_open(
    user: User, hours: tuple[int, int], zone: str, begin: float, end: float, taken: bool
) -> None:
    lot = LotFactory(opens_at=time(hours[0]), closes_at=time(hours[1]), timezone=zone)
    midnight = datetime(2026, 3, 10, tzinfo=UTC)
    asked = {"starts_at": midnight + timedelta(hours=begin), "ends_at": midnight + timedelta(hours=end)}
    if taken:
        assert booking.book(user=user, lot_id=lot.pk, plate="A 1", now=midnight, **asked).status == "reserved"
    else:
        with pytest.raises(booking.LotClosed) as refusal:
            booking.book(user=user, lot_id=lot.pk, plate="A 1", now=midnight, **asked)
        assert refusal.value.meta is not None
        assert refusal.value.meta["reason"] == "opening_hours"


def test_a_default_stay_ends_when_the_lot_closes(user: User) -> None:
    lot = LotFactory(opens_at=time(8), closes_at=time(20), default_stay_min=180)
    now = datetime(2026, 3, 10, 19, tzinfo=UTC)
    assert booking.book(user=user, lot_id=lot.pk, plate="A 1", now=now).ends_at.hour == 20


def test_in_the_hour_that_autumn_repeats_it_ends_at_the_closing_to_come(user: User) -> None:
    lot = LotFactory(opens_at=time(20), closes_at=time(2, 30), timezone="Europe/Berlin")
    now = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # The second ten past two of that night.
    stay = booking.book(user=user, lot_id=lot.pk, plate="A 1", now=now)
    stay.refresh_from_db()
    assert stay.ends_at == now + timedelta(minutes=20)


def test_a_plate_parks_once_and_its_driver_is_told_where(
    client: APIClient, as_user: Any, other_user: User, lot: Lot
) -> None:
    first = client.post(URL, {"lot": lot.pk, "plate": "AB 1"}).json()
    elsewhere = LotFactory()
    for body in ({"lot": lot.pk}, {"lot": elsewhere.pk}, {"lot": elsewhere.pk, **window(1, 5)}):
        again = client.post(URL, {"plate": "a-b1", **body})
        assert (refused(again), error(again)["meta"]) == ((409, "plate_in_use"), {"reservation": first["id"]})
    strangers = as_user(other_user).post(URL, {"lot": lot.pk, "plate": "AB1"})
    assert refused(strangers) == (409, "plate_in_use")
    assert "meta" not in error(strangers)
    assert client.post(URL, {"lot": elsewhere.pk, "plate": "AB1", **window(3, 5)}).status_code == 201


def test_a_plate_that_should_have_left_parks_nowhere_else_but_books_for_later(client: APIClient, lot: Lot) -> None:
    now = timezone.now()
    ReservationFactory(
        lot=LotFactory(),
        plate="AB 1",
        status="active",
        starts_at=now - timedelta(hours=3),
        ends_at=now - timedelta(hours=1),
    )
    assert refused(client.post(URL, {"lot": lot.pk, "plate": "AB1"})) == (409, "plate_in_use")
    assert client.post(URL, {"lot": lot.pk, "plate": "AB1", **window(5, 6)}).status_code == 201


def late_driver(lot: Lot, plate: str, **fields: Any) -> Reservation:
    starts_at = timezone.now() - timedelta(minutes=20)
    return ReservationFactory(lot=lot, plate=plate, starts_at=starts_at, **fields)


def test_a_no_show_makes_way(client: APIClient) -> None:
    lot = LotFactory(spots=1)
    missed = late_driver(lot, "AB 1")
    assert client.post(URL, {"lot": lot.pk, "plate": "AB 2"}).status_code == 201
    missed.refresh_from_db()
    assert (missed.status, missed.events.get().new) == ("no_show", "no_show")


def test_a_plates_own_no_show_in_another_lot_makes_way(client: APIClient, lot: Lot) -> None:
    missed = late_driver(LotFactory(), "AB 1")
    assert client.post(URL, {"lot": lot.pk, "plate": "AB 1"}).status_code == 201
    missed.refresh_from_db()
    assert missed.status == "no_show"


def test_an_overdue_vehicle_keeps_its_spot(client: APIClient) -> None:
    """Its time is over, but it stands there: a booking does not get the spot, not even within the grace."""
    now = timezone.now()
    for minutes in (5, 40):
        lot = LotFactory(spots=1)
        parked = ReservationFactory(
            lot=lot,
            status="active",
            starts_at=now - timedelta(hours=2),
            ends_at=now - timedelta(minutes=minutes),
        )
        assert refused(client.post(URL, {"lot": lot.pk, "plate": "AB 2"})) == (409, "lot_full")
        parked.refresh_from_db()
        assert parked.status == "active"


def test_a_later_price_does_not_touch_a_booking(client: APIClient, lot: Lot) -> None:
    first = client.post(URL, {"lot": lot.pk, "plate": "A 1"}).json()
    lot.rates.create(version=2, price="9.00", currency="USD")
    assert client.post(URL, {"lot": lot.pk, "plate": "A 2"}).json()["hourly_rate"] == "9.00"
    assert client.get(f"{URL}/{first['id']}").json()["hourly_rate"] == "3.00"


def test_nobody_holds_more_than_a_hundred(client: APIClient, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "MOST_OPEN", 2)
    lot = LotFactory(spots=5)
    for number in range(2):
        assert client.post(URL, {"lot": lot.pk, "plate": f"A {number}"}).status_code == 201
    assert refused(client.post(URL, {"lot": lot.pk, "plate": "A 9"})) == (409, "too_many_reservations")


def test_a_reference_that_exists_is_made_again(client: APIClient, lot: Lot, monkeypatch: pytest.MonkeyPatch) -> None:
    ReservationFactory(lot=LotFactory(), reference="PK-SAME")
    references = iter(["PK-SAME", "PK-OTHER"])
    monkeypatch.setattr(booking, "new_reference", lambda prefix: next(references))
    assert client.post(URL, {"lot": lot.pk, "plate": "A 1"}).json()["reference"] == "PK-OTHER"


def test_a_repeated_post_with_a_key_books_once(client: APIClient, lot: Lot) -> None:
    answers = [client.post(URL, {"lot": lot.pk, "plate": "A 1"}, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Reservation.objects.count() == 1


def test_a_booking_takes_ten_queries_at_most_beside_the_check_of_the_user(
    client: APIClient, user: User, lot: Lot
) -> None:
    vehicle: Vehicle = VehicleFactory(owner=user)
    client.post(URL, {"lot": lot.pk, "plate": "WARM 1"})
    with CaptureQueriesContext(connection) as few:
        assert client.post(URL, {"lot": lot.pk, "vehicle": vehicle.pk}).status_code == 201
    ours = [query["sql"] for query in few][1:]  # The first one is the check of the user.
    # The outermost savepoint is BEGIN and COMMIT where no test is around it.
    assert len(ours) - 2 <= 10, ours


def test_the_number_of_queries_does_not_grow_with_the_lot(client: APIClient, django_assert_num_queries: Any) -> None:
    counts = []
    for spots in (2, 60):
        lot = LotFactory(spots=spots)
        for number, spot in enumerate(lot.spots.order_by("number")[: spots - 1]):
            ReservationFactory(lot=lot, spot=spot, plate=f"Q {spots} {number}", starts_at=timezone.now())
        with CaptureQueriesContext(connection) as captured:
            assert client.post(URL, {"lot": lot.pk, "plate": f"A {spots}"}).status_code == 201
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_stranger_must_sign_in(api: APIClient, lot: Lot) -> None:
    assert api.post(URL, {"lot": lot.pk, "plate": "A 1"}).status_code == 401
