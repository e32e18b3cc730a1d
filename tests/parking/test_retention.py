"""Plates are blanked some days after the release, when that is set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from parking.models import PlateCheck, Reservation
from parking.services import retention
from parking.tasks import blank_plates as task
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def kept_for_30_days(settings: Any) -> None:
    settings.PLATE_RETENTION_DAYS = 30


def released(*, days_ago: float, **fields: Any) -> Reservation:
    end = NOW - timedelta(days=days_ago)
    times = {"starts_at": end - timedelta(hours=2), "released_at": end}
    return ReservationFactory(status="completed", cost="6.00", **{**times, **fields})


def plate_of(reservation: Reservation) -> tuple[str, str]:
    reservation.refresh_from_db()
    return reservation.plate, reservation.plate_key


@pytest.mark.usefixtures("kept_for_30_days")
def test_plates_are_blanked_thirty_days_after_the_release() -> None:
    old, fresh = released(days_ago=30, plate="OLD 1"), released(days_ago=29.9, plate="NEW 1")
    assert retention.blank_plates(now=NOW) == 1
    assert (plate_of(old), plate_of(fresh)) == (("", ""), ("NEW 1", "NEW1"))
    assert (old.cost, old.status, old.updated_at) == (6, "completed", NOW)


def test_by_default_they_are_kept() -> None:
    old = released(days_ago=4000, plate="OLD 1")
    assert retention.blank_plates(now=NOW) == 0
    assert plate_of(old) == ("OLD 1", "OLD1")


@pytest.mark.usefixtures("kept_for_30_days")
def test_it_counts_from_the_release_and_not_from_the_booked_end() -> None:
    stay = released(days_ago=29, ends_at=NOW - timedelta(days=29, hours=1), starts_at=NOW - timedelta(days=60))
    parked = ReservationFactory(status="active", starts_at=NOW - timedelta(days=60))
    assert retention.blank_plates(now=NOW) == 0
    assert plate_of(stay)[0]
    assert plate_of(parked)[0]


@pytest.mark.usefixtures("kept_for_30_days")
@pytest.mark.parametrize("status", ["cancelled", "no_show"])
def test_who_never_came_is_forgotten_as_long_after_the_booked_end(status: str) -> None:
    old, fresh = (ReservationFactory(status=status, starts_at=NOW - timedelta(days=days, hours=2)) for days in (30, 29))
    assert retention.blank_plates(now=NOW) == 1
    assert (bool(plate_of(old)[0]), bool(plate_of(fresh)[0])) == (False, True)


@pytest.mark.usefixtures("kept_for_30_days")
def test_the_log_of_checks_keeps_no_plate_longer() -> None:
    for days in (31, 29):
        PlateCheck.objects.create(lot=LotFactory(), plate=f"D {days}", at=NOW - timedelta(days=days))
    assert retention.blank_plates(now=NOW) == 1
    assert sorted(PlateCheck.objects.values_list("plate", flat=True)) == ["", "D 29"]


@pytest.mark.usefixtures("kept_for_30_days")
def test_run_twice_in_small_batches_each_is_blanked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        released(days_ago=31 + number)
    assert [retention.blank_plates(now=NOW) for _ in range(2)] == [5, 0]


@pytest.mark.usefixtures("kept_for_30_days")
def test_the_task_blanks_what_is_due() -> None:
    old = released(days_ago=31)
    task()
    assert plate_of(old) == ("", "")
