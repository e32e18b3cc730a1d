"""Free spots equal a count by hand, whatever is reserved, parked, late or broken."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from parking.models import Lot, Reservation, Spot
from parking.services.availability import Availability, SpotCounts, availability, with_free_spot
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
SPOTS = st.lists(
    st.tuples(st.sampled_from(["standard", "ev"]), st.sampled_from(["in_service", "out_of_order", "retired"])),
    min_size=1,
    max_size=4,
)
STAYS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(-9, 9),
        st.integers(1, 9),
        st.sampled_from(["reserved", "active", "cancelled", "no_show"]),
    ),
    max_size=10,
)
WINDOWS = st.none() | st.tuples(st.integers(-4, 9), st.integers(1, 6))


def lot_of(spots: list[Any], stays: list[Any], user: User) -> Lot:
    """A lot with these spots and those of the stays that can stand beside each other."""
    lot = LotFactory(spots=len(spots))
    for row, (spot_type, status) in zip(lot.spots.order_by("number"), spots, strict=True):
        Spot.objects.filter(pk=row.pk).update(type=spot_type, status=status)
    placed: list[Any] = []
    rows = list(lot.spots.order_by("number"))
    for index, begin, length, status in stays:
        index %= len(rows)
        begin = min(begin, 0) if status == "active" else begin
        open_one = status in ("reserved", "active")
        if open_one and any(i == index and begin < b + n and b < begin + length for i, b, n in placed):
            continue
        if open_one:
            placed.append((index, begin, length))
        times = {"starts_at": NOW + begin * STEP, "ends_at": NOW + (begin + length) * STEP}
        ReservationFactory(lot=lot, spot=rows[index], user=user, status=status, **times)
    return lot


def by_hand(lot: Lot, start: datetime, end: datetime) -> dict[str, Counter[str]]:
    """One spot and one reservation after the other."""
    counts: dict[str, Counter[str]] = {}
    for spot in lot.spots.exclude(status="retired"):
        holders = {stay.status for stay in spot.reservations.all() if holds(stay, lot, start, end)}
        state = "reserved" if holders else "free"
        state = "occupied" if "active" in holders else state
        state = "out_of_order" if spot.status == "out_of_order" else state
        counts.setdefault(spot.type, Counter())[state] += 1
    return counts


def holds(stay: Reservation, lot: Lot, start: datetime, end: datetime) -> bool:
    until = stay.ends_at
    if stay.status == "active":
        until = NOW + timedelta(minutes=10) if until <= NOW else until
    elif stay.status != "reserved" or until <= NOW or stay.starts_at + timedelta(minutes=lot.no_show_after_min) <= NOW:
        return False
    return stay.starts_at < end and until > start


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=SPOTS, stays=STAYS, window=WINDOWS)
def test_it_equals_a_count_by_hand(user: User, spots: list[Any], stays: list[Any], window: Any) -> None:
    lot = lot_of(spots, stays, user)
    times = {"starts_at": NOW + window[0] * STEP, "ends_at": NOW + sum(window) * STEP} if window else {}
    found = availability(lots=[lot], now=NOW, **times)[lot.pk]
    expected = by_hand(lot, times.get("starts_at", NOW), times.get("ends_at", NOW + timedelta(microseconds=1)))
    states = ("free", "occupied", "reserved", "out_of_order")
    assert found.by_type == {
        spot_type: SpotCounts(total=counts.total(), **{state: counts[state] for state in states})
        for spot_type, counts in expected.items()
    }
    assert found.counts == sum(found.by_type.values(), SpotCounts())
    for spot_type in (None, "standard", "ev"):
        free = (found.counts if spot_type is None else found.by_type.get(spot_type, SpotCounts())).free
        has = with_free_spot(Lot.objects.filter(pk=lot.pk), has=True, spot_type=spot_type, now=NOW, **times)
        assert has.exists() == (free > 0)


def test_lots_are_counted_apart_by_one_query() -> None:
    first, second, empty = LotFactory(spots=2), LotFactory(spots=3), LotFactory(spots=0)
    ReservationFactory(lot=second, status="active", starts_at=NOW - STEP, ends_at=NOW + STEP)
    with CaptureQueriesContext(connection) as queries:
        found = availability(lots=[first, second, empty], now=NOW)
    assert len(queries) == 1
    assert (found[first.pk].counts.free, found[second.pk].counts.free) == (2, 2)
    assert found[empty.pk] == Availability()


def test_no_lots_no_answer() -> None:
    assert availability(lots=[], now=NOW) == {}
