"""Vehicles that stay longer than booked: ten minutes of grace, the flag, and who makes way for whom."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification
from parking.models import Lot, Reservation
from parking.services.allocation import relocate
from parking.services.booking import LotFull, book
from parking.services.messages import PARKING_CANCELLED, PARKING_MOVED, PARKING_OVERSTAY
from parking.services.no_shows import sweep_no_shows
from parking.services.overstay import settle_overdue, sweep_overstays
from parking.services.reservations import SpotTaken, check_in
from parking.tasks import sweep_overstays as task
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()
MINUTE = timedelta(minutes=1)
GRACE = 10 * MINUTE


@pytest.fixture
def lot(db: None) -> Lot:
    return LotFactory(spots=2)


def parked(lot: Lot, *, over_min: int, spot: int = 1, **fields: Any) -> Reservation:
    """A vehicle on the spot of that number whose booked time ended so many minutes ago."""
    end = NOW - over_min * MINUTE
    fields = {"starts_at": end - timedelta(hours=2), "ends_at": end, "status": "active"} | fields
    return ReservationFactory(lot=lot, spot=lot.spots.get(number=spot), **fields)


def coming(lot: Lot, *, in_min: int, spot: int = 1, **fields: Any) -> Reservation:
    """A reservation of the spot from in so many minutes on, for an hour."""
    start = NOW + in_min * MINUTE
    fields = {"starts_at": start, "ends_at": start + timedelta(hours=1)} | fields
    return ReservationFactory(lot=lot, spot=lot.spots.get(number=spot), **fields)


def stuck(lot: Lot, *, spot: int) -> None:
    """A vehicle on the spot of that number that cannot be extended: its plate has been awaited elsewhere since its
    time was over."""
    late = parked(lot, spot=spot, over_min=5, plate="AB 1")
    coming(LotFactory(), in_min=-5, plate="AB 1", user=late.user)


def settle(lot: Lot, now: datetime = NOW) -> None:
    """What a booking does first; it holds the lot's lock, which nobody else wants here."""
    settle_overdue(lot_id=lot.pk, now=now)


def told() -> list[tuple[str, int]]:
    return list(Notification.objects.order_by("pk").values_list("kind", "user_id"))


def seen(reservation: Reservation) -> tuple[str, bool, datetime]:
    reservation.refresh_from_db()
    assert reservation.cost is None
    return reservation.status, reservation.is_overstay, reservation.ends_at


# --- The sweep


def test_within_the_grace_the_sweep_does_nothing(lot: Lot) -> None:
    late = parked(lot, over_min=9)
    after = coming(lot, in_min=-9)
    assert sweep_overstays(now=NOW) == (0, 0)
    assert seen(late) == ("active", False, NOW - 9 * MINUTE)
    assert (after.spot, told()) == (late.spot, [])


def test_past_the_grace_it_is_flagged_and_extended_and_stays_active(lot: Lot) -> None:
    late = parked(lot, over_min=10)
    sweep_overstays(now=NOW)
    assert seen(late) == ("active", True, NOW + GRACE)
    assert late.booked_until == NOW - GRACE
    event = late.events.get()
    assert (event.kind, event.old, event.at) == ("overstay", late.booked_until.isoformat(), NOW)
    assert told() == [(PARKING_OVERSTAY, late.user_id)]


def test_run_twice_nothing_more_happens(lot: Lot) -> None:
    late = parked(lot, over_min=15)
    next_one = coming(lot, in_min=-5)
    for _ in range(2):
        sweep_overstays(now=NOW)
        assert seen(late) == ("active", True, NOW + GRACE)
        next_one.refresh_from_db()
        assert next_one.spot.number == 2
    assert told() == [(PARKING_OVERSTAY, late.user_id), (PARKING_MOVED, next_one.user_id)]
    assert (late.events.count(), next_one.events.count()) == (1, 1)


@pytest.mark.parametrize("next_in_min", [3, 25, 60])
def test_run_minute_by_minute_or_late_it_comes_to_the_same(next_in_min: int) -> None:
    outcomes = []
    for minutes in (range(31), [30], [30, 30]):
        lot = LotFactory(spots=2)
        late, next_one = parked(lot, over_min=0), coming(lot, in_min=next_in_min)
        for minute in minutes:
            sweep_overstays(now=NOW + minute * MINUTE)
            sweep_no_shows(now=NOW + minute * MINUTE)
        outcomes.append((seen(late), seen(next_one), late.booked_until, late.events.count()))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][0] == ("active", True, NOW + 40 * MINUTE)


def test_it_is_extended_again_as_long_as_it_stays(lot: Lot) -> None:
    late = parked(lot, over_min=10)
    for minutes in range(0, 60, 5):
        sweep_overstays(now=NOW + minutes * MINUTE)
        assert seen(late)[2] > NOW + minutes * MINUTE
    assert late.booked_until == NOW - GRACE
    assert told() == [(PARKING_OVERSTAY, late.user_id)]


def test_a_vehicle_whose_spot_a_booking_kept_is_flagged_when_its_grace_is_over(lot: Lot) -> None:
    late = parked(lot, over_min=9)
    settle(lot)
    assert seen(late) == ("active", False, NOW + GRACE)
    sweep_overstays(now=NOW + MINUTE)
    assert seen(late) == ("active", True, NOW + GRACE)


def test_the_next_reservation_moves_to_another_spot_of_its_type(lot: Lot) -> None:
    lot.spots.filter(number=2).update(type="ev")
    lot.spots.create(number=3)
    late, next_one = parked(lot, over_min=11), coming(lot, in_min=5)
    sweep_overstays(now=NOW)
    assert seen(late) == ("active", True, NOW + GRACE)
    assert seen(next_one) == ("reserved", False, NOW + 65 * MINUTE)
    assert (next_one.spot.number, next_one.starts_at) == (3, NOW + 5 * MINUTE)
    assert told() == [(PARKING_OVERSTAY, late.user_id), (PARKING_MOVED, next_one.user_id)]


def test_where_no_other_spot_is_free_it_is_cancelled_free_of_charge_and_its_owner_told() -> None:
    lot = LotFactory(spots=1, timezone="Europe/Berlin")
    late, next_one = parked(lot, over_min=11), coming(lot, in_min=-11)
    sweep_overstays(now=NOW)
    assert seen(late) == ("active", True, NOW + GRACE)
    assert seen(next_one)[0] == "cancelled"
    assert (next_one.events.get().old, next_one.events.get().new) == ("reserved", "cancelled")
    notice = Notification.objects.get(user=next_one.user)
    assert (notice.kind, notice.data) == (PARKING_CANCELLED, {"reservation": next_one.pk})
    assert next_one.reference in notice.body
    assert "Europe/Berlin" in notice.body
    assert "costs you nothing" in notice.body


def test_a_reservation_that_does_not_begin_within_the_grace_to_come_is_left_alone() -> None:
    lot = LotFactory(spots=1)
    late, later = parked(lot, over_min=11), coming(lot, in_min=10)
    sweep_overstays(now=NOW)
    assert seen(late)[2] == NOW + GRACE
    assert seen(later)[0] == "reserved"
    sweep_overstays(now=NOW + GRACE)
    assert seen(later)[0] == "cancelled"


def test_all_that_are_in_the_way_make_way() -> None:
    lot = LotFactory(spots=1)
    late = parked(lot, over_min=11)
    nexts = [coming(lot, in_min=start, ends_at=NOW + (start + 2) * MINUTE) for start in (0, 2, 8)]
    sweep_overstays(now=NOW)
    assert seen(late)[2] == NOW + GRACE
    assert {seen(reservation)[0] for reservation in nexts} == {"cancelled"}


def test_nobody_is_moved_to_where_another_vehicle_overstays(lot: Lot) -> None:
    first, second = parked(lot, over_min=11), parked(lot, spot=2, over_min=3)
    next_one = coming(lot, in_min=0)
    sweep_overstays(now=NOW)
    assert seen(first)[2] == seen(second)[2] == NOW + GRACE
    assert (seen(next_one)[0], second.is_overstay) == ("cancelled", False)


def test_a_no_show_in_the_way_is_no_show_and_not_cancelled() -> None:
    lot = LotFactory(spots=1)
    late, missed = parked(lot, over_min=30), coming(lot, in_min=-15)
    sweep_overstays(now=NOW)
    assert seen(late)[2] == NOW + GRACE
    assert seen(missed)[0] == "no_show"
    assert told() == [(PARKING_OVERSTAY, late.user_id)]


def test_who_stands_there_already_is_not_sent_away(lot: Lot) -> None:
    """Two active vehicles of one spot: a clerk checked the second one in before the first was released."""
    late = parked(lot, over_min=11)
    second = coming(lot, in_min=-5, status="active")
    for _ in range(2):
        assert sweep_overstays(now=NOW).failed == 0
    assert seen(late) == ("active", True, second.starts_at)
    assert seen(second) == ("active", False, NOW + 55 * MINUTE)
    assert told() == [(PARKING_OVERSTAY, late.user_id)]


def test_its_own_next_booking_elsewhere_is_neither_moved_nor_cancelled(lot: Lot) -> None:
    """One plate is not in two places: the stay is extended up to that booking, and on when it was given up."""
    late = parked(lot, over_min=11, plate="AB 1")
    elsewhere = coming(LotFactory(), in_min=4, plate="ab-1", user=late.user)
    sweep_overstays(now=NOW)
    assert seen(late) == ("active", True, NOW + 4 * MINUTE)
    sweep_overstays(now=NOW + 5 * MINUTE)
    assert (seen(late)[2], seen(elsewhere)[0]) == (NOW + 4 * MINUTE, "reserved")
    Reservation.objects.filter(pk=elsewhere.pk).update(status="no_show")
    sweep_overstays(now=NOW + 20 * MINUTE)
    assert seen(late)[2] == NOW + 30 * MINUTE


def test_nor_does_anybody_else_get_the_spot_meanwhile() -> None:
    lot = LotFactory(spots=1)
    stuck(lot, spot=1)
    with pytest.raises(LotFull):
        book(user=UserFactory(), lot_id=lot.pk, plate="CD 2", now=NOW)


def test_nor_is_a_type_named_of_which_no_other_spot_is_left() -> None:
    lot = LotFactory(spots=2)
    lot.spots.filter(number=2).update(type="ev")
    parked(lot, over_min=-60)
    stuck(lot, spot=2)
    with pytest.raises(LotFull) as refusal:
        book(user=UserFactory(), lot_id=lot.pk, plate="CD 2", now=NOW)
    assert (refusal.value.meta or {})["other_types"] == []


def test_nor_is_anybody_moved_there_who_comes_early(lot: Lot) -> None:
    """The window of the vehicle that stands there is over, so none of the constraints would object."""
    stuck(lot, spot=2)
    parked(lot, over_min=-10)
    early = coming(lot, in_min=10)
    with pytest.raises(SpotTaken):
        check_in(reservation=early, actor=early.user, now=NOW)
    assert (seen(early)[0], early.spot.number) == ("reserved", 1)
    lot.spots.create(number=3)
    assert check_in(reservation=early, actor=early.user, now=NOW).spot.number == 3


def test_nor_who_has_to_make_way(lot: Lot) -> None:
    stuck(lot, spot=2)
    next_one = coming(lot, in_min=10)
    assert relocate(next_one, actor=None, now=NOW) is False
    assert (next_one.spot.number, told()) == (1, [])
    lot.spots.create(number=3)
    assert relocate(next_one, actor=None, now=NOW) is True
    assert next_one.spot.number == 3


def test_its_own_next_booking_of_the_same_spot_is_left_to_it(lot: Lot) -> None:
    late = parked(lot, over_min=11, plate="AB 1")
    own = coming(lot, in_min=-11, plate="AB 1", user=late.user)
    sweep_overstays(now=NOW)
    assert (seen(late)[2], seen(own)[0], own.spot) == (NOW - 11 * MINUTE, "reserved", late.spot)


def test_other_lots_and_other_states_are_left_alone(lot: Lot) -> None:
    late = parked(lot, over_min=30)
    others = [
        parked(LotFactory(), over_min=-5),
        parked(LotFactory(), over_min=60, status="completed", released_at=NOW, cost="3.00"),
        parked(LotFactory(), over_min=60, status="cancelled"),
    ]
    sweep_overstays(now=NOW)
    assert seen(late)[1]
    assert not Reservation.objects.filter(pk__in=[other.pk for other in others], is_overstay=True).exists()


def test_the_task_flags_what_is_late(lot: Lot) -> None:
    late = parked(lot, over_min=30)
    task()
    assert seen(late)[:2] == ("active", True)


# --- The step that a booking runs first


def test_within_the_grace_a_booking_keeps_the_spot_without_a_flag(lot: Lot) -> None:
    late = parked(lot, over_min=0)
    settle(lot)
    assert seen(late) == ("active", False, NOW + GRACE)
    assert (late.booked_until, told()) == (NOW, [])


def test_within_the_grace_the_next_one_is_moved_but_not_cancelled(lot: Lot) -> None:
    late, next_one = parked(lot, over_min=5), coming(lot, in_min=-5)
    settle(lot)
    next_one.refresh_from_db()
    assert (next_one.spot.number, seen(late)[2]) == (2, NOW + GRACE)
    full = LotFactory(spots=1)
    late, next_one = parked(full, over_min=5), coming(full, in_min=3)
    settle(full)
    assert seen(late) == ("active", False, NOW + 3 * MINUTE)
    assert seen(next_one)[0] == "reserved"


def test_past_the_grace_a_booking_does_all_that_the_sweep_does() -> None:
    swept, booked = LotFactory(spots=1), LotFactory(spots=1)
    lates = [parked(lot, over_min=12) for lot in (swept, booked)]
    nexts = [coming(lot, in_min=1) for lot in (swept, booked)]
    settle(booked)
    sweep_overstays(now=NOW)
    assert seen(lates[0]) == seen(lates[1]) == ("active", True, NOW + GRACE)
    assert {seen(reservation)[0] for reservation in nexts} == {"cancelled"}


def test_keeping_many_spots_takes_no_more_queries_than_keeping_one() -> None:
    counts = []
    for spots in (1, 12):
        lot = LotFactory(spots=spots)
        for number in range(1, spots + 1):
            parked(lot, over_min=5, spot=number)
        with CaptureQueriesContext(connection) as captured:
            settle(lot)
        counts.append(len(captured))
        assert not Reservation.objects.filter(lot=lot, ends_at__lte=NOW).exists()
    assert counts[0] == counts[1] <= 4


def test_where_nothing_is_overdue_it_takes_one_query(lot: Lot, django_assert_num_queries: Any) -> None:
    parked(lot, over_min=-30)
    with django_assert_num_queries(1):
        settle(lot)
