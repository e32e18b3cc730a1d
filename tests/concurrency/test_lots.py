"""A lot that shrinks, closes or is archived while it is booked: whoever comes after it is refused, and no reservation
is left on a spot that is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from parking.models import Lot, Reservation, Spot
from parking.services import booking, lots
from parking.services.booking import LotArchived, LotClosed, LotFull
from parking.services.lots import LotInUse, SpotReserved, SpotsOccupied
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db(transaction=True)

SPOTS, DRIVERS, ROUNDS = 6, 8, 3


def bookings(lot: Lot, now: datetime, count: int = DRIVERS) -> list[Callable[[], Any]]:
    """Each of another driver, all for the same time."""
    start = now + timedelta(hours=1)
    facts = {"lot_id": lot.pk, "starts_at": start, "ends_at": start + timedelta(hours=1), "now": now}
    return [partial(booking.book, user=UserFactory(), plate=f"P {number}", **facts) for number in range(count)]


def then_count(change: Callable[[], Any], lot: Lot) -> Callable[[], int]:
    """Make the change, and count the reservations that there are once it is committed."""

    def run() -> int:
        change()
        return Reservation.objects.filter(lot=lot).count()

    return run


def on_gone_spots() -> int:
    return Reservation.objects.occupying().filter(spot__status=Spot.Status.RETIRED).count()


def closing(lot: Lot, now: datetime) -> Callable[[], Any]:
    return partial(lots.update_lot, lot=lot, data={"is_active": False}, actor=None, now=now)


def shrinking(lot: Lot, now: datetime, capacity: int) -> Callable[[], Any]:
    return partial(lots.update_lot, lot=lot, data={"capacity": capacity}, actor=None, now=now)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_no_reservation_is_left_on_a_retired_spot(_round: int) -> None:
    lot, now = LotFactory(spots=SPOTS), timezone.now()
    actions = bookings(lot, now)
    shrunk, *booked = race([shrinking(lot, now, SPOTS - 3), *actions])
    assert on_gone_spots() == 0
    left = SPOTS if isinstance(shrunk, SpotsOccupied) else SPOTS - 3
    assert lot.spots.exclude(status=Spot.Status.RETIRED).count() == left
    assert sum(isinstance(result, Reservation) for result in booked) == left
    assert sum(isinstance(result, LotFull) for result in booked) == DRIVERS - left


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_nobody_books_a_lot_that_has_closed(_round: int) -> None:
    lot, now = LotFactory(spots=DRIVERS), timezone.now()
    actions = bookings(lot, now)
    at_the_close, *booked = race([then_count(closing(lot, now), lot), *actions])
    assert at_the_close == Reservation.objects.count() == sum(isinstance(result, Reservation) for result in booked)
    assert all(isinstance(result, Reservation | LotClosed) for result in booked)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_a_lot_is_archived_or_booked(_round: int) -> None:
    lot, now = LotFactory(spots=DRIVERS), timezone.now()
    actions = bookings(lot, now)
    archived, *booked = race([partial(lots.archive_lot, lot=lot, now=now), *actions])
    lot.refresh_from_db()
    if lot.archived_at is None:
        assert isinstance(archived, LotInUse)
        assert all(isinstance(result, Reservation) for result in booked)
    else:
        assert all(isinstance(result, LotArchived) for result in booked)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_a_spot_is_out_of_order_or_booked(_round: int) -> None:
    lot, now = LotFactory(spots=1), timezone.now()
    change = partial(lots.update_spot, spot=lot.spots.get(), data={"out_of_order": True}, actor=None, now=now)
    results = race([change, *bookings(lot, now, 3)])
    held = Reservation.objects.occupying().count()
    assert held == (1 if isinstance(results[0], SpotReserved) else 0)
    assert lot.spots.get().status == ("in_service" if held else "out_of_order")


def test_two_who_shrink_and_grow_at_once_leave_one_of_the_sizes() -> None:
    lot, now = LotFactory(spots=SPOTS), timezone.now()
    results = race([shrinking(lot, now, size) for size in (2, 4, 8, 10)])
    assert all(isinstance(result, Lot) for result in results)
    assert lot.spots.exclude(status=Spot.Status.RETIRED).count() in (2, 4, 8, 10)


def test_parallel_prices_are_versions_in_a_row() -> None:
    lot, now = LotFactory(), timezone.now()
    prices = [partial(lots.update_lot, lot=lot, data={"rate": {"price": n}}, actor=None, now=now) for n in range(4, 10)]
    assert all(isinstance(result, Lot) for result in race(prices))
    assert sorted(lot.rates.values_list("version", flat=True)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.postgres
@pytest.mark.parametrize("change", ["shrink", "close", "archive"])
def test_without_the_lock_a_reservation_slips_in(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """The control: a booking that only reads the lot has found its spot when the lot changes."""
    lot, now = LotFactory(spots=2), timezone.now()
    if change == "shrink":  # Number 1 is taken, so the driver finds number 2, which goes.
        ReservationFactory(lot=lot, starts_at=now, ends_at=now + timedelta(days=1))
    found, changed = threading.Event(), threading.Event()
    look = booking._find_spot

    def find_and_wait(*args: Any, **kwargs: Any) -> Spot:
        spot = look(*args, **kwargs)
        found.set()
        assert changed.wait(timeout=30)
        return spot

    def change_meanwhile() -> int:
        assert found.wait(timeout=30)
        counted = then_count(change_lot, lot)()
        changed.set()
        return counted

    change_lot = {
        "shrink": shrinking(lot, now, 1),
        "close": closing(lot, now),
        "archive": partial(lots.archive_lot, lot=lot, now=now),
    }[change]
    monkeypatch.setattr(booking, "lock_lot", lambda pk, **_: Lot.objects.get(pk=pk))
    monkeypatch.setattr(booking, "_find_spot", find_and_wait)
    counted, booked = race([change_meanwhile, *bookings(lot, now, 1)])
    assert isinstance(booked, Reservation), booked
    assert Reservation.objects.count() == counted + 1
    assert on_gone_spots() == (1 if change == "shrink" else 0)
