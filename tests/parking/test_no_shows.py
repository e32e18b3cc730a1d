"""The sweep of no-shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Notification
from parking.models import Reservation
from parking.services.no_shows import mark_no_shows, sweep_no_shows
from parking.tasks import sweep_no_shows as task
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def status_of(reservation: Reservation) -> str:
    return Reservation.objects.get(pk=reservation.pk).status


@pytest.mark.parametrize(("minutes", "status"), [(0, "reserved"), (14, "reserved"), (15, "no_show"), (600, "no_show")])
def test_who_has_not_come_a_quarter_of_an_hour_after_the_start_is_given_up(minutes: int, status: str) -> None:
    now = timezone.now()
    reservation = ReservationFactory(starts_at=now - minutes * MINUTE, ends_at=now + 700 * MINUTE)
    sweep_no_shows(now=now)
    assert status_of(reservation) == status


def test_each_lot_has_its_own_patience() -> None:
    now = timezone.now()
    waiting, impatient = LotFactory(no_show_after_min=60), LotFactory(no_show_after_min=0)
    kept = ReservationFactory(lot=waiting, starts_at=now - 59 * MINUTE)
    given_up = ReservationFactory(lot=impatient, starts_at=now)
    assert sweep_no_shows(now=now) == (1, 0)
    assert (status_of(kept), status_of(given_up)) == ("reserved", "no_show")


def test_a_lot_that_cannot_be_judged_does_not_stop_the_later_ones() -> None:
    now = timezone.now()
    broken = ReservationFactory(lot=LotFactory(no_show_after_min=2_000_000_000), starts_at=now - 20 * MINUTE)
    late = ReservationFactory(starts_at=now - 20 * MINUTE)
    assert sweep_no_shows(now=now) == (1, 1)
    assert (status_of(broken), status_of(late)) == ("reserved", "no_show")


def test_a_stay_that_is_over_is_given_up_however_patient_the_lot_is() -> None:
    now = timezone.now()
    lot = LotFactory(no_show_after_min=240)
    reservation = ReservationFactory(lot=lot, starts_at=now - 60 * MINUTE, ends_at=now)
    sweep_no_shows(now=now)
    assert status_of(reservation) == "no_show"


def test_swept_twice_or_late_it_is_given_up_once_and_costs_nothing() -> None:
    now = timezone.now()
    reservation = ReservationFactory(starts_at=now - timedelta(days=3))
    assert sweep_no_shows(now=now) == (1, 0)
    assert sweep_no_shows(now=now + MINUTE) == (0, 0)
    reservation.refresh_from_db()
    assert (reservation.status, reservation.cost, reservation.paid) == ("no_show", None, 0)
    event = reservation.events.get()
    assert (event.kind, event.old, event.new, event.actor, event.at) == ("status", "reserved", "no_show", None, now)
    assert not Notification.objects.exists()


@pytest.mark.parametrize("status", ["active", "cancelled"])
def test_nobody_else_is_given_up(status: str) -> None:
    now = timezone.now()
    reservation = ReservationFactory(status=status, starts_at=now - 60 * MINUTE)
    sweep_no_shows(now=now)
    assert status_of(reservation) == status


def test_one_lot_is_marked_without_touching_the_others() -> None:
    now = timezone.now()
    here, there = (ReservationFactory(starts_at=now - 20 * MINUTE) for _ in range(2))
    mark_no_shows(lot_id=here.lot_id, now=now)
    assert (status_of(here), status_of(there)) == ("no_show", "reserved")


def test_the_task_gives_up_what_is_due() -> None:
    reservation = ReservationFactory(starts_at=timezone.now() - 16 * MINUTE)
    task()
    assert status_of(reservation) == "no_show"
