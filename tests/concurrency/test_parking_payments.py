"""One stay, several tills: together they never take more than it cost."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from parking.models import ParkingPayment, Reservation
from parking.services.payments import PaymentExceedsCost, record_stay_payment
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.parking.factories import ReservationFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8
COST, PART = Decimal("6.00"), Decimal("2.00")


def stay() -> Reservation:
    now = timezone.now()
    return ReservationFactory(status="completed", starts_at=now - timedelta(hours=2), released_at=now, cost=COST)


def pay_at_once(reservation: Reservation) -> list[object]:
    facts = {"reservation": reservation, "amount": PART, "method": "cash", "now": timezone.now()}
    return race([partial(record_stay_payment, actor=UserFactory(), **facts) for _ in range(AT_ONCE)])


def test_tills_together_take_what_the_stay_cost() -> None:
    reservation = stay()
    results = pay_at_once(reservation)
    assert sum(isinstance(result, PaymentExceedsCost) for result in results) == AT_ONCE - 3
    reservation.refresh_from_db()
    assert reservation.paid == COST == sum(payment.amount for payment in reservation.payments.all())


@pytest.mark.postgres
def test_without_the_lock_they_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have read the stay, none has locked it."""
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(reservation_id: int) -> Reservation:
        found = Reservation.objects.get(pk=reservation_id)
        all_have_it.wait(timeout=30)
        return found

    monkeypatch.setattr("parking.services.payments.lock_reservation", only_read)
    reservation = stay()
    pay_at_once(reservation)
    assert ParkingPayment.objects.count() == AT_ONCE
