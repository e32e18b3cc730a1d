"""/api/parking/stats/occupancy: how full lots were, exactly as one counts it by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from parking.models import Lot, Rate, Reservation, Spot
from parking.services.stats import Period, PeriodRefused, occupancy, period_of
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/stats/occupancy"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
Times = tuple[int, int | None]


@pytest.fixture
def manager(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["parking_manager"]))


def hours(lot: Lot | None, start: datetime, end: datetime, now: datetime, step: str = "hour") -> Period:
    return period_of(lot_id=lot.pk if lot else None, start=start, end=end, step=step, now=now)


def stay(lot: Lot, begun: datetime, ended: datetime | None, **fields: Any) -> Reservation:
    """Still there when `ended` is None."""
    times = {"starts_at": begun, "ends_at": begun + timedelta(days=9), "checked_in_at": begun}
    if ended is None:
        return ReservationFactory(lot=lot, status="active", **times, **fields)
    return ReservationFactory(lot=lot, status="completed", released_at=ended, cost=1, **times, **fields)


def test_a_manager_reads_the_hours(manager: APIClient) -> None:
    lot = LotFactory(spots=2)
    stay(lot, NOON + timedelta(minutes=15), NOON + timedelta(minutes=75))
    stay(lot, NOON + timedelta(minutes=50), NOON + timedelta(minutes=55))
    stay(LotFactory(), NOON, NOON + timedelta(hours=1))
    query = {"lot": lot.pk, "from": "2026-07-01T12:00:00Z", "to": "2026-07-01T14:00:00Z", "step": "hour"}
    answer = manager.get(URL, query)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["lot"], shown["step"], shown["timezone"], shown["spots"]) == (lot.pk, "hour", "UTC", 2)
    assert shown["buckets"] == [
        {
            "starts_at": "2026-07-01T12:00:00Z",
            "ends_at": "2026-07-01T13:00:00Z",
            "arrivals": 2,
            "departures": 1,
            "peak": 2,
            "occupied_s": 50 * 60,
            "occupancy_percent": "41.67",
        },
        {
            "starts_at": "2026-07-01T13:00:00Z",
            "ends_at": "2026-07-01T14:00:00Z",
            "arrivals": 0,
            "departures": 1,
            "peak": 1,
            "occupied_s": 15 * 60,
            "occupancy_percent": "12.50",
        },
    ]


def by_hand(period: Period, stays: list[tuple[datetime, datetime | None]], now: datetime) -> list[tuple[int, ...]]:
    """Arrivals, departures, peak and microseconds, looking at every stay for every bucket."""
    there = [(begun, ended or max(begun, now)) for begun, ended in stays]
    moments = {moment for times in there for moment in times}
    answer = []
    for start, end in period.buckets:
        looked_at = {start} | {moment for moment in moments if start <= moment < end}
        shared = (min(ended, end) - max(begun, start) for begun, ended in there)
        answer.append(
            (
                sum(start <= begun < end and (ended is not None or begun <= now) for begun, ended in stays),
                sum(ended is not None and start <= ended < end for _, ended in stays),
                max(sum(begun <= moment < ended for begun, ended in there) for moment in looked_at),
                sum((part for part in shared if part > timedelta()), timedelta()) // timedelta(microseconds=1),
            )
        )
    return answer


second = st.integers(-6 * 3600, 6 * 3600)
minutes = st.integers(-24, 24).map(lambda quarter: quarter * 900)  # Many of these coincide, also with the cuts.
micro = second.flatmap(lambda s: st.integers(0, 999_999).map(lambda us: s + us / 1_000_000))
moment_s = minutes | second | micro
times = st.tuples(moment_s, st.none() | moment_s).map(
    lambda pair: pair if pair[1] is None else (min(pair), max(pair))  # type: ignore[type-var]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stays=st.lists(times, max_size=12),
    start=moment_s,
    length=st.sampled_from([900, 3600, 5 * 3600, 9 * 3600]),
    now=moment_s,
    step=st.sampled_from(["hour", "day"]),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]),
)
def test_it_is_what_one_counts_by_hand(
    db: None, stays: list[Any], start: float, length: int, now: float, step: str, zone: str
) -> None:
    at = lambda s: NOON + timedelta(microseconds=round(s * 1_000_000))  # noqa: E731
    Reservation.objects.all().delete()
    lot = Lot.objects.filter(timezone=zone).first() or LotFactory(timezone=zone, spots=3)
    moments = [(at(begun), None if ended is None else at(ended)) for begun, ended in stays]
    _insert(lot, moments)
    period = hours(lot, at(start), at(start) + timedelta(seconds=length), at(now), step)
    counted = by_hand(period, moments, at(now))
    shown = occupancy(period=period, now=at(now)).buckets
    assert [(row.arrivals, row.departures, row.peak) for row in shown] == [row[:3] for row in counted]
    for row, (*_, microseconds), bucket in zip(shown, counted, period.buckets, strict=True):
        assert row.occupied_s == int((Decimal(microseconds) / 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))
        assert row.occupancy_percent == (Decimal(microseconds) * 100 / (3 * bucket.microseconds)).quantize(
            Decimal("0.01"), ROUND_HALF_UP
        )


def _insert(lot: Lot, moments: list[tuple[datetime, datetime | None]]) -> None:
    """Each on a spot of its own: the constraints are about something else. Three spots are in service."""
    user, rate = UserFactory(), Rate.objects.filter(lot=lot).first()
    lots = Spot.objects.filter(lot=lot).order_by("number")
    for number, (begun, ended) in enumerate(moments):
        spot = lots.filter(number=number + 1).first() or Spot.objects.create(
            lot=lot, number=number + 1, status=Spot.Status.RETIRED
        )
        Reservation.objects.create(
            reference=f"P{number}", lot=lot, spot=spot, user=user, rate=rate, plate=f"P {number}",
            starts_at=begun, ends_at=begun + timedelta(days=1), booked_until=begun + timedelta(days=1),
            checked_in_at=begun, released_at=ended, cost=None if ended is None else 1,
            status="active" if ended is None else "completed",
        )  # fmt: skip


def test_one_statement_whatever_there_is(django_assert_num_queries: Any) -> None:
    lot = LotFactory(spots=20)
    now = timezone.now()
    for count in (0, 12):
        for number in range(count):
            stay(lot, now - timedelta(hours=number + 1), None, spot=lot.spots.get(number=number + 1))
        period = hours(lot, now - timedelta(days=2), now, now)
        with django_assert_num_queries(1):
            occupancy(period=period, now=now)


def test_all_lots_are_added_up() -> None:
    for spots in (1, 2):
        stay(LotFactory(spots=spots), NOON, NOON + timedelta(minutes=30))
    archived = LotFactory(archived_at=NOON, spots=7)
    stay(archived, NOON, NOON + timedelta(minutes=30))
    figures = occupancy(period=hours(None, NOON, NOON + timedelta(hours=1), NOON), now=NOON + timedelta(days=1))
    assert (figures.spots, figures.buckets[0].arrivals, figures.buckets[0].occupied_s) == (3, 3, 5400)


def test_reservations_that_are_not_parked_do_not_count() -> None:
    lot = LotFactory()
    for status in ("reserved", "cancelled", "no_show"):
        ReservationFactory(lot=lot, starts_at=NOON, status=status)
        Reservation.objects.filter(status="reserved").update(status="cancelled")
    (bucket,) = occupancy(period=hours(lot, NOON, NOON + timedelta(hours=1), NOON), now=NOON).buckets
    assert (bucket.arrivals, bucket.peak, bucket.occupied_s) == (0, 0, 0)


@pytest.mark.parametrize(
    ("zone", "day", "lengths"),
    [
        ("Europe/Berlin", "2026-03-28T23:00:00+00:00", [23, 24]),
        ("Europe/Berlin", "2026-10-24T22:00:00+00:00", [25, 24]),
        ("America/New_York", "2026-03-08T05:00:00+00:00", [23, 24]),
        ("Australia/Lord_Howe", "2026-04-04T13:00:00+00:00", [24.5, 24]),
        ("Africa/Cairo", "2026-04-23T22:00:00+00:00", [23, 24]),  # Midnight itself is leapt over.
    ],
)
def test_days_are_the_lots_own(zone: str, day: str, lengths: list[float]) -> None:
    start = datetime.fromisoformat(day)
    end = start + timedelta(hours=sum(lengths))
    period = hours(LotFactory(timezone=zone), start, end, NOON, "day")
    assert [bucket.microseconds / 3_600_000_000 for bucket in period.buckets] == lengths


def test_hours_follow_a_clock_that_changes_by_half_an_hour() -> None:
    start = datetime(2026, 4, 4, 14, tzinfo=UTC)  # 01:00 on Lord Howe; at 02:00 it is 01:30 again.
    period = hours(LotFactory(timezone="Australia/Lord_Howe"), start, start + timedelta(hours=3), NOON)
    assert [bucket.microseconds / 60_000_000 for bucket in period.buckets] == [60, 30, 60, 30]


def test_buckets_join_and_cover_the_period() -> None:
    start, end = NOON + timedelta(minutes=20), NOON + timedelta(hours=30, seconds=1)
    buckets = hours(LotFactory(timezone="Asia/Kathmandu"), start, end, NOON).buckets
    assert (buckets[0].starts_at, buckets[-1].ends_at) == (start, end)
    assert all(one.ends_at == following.starts_at for one, following in pairwise(buckets))


def test_unless_told_it_is_the_last_thirty_days() -> None:
    lot = LotFactory(timezone="Europe/Berlin")
    now = datetime(2026, 11, 5, 12, tzinfo=UTC)
    period = period_of(lot_id=lot.pk, start=None, end=None, step="day", now=now)
    assert period.ends_at == datetime(2026, 11, 5, 23, tzinfo=UTC)
    assert (period.starts_at, len(period.buckets)) == (datetime(2026, 10, 6, 22, tzinfo=UTC), 30)
    day = period_of(lot_id=lot.pk, start=None, end=None, step="hour", now=now)
    assert (day.ends_at, len(day.buckets)) == (datetime(2026, 11, 5, 13, tzinfo=UTC), 24)


def test_periods_are_bounded() -> None:
    lot = LotFactory()
    assert len(hours(lot, NOON, NOON + timedelta(days=31), NOON).buckets) == 744
    with pytest.raises(PeriodRefused, match="744"):
        hours(lot, NOON, NOON + timedelta(days=31, seconds=1), NOON)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"from": "2026-07-01T12:00:00Z", "to": "2026-07-01T12:00:00Z"}, 400, "invalid_range"),
        ({"from": "2026-07-02T12:00:00Z", "to": "2026-07-01T12:00:00Z"}, 400, "invalid_range"),
        ({"from": "2099-07-02T12:00:00Z"}, 400, "invalid_range"),
        ({"from": "1970-01-01T00:00:00Z", "to": "2099-12-31T23:59:59Z"}, 400, "too_many_buckets"),
        ({"step": "week"}, 400, "invalid"),
        ({"from": "2026-07-01"}, 400, "invalid"),
        ({"lot": "0"}, 400, "invalid"),
        ({"spot": "1"}, 400, "unknown_parameter"),
        ({"page": "1"}, 400, "unknown_parameter"),
        ({"lot": str(2**62)}, 404, "not_found"),
        ({"to": "1970-01-01T00:00:00Z"}, 200, None),
        ({"to": "2099-12-31T23:59:59.999999Z"}, 200, None),
    ],
)
def test_what_one_may_ask(manager: APIClient, query: dict[str, str], status: int, code: str | None) -> None:
    answer = manager.get(URL, query)
    assert answer.status_code == status, answer.content
    if code:
        assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize("name", ["occupancy", "revenue"])
def test_they_are_the_managers(as_user: Any, make_user: Any, user: Any, api: APIClient, name: str) -> None:
    url = f"/api/parking/stats/{name}"
    assert api.get(url).status_code == 401
    assert as_user(user).get(url).status_code == 403
    assert as_user(make_user(roles=["parking_attendant"])).get(url).status_code == 403
    assert as_user(make_user(roles=["parking_manager"])).get(url).status_code == 200


def test_a_lot_without_spots_has_no_percentage() -> None:
    lot = LotFactory(spots=1)
    lot.spots.update(status=Spot.Status.RETIRED)
    (bucket,) = occupancy(period=hours(lot, NOON, NOON + timedelta(hours=1), NOON), now=NOON).buckets
    assert bucket.occupancy_percent is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["occupancy", "revenue"])
def test_figures_are_cached_until_something_happens(
    manager: APIClient, as_user: Any, make_user: Any, name: str
) -> None:
    url = f"/api/parking/stats/{name}"
    now = timezone.now()
    parked = stay(LotFactory(), now - timedelta(hours=1), None)
    first = manager.get(url)
    with CaptureQueriesContext(connection) as queries:
        second = manager.get(url)
    assert second.json() == first.json()
    assert not any("WITH cuts" in str(query["sql"]) for query in queries)
    assert manager.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    attendant = as_user(make_user(roles=["parking_attendant"]))
    assert attendant.post(f"/api/parking/reservations/{parked.pk}/release").status_code == 200
    assert manager.get(url).json() != first.json()
