"""The sweeps of parking against drivers, bookings and themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Notification
from common.sweeps import SweepResult
from parking.models import Lot, Reservation, ReservationEvent
from parking.services import no_shows, overstay, vacancies
from parking.services.booking import LotFull, book
from parking.services.no_shows import sweep_no_shows
from parking.services.overstay import settle_overdue, sweep_overstays
from parking.services.reservations import check_in, release
from parking.services.states import lock_lot
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AT_ONCE = 8
MINUTE = timedelta(minutes=1)


def parked(lot: Lot, *, over_min: int, spot: int = 1) -> Reservation:
    end = timezone.now() - over_min * MINUTE
    place = {"lot": lot, "spot": lot.spots.get(number=spot)}
    return ReservationFactory(**place, status="active", starts_at=end - timedelta(hours=2), ends_at=end)


def full_lot_with_overstays(spots: int) -> Lot:
    """Each spot has a vehicle past its grace, and a reservation that cannot begin."""
    lot = LotFactory(spots=spots)
    for spot in lot.spots.all():
        parked(lot, over_min=15, spot=spot.number)
        ReservationFactory(lot=lot, spot=spot, starts_at=timezone.now() - 2 * MINUTE)
    return lot


def overlaps() -> int:
    """Pairs of reservations that hold one spot at the same time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM parking_reservation a JOIN parking_reservation b ON a.spot_id = b.spot_id"
            " AND a.id < b.id AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)"
            " WHERE a.status IN ('reserved', 'active') AND b.status IN ('reserved', 'active')"
        )
        return int(cursor.fetchone()[0])


def test_sweep_by_sweep_each_is_told_once() -> None:
    full_lot_with_overstays(4)
    now = timezone.now()
    results = race([partial(sweep_overstays, now=now)] * AT_ONCE)
    assert all(isinstance(result, SweepResult) and not result.failed for result in results), results
    sweep_overstays(now=now)
    assert Reservation.objects.filter(status="active", is_overstay=True, ends_at=now + 10 * MINUTE).count() == 4
    assert Reservation.objects.filter(status="cancelled").count() == 4
    assert Notification.objects.count() == ReservationEvent.objects.count() == 8


def test_without_looking_again_under_the_lock_they_are_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a sweep that takes the rows as it first saw them."""
    all_have_seen = threading.Barrier(2)

    def naive(queryset: Any, handle: Callable[..., None], *, now: datetime) -> SweepResult:
        rows = list(queryset)
        all_have_seen.wait(timeout=30)
        for row in rows:
            handle(row, now=now)
        return SweepResult(len(rows), 0)

    parked(LotFactory(), over_min=15)
    monkeypatch.setattr(overstay, "sweep", naive)
    race([partial(sweep_overstays, now=timezone.now())] * 2)
    assert Notification.objects.count() == 2


def test_sweep_by_release_the_vehicle_has_left_at_the_end_and_is_charged_once() -> None:
    for _ in range(5):
        reservation = parked(LotFactory(), over_min=15)
        now = timezone.now()
        results = race(
            [partial(sweep_overstays, now=now)] * 4
            + [partial(release, reservation=reservation, actor=reservation.user, now=now)]
        )
        assert isinstance(results[-1], Reservation), results
        assert not any(isinstance(result, SweepResult) and result.failed for result in results)
        reservation.refresh_from_db()
        assert (reservation.status, reservation.released_at, reservation.cost) == ("completed", now, 9)


def test_without_the_lock_the_driver_of_a_vehicle_that_has_left_is_told() -> None:
    """The control: the row as it was read before the release."""
    reservation = parked(LotFactory(), over_min=15)
    stale = Reservation.objects.get(pk=reservation.pk)
    release(reservation=reservation, actor=reservation.user, now=timezone.now())
    overstay.flag_overstay(stale, now=timezone.now())
    reservation.refresh_from_db()
    assert (reservation.status, reservation.is_overstay) == ("completed", True)
    assert Notification.objects.count() == 1


def sweep_against_bookings(lot: Lot) -> list[object]:
    now = timezone.now()
    users = UserFactory.create_batch(AT_ONCE)
    bookings = [partial(book, user=user, lot_id=lot.pk, plate=f"RACE {user.pk}", now=now) for user in users]
    return race([partial(sweep_overstays, now=now), partial(sweep_no_shows, now=now), *bookings])


def test_sweep_by_book_nobody_gets_a_spot_on_which_a_vehicle_stands() -> None:
    lot = full_lot_with_overstays(3)
    lot.spots.create(number=4)
    standing = set(Reservation.objects.filter(status="active").values_list("spot_id", flat=True))
    results = sweep_against_bookings(lot)
    got = [result for result in results if isinstance(result, Reservation)]
    assert all(isinstance(result, LotFull | Reservation | SweepResult) for result in results), results
    assert not standing & {reservation.spot_id for reservation in got}
    assert len(got) <= 1
    assert overlaps() == 0


@pytest.fixture
def nobody_looks_for_overdue_vehicles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(overstay, "settle_overdue", lambda **_: None)
    monkeypatch.setattr(overstay, "sweep", lambda *_, **__: SweepResult(0, 0))
    monkeypatch.setattr(vacancies, "due_overstays", lambda **_: Q(pk__in=[]))
    vacancies._statement.cache_clear()
    yield
    vacancies._statement.cache_clear()


def test_without_the_step_a_booking_gets_such_a_spot(nobody_looks_for_overdue_vehicles: None) -> None:
    """The control."""
    lot = LotFactory(spots=1)
    late = parked(lot, over_min=15)
    (got,) = [result for result in sweep_against_bookings(lot) if isinstance(result, Reservation)]
    assert got.spot_id == late.spot_id


def test_no_show_sweep_by_check_in_one_of_them_has_it() -> None:
    for _ in range(8):
        now = timezone.now()
        reservation = ReservationFactory(starts_at=now - 14 * MINUTE)
        results = race(
            [partial(sweep_no_shows, now=now + MINUTE)] * 2
            + [partial(check_in, reservation=reservation, actor=reservation.user, now=now)]
        )
        reservation.refresh_from_db()
        came = isinstance(results[-1], Reservation)
        assert reservation.status == ("active" if came else "no_show"), results
        assert reservation.events.count() == 1


def test_without_the_lock_who_came_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the row as it was read before the driver came."""
    now = timezone.now()
    reservation = ReservationFactory(starts_at=now - 14 * MINUTE)
    stale = Reservation.objects.get(pk=reservation.pk)
    check_in(reservation=reservation, actor=reservation.user, now=now)
    no_shows.give_up(stale, now=now + MINUTE)
    reservation.refresh_from_db()
    assert (reservation.status, reservation.checked_in_at is not None) == ("no_show", True)


def test_a_plate_that_another_lot_takes_at_the_same_moment_does_not_stop_the_step() -> None:
    """The other lot's lock is not ours, so the constraint speaks: all keep their spots, this one until that booking."""
    lot = LotFactory(spots=3)
    lates = [parked(lot, over_min=15, spot=number) for number in (1, 2, 3)]
    now = timezone.now()
    taken = threading.Event()

    def take_the_plate() -> None:
        """What a booking elsewhere does, held open until the step waits for it."""
        with transaction.atomic():
            ReservationFactory(lot=LotFactory(), plate=lates[1].plate, starts_at=now + MINUTE)
            taken.set()
            wait_until_somebody_waits()

    def settle() -> None:
        assert taken.wait(timeout=30)
        with transaction.atomic():
            lock_lot(lot.pk)
            settle_overdue(lot_id=lot.pk, now=now)

    assert race([take_the_plate, settle]) == [None, None]
    ends = list(Reservation.objects.filter(lot=lot).order_by("spot__number").values_list("ends_at", flat=True))
    assert ends == [now + 10 * MINUTE, now + MINUTE, now + 10 * MINUTE]


def test_a_plate_that_is_taken_even_later_leaves_the_vehicle_due() -> None:
    late = parked(LotFactory(), over_min=15)
    ended_at, now = late.ends_at, timezone.now()
    ReservationFactory(lot=LotFactory(), plate=late.plate, starts_at=now)
    with transaction.atomic():
        overstay._keep(late, until=now + MINUTE)
        assert late.ends_at == Reservation.objects.get(pk=late.pk).ends_at == ended_at


def wait_until_somebody_waits() -> None:
    """For this transaction, at most 30 seconds."""
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone()[0]:
                return
    raise TimeoutError
