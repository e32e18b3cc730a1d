"""One vehicle, many hands: readings that contradict each other, and sales to several people at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts.models import User
from cars import services
from cars.models import Vehicle
from cars.services.vehicles import OdometerRollback, OwnerChanged
from tests.concurrency.race import race
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8


def contradicting_readings(vehicle: Vehicle) -> list[object]:
    """The later, the lower: no two of them can stand beside each other."""
    now = timezone.now()
    facts = {"vehicle": vehicle, "unit": "km", "source": "test", "actor": None, "now": now}
    return race(
        [
            partial(services.record_odometer, value=100 - number, at=now - timedelta(hours=AT_ONCE - number), **facts)
            for number in range(AT_ONCE)
        ]
    )


def test_of_readings_that_contradict_each_other_one_is_recorded() -> None:
    vehicle = VehicleFactory()
    results = contradicting_readings(vehicle)
    assert sum(isinstance(result, OdometerRollback) for result in results) == AT_ONCE - 1
    vehicle.refresh_from_db()
    assert vehicle.odometer_readings.get().value == vehicle.mileage


@pytest.mark.postgres
def test_without_the_lock_they_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have the vehicle, none has its lock."""
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(vehicle: Vehicle) -> Vehicle:
        found = Vehicle.objects.get(pk=vehicle.pk)
        all_have_it.wait(timeout=30)
        return found

    monkeypatch.setattr("cars.services.vehicles._lock", only_read)
    vehicle = VehicleFactory()
    contradicting_readings(vehicle)
    assert vehicle.odometer_readings.count() > 1


def test_a_vehicle_that_is_sold_to_several_goes_to_one() -> None:
    vehicle = VehicleFactory()
    buyers: list[User] = UserFactory.create_batch(AT_ONCE)
    facts = {"vehicle": vehicle, "actor": None, "now": timezone.now(), "reference": "order:1"}
    results = race([partial(services.transfer_vehicle, new_owner=buyer, **facts) for buyer in buyers])
    assert sum(isinstance(result, OwnerChanged) for result in results) == AT_ONCE - 1
    (sold,) = [result for result in results if isinstance(result, Vehicle)]
    assert Vehicle.objects.get(pk=vehicle.pk).owner_id == sold.owner_id
    assert vehicle.events.get().owner_id == sold.owner_id


def test_sales_that_cross_do_not_deadlock() -> None:
    """Users are locked by id, whoever sells to whom."""
    anna, ben = UserFactory.create_batch(2)
    hers, his = VehicleFactory(owner=anna), VehicleFactory(owner=ben)
    for _ in range(5):
        now = timezone.now()
        crossing = [(hers, ben if hers.owner_id == anna.pk else anna), (his, anna if his.owner_id == ben.pk else ben)]
        results = race(
            [
                partial(
                    services.transfer_vehicle,
                    vehicle=vehicle,
                    new_owner=buyer,
                    actor=None,
                    now=now,
                    reference="order:1",
                )
                for vehicle, buyer in crossing
            ]
        )
        hers, his = results[0], results[1]
        assert isinstance(hers, Vehicle)
        assert isinstance(his, Vehicle)
    assert {hers.owner_id, his.owner_id} == {anna.pk, ben.pk}
