"""One lot, many drivers: nobody gets a spot twice, nobody is refused who need not be, and nobody pays twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any

import httpx
import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.tokens import issue_tokens
from parking.models import Lot, Reservation, ReservationEvent
from parking.services import booking, reservations
from parking.services.allocation import free_spots
from parking.services.booking import LotFull, PlateInUse
from parking.services.reservations import AlreadyReleased, SpotTaken
from tests.concurrency.race import race
from tests.concurrency.second_server import second_server
from tests.concurrency.served import served
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/parking/reservations"
AT_ONCE = 8
OVERLAPS = """
    SELECT count(*) FROM parking_reservation one JOIN parking_reservation other
    ON one.id < other.id AND one.{column} = other.{column}
    AND one.starts_at < other.ends_at AND other.starts_at < one.ends_at
    WHERE one.status IN ('reserved', 'active') AND other.status IN ('reserved', 'active')
"""


def overlaps(column: str) -> int:
    """Pairs of reservations that hold the same spot, or the same plate, at the same time."""
    with connection.cursor() as cursor:
        cursor.execute(OVERLAPS.format(column=column))
        found: int = cursor.fetchone()[0]
    return found


def drivers(number: int) -> list[dict[str, str]]:
    """The headers of so many signed-in people."""
    now = timezone.now()
    return [
        {"Authorization": f"Bearer {issue_tokens(user=user, now=now).access}"}
        for user in UserFactory.create_batch(number)
    ]


def post(server: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> tuple[int, str]:
    """The status, and the code of a refusal."""
    answer = httpx.post(server + path, json=body or {}, headers=headers, timeout=60)
    code = answer.json()["errors"][0]["code"] if answer.status_code >= 400 else ""
    return answer.status_code, code


def at_once(calls: list[Callable[[str], tuple[int, str]]]) -> Counter[Any]:
    """How often each answer came, the callers divided between two server processes."""
    with served() as here, second_server() as there:
        return Counter(race([partial(call, (here, there)[number % 2]) for number, call in enumerate(calls)]))


def booker(headers: dict[str, str], **body: Any) -> Callable[[str], tuple[int, str]]:
    return lambda server: post(server, URL, headers, body)


def window(begin: float, end: float, now: datetime) -> dict[str, datetime]:
    """Hours from now."""
    return {"starts_at": now + timedelta(hours=begin), "ends_at": now + timedelta(hours=end)}


def as_json(moments: dict[str, datetime]) -> dict[str, str]:
    return {name: moment.isoformat() for name, moment in moments.items()}


@pytest.fixture
def unguarded() -> Iterator[None]:
    """Without the constraints that refuse double bookings: what is left is the code alone."""
    migration = import_module("parking.migrations.0002_exclusions")
    with connection.schema_editor() as editor:
        migration.remove(apps, editor)
        editor.execute("DROP INDEX reservation_plate_parked_once")
    yield
    ReservationEvent.objects.all().delete()
    Reservation.objects.all().delete()
    with connection.schema_editor() as editor:
        migration.create(apps, editor)
        (unique,) = [item for item in Reservation._meta.constraints if item.name == "reservation_plate_parked_once"]
        editor.add_constraint(Reservation, unique)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lot is read and not locked."""

    def only_read(lot_id: int, **_: Any) -> Lot:
        return Lot.objects.get(pk=lot_id)

    monkeypatch.setattr(booking, "lock_lot", only_read)
    monkeypatch.setattr(reservations, "lock_lot", only_read)


def book_at_once(lot: Lot, *, look_first: pytest.MonkeyPatch | None = None) -> list[Any]:
    """Eight drivers want a spot now. With `look_first` all of them have found one before anybody takes it."""
    users = UserFactory.create_batch(AT_ONCE)
    if look_first is not None:
        _meet_after(booking, "_find_spot", look_first)
    now = timezone.now()
    return race(
        [
            partial(booking.book, user=user, lot_id=lot.pk, plate=f"R {number}", now=now)
            for number, user in enumerate(users)
        ]
    )


def _meet_after(module: Any, name: str, monkeypatch: pytest.MonkeyPatch, parties: int = AT_ONCE) -> None:
    """Whoever has called the function first waits for the others; later calls of a thread do not."""
    everybody, original, mine = threading.Barrier(parties), getattr(module, name), threading.local()

    def call_and_meet(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if not getattr(mine, "met", False):
            mine.met = True
            everybody.wait(timeout=30)
        return result

    monkeypatch.setattr(module, name, call_and_meet)


# --- The last spots


@pytest.mark.postgres
@pytest.mark.fault("F24", "64 drivers, 50 spots", expected="50 are booked, 14 are told that it is full")
def test_sixty_four_drivers_get_fifty_spots() -> None:
    lot = LotFactory(spots=50)
    asked = [booker(who, lot=lot.pk, plate=f"R {number}") for number, who in enumerate(drivers(64))]
    assert at_once(asked) == {(201, ""): 50, (409, "lot_full"): 14}
    assert sorted(Reservation.objects.values_list("spot__number", flat=True)) == list(range(1, 51))


def test_eight_drivers_get_five_spots_on_every_database() -> None:
    results = book_at_once(LotFactory(spots=5))
    assert Counter(type(result) for result in results) == {Reservation: 5, LotFull: 3}, results
    assert Reservation.objects.values("spot").distinct().count() == 5


@pytest.mark.postgres
def test_without_lock_and_constraint_all_park_on_the_same_spot(
    unlocked: None, unguarded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: each has seen that spot 1 is free."""
    results = book_at_once(LotFactory(spots=5), look_first=monkeypatch)
    assert [result.spot.number for result in results] == [1] * AT_ONCE
    assert overlaps("spot_id") == AT_ONCE * (AT_ONCE - 1) / 2


@pytest.mark.postgres
def test_without_the_lock_the_constraint_is_the_judge_and_who_lost_looks_again(
    unlocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "MOST_ATTEMPTS", 3 * AT_ONCE)
    results = book_at_once(LotFactory(spots=5), look_first=monkeypatch)
    assert Counter(type(result) for result in results) == {Reservation: 5, LotFull: 3}, results
    assert overlaps("spot_id") == 0


# --- Windows


@pytest.mark.postgres
def test_overlapping_windows_never_share_a_spot_and_nobody_is_refused_without_need() -> None:
    lot, now = LotFactory(spots=6), timezone.now()
    windows = [(1 + number % 5, 3 + number % 5 + number % 3) for number in range(40)]
    asked = [
        booker(who, lot=lot.pk, plate=f"R {number}", **as_json(window(*windows[number], now)))
        for number, who in enumerate(drivers(40))
    ]
    answers = at_once(asked)
    assert set(answers) == {(201, ""), (409, "lot_full")}, answers
    assert overlaps("spot_id") == 0
    booked = Reservation.objects.values_list("plate", flat=True)
    # Nothing was given back meanwhile: to whoever was refused the lot is still full.
    for number, hours in enumerate(windows):
        if f"R {number}" not in booked:
            assert not free_spots(lot_id=lot.pk, **window(*hours, now)).exists(), hours


@pytest.mark.postgres
def test_without_lock_and_constraint_windows_share_a_spot(
    unlocked: None, unguarded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: two windows that overlap by half."""
    lot, now = LotFactory(spots=2), timezone.now()
    _meet_after(booking, "_find_spot", monkeypatch, parties=2)
    facts = {"lot_id": lot.pk, "now": now}
    race(
        [
            partial(booking.book, user=UserFactory(), plate=f"R {hours[0]}", **facts, **window(*hours, now))
            for hours in ((1, 3), (2, 4))
        ]
    )
    assert overlaps("spot_id") == 1


# --- One plate


@pytest.mark.postgres
def test_one_plate_is_booked_once_whatever_the_lots() -> None:
    lots = LotFactory.create_batch(4, spots=20)
    asked = [booker(who, lot=lots[number % 4].pk, plate="AB-12") for number, who in enumerate(drivers(32))]
    assert at_once(asked) == {(201, ""): 1, (409, "plate_in_use"): 31}
    assert Reservation.objects.count() == 1


@pytest.mark.postgres
def test_one_plate_is_booked_once_for_windows_that_overlap() -> None:
    lots, now = LotFactory.create_batch(2, spots=20), timezone.now()
    asked = [
        booker(who, lot=lots[number % 2].pk, plate="AB-12", **as_json(window(2 + number / 8, 4 + number / 8, now)))
        for number, who in enumerate(drivers(12))
    ]
    assert at_once(asked) == {(201, ""): 1, (409, "plate_in_use"): 11}


@pytest.mark.postgres
def test_without_the_constraint_a_plate_parks_in_every_lot(unguarded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the lots' locks do not know of one another."""
    _meet_after(booking, "_find_spot", monkeypatch)
    now = timezone.now()
    lots = LotFactory.create_batch(AT_ONCE)
    race([partial(booking.book, user=UserFactory(), lot_id=lot.pk, plate="AB-12", now=now) for lot in lots])
    assert overlaps("plate_key") == AT_ONCE * (AT_ONCE - 1) / 2


@pytest.mark.postgres
def test_all_have_looked_and_still_one_plate_parks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the control, with the constraints: the losers wait for the winner and look again, without any deadlock."""
    _meet_after(booking, "_find_spot", monkeypatch)
    now = timezone.now()
    lots = LotFactory.create_batch(AT_ONCE)
    results = race([partial(booking.book, user=UserFactory(), lot_id=lot.pk, plate="AB-12", now=now) for lot in lots])
    assert Counter(type(result) for result in results) == {Reservation: 1, PlateInUse: AT_ONCE - 1}, results


# --- Release


def parked(lot: Lot, user: User, **fields: Any) -> Reservation:
    started = timezone.now() - timedelta(minutes=61)
    reservation: Reservation = ReservationFactory(user=user, lot=lot, status="active", starts_at=started, **fields)
    return reservation


@pytest.mark.postgres
@pytest.mark.fault("F24", "one stay released by many", expected="charged once")
def test_a_stay_is_charged_once_however_often_it_is_released(user: User) -> None:
    stay = parked(LotFactory(), user)
    headers = {"Authorization": f"Bearer {issue_tokens(user=user, now=timezone.now()).access}"}
    path = f"{URL}/{stay.pk}/release"
    answers = at_once([lambda server: post(server, path, headers)] * 12)
    assert answers == {(200, ""): 1, (409, "already_released"): 11}
    stay.refresh_from_db()
    assert str(stay.cost) == "6.00"
    assert stay.events.filter(kind="status").count() == 1


@pytest.mark.postgres
def test_without_the_lock_each_release_charges(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have read that the vehicle is parked, and each charges for another time."""
    stay, all_have_read = parked(LotFactory(), user), threading.Barrier(AT_ONCE)

    def only_read(reservation_id: int) -> Reservation:
        found = Reservation.objects.select_related("lot", "spot", "rate", "vehicle").get(pk=reservation_id)
        all_have_read.wait(timeout=30)
        return found

    monkeypatch.setattr(reservations, "lock_reservation", only_read)
    now = timezone.now()
    results = race(
        [
            partial(reservations.release, reservation=stay, actor=user, now=now + timedelta(hours=number))
            for number in range(AT_ONCE)
        ]
    )
    assert not [result for result in results if isinstance(result, AlreadyReleased)]
    assert stay.events.filter(kind="status").count() == AT_ONCE


# --- Extend x book


def extend_and_book(user: User) -> list[Any]:
    """The only spot of a lot: its driver wants to stay from the first to the third hour, another has it from then."""
    lot, now = LotFactory(spots=1), timezone.now()
    stay = parked(lot, user, ends_at=now + timedelta(hours=1), plate=f"S {lot.pk}")
    return race(
        [
            partial(reservations.extend, reservation=stay, ends_at=now + timedelta(hours=3), actor=user, now=now),
            partial(booking.book, user=UserFactory(), lot_id=lot.pk, plate=f"B {lot.pk}", now=now, **window(2, 4, now)),
        ]
    )


def test_of_an_extension_and_a_booking_of_the_same_time_one_wins(user: User) -> None:
    for _ in range(10):
        extended, booked = extend_and_book(user)
        assert {type(extended), type(booked)} in ({Reservation, LotFull}, {Reservation, SpotTaken}), (extended, booked)
    assert overlaps("spot_id") == 0


@pytest.mark.postgres
def test_without_lock_and_constraint_both_win(
    user: User, unlocked: None, unguarded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both have seen that the time is free."""
    both = threading.Barrier(2)
    for module, name in ((booking, "_find_spot"), (reservations, "_require_free_until")):
        original = getattr(module, name)

        def look_and_meet(*args: Any, _original: Any = original, **kwargs: Any) -> Any:
            result = _original(*args, **kwargs)
            both.wait(timeout=30)
            return result

        monkeypatch.setattr(module, name, look_and_meet)
    assert {type(result) for result in extend_and_book(user)} == {Reservation}
    assert overlaps("spot_id") == 1
