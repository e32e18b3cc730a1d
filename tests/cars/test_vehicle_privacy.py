"""A person's vehicles in their data export, and what stays of them after they leave."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.registry import personal_data
from cars import services
from cars.models import Vehicle, VehicleEvent
from cars.services.vehicles import REASON_ERASED
from tests.factories import VehicleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    made = VehicleFactory(owner=user, vin="1HGCM82633A004352", plate="AB 123")
    facts = {"vehicle": made, "unit": "km", "source": "owner", "actor": user, "now": timezone.now()}
    services.record_odometer(value=10, **facts)
    services.record_odometer(value=5, force=True, reason="My neighbour did it.", **facts)
    return made


def test_the_export_has_vehicles_readings_and_ones_own_timeline(user: User, other_user: User, vehicle: Vehicle) -> None:
    services.record_event(
        vehicle=VehicleFactory(owner=other_user),
        kind=VehicleEvent.Kind.SERVICED,
        actor=user,
        at=timezone.now(),
        public_summary="Serviced.",
    )
    (row,) = personal_data["vehicles"].export(user)
    assert (row["vin"], row["plate"]) == ("1HGCM82633A004352", "AB 123")
    assert [reading["value"] for reading in row["odometer"]] == [5, 10]
    assert "My neighbour did it." in row["timeline"][0]["summary"]


def test_erasing_parts_person_and_vehicle(user: User, vehicle: Vehicle) -> None:
    assert personal_data["vehicles"].erase(user, now=timezone.now()) is False
    vehicle.refresh_from_db()
    assert (vehicle.owner, vehicle.plate, vehicle.plate_key) == (None, "", "")
    assert vehicle.archived_at is not None
    user.delete()
    assert {event.private_summary for event in vehicle.events.all()} == {""}
    reasons = {reading.forced_reason for reading in vehicle.odometer_readings.all()}
    assert reasons == {"", REASON_ERASED}  # That it was forced stays, why does not.


def test_erasing_leaves_others_alone(user: User, other_user: User, vehicle: Vehicle) -> None:
    theirs = VehicleFactory(owner=other_user, plate="CD 456")
    personal_data["vehicles"].erase(user, now=timezone.now())
    theirs.refresh_from_db()
    assert (theirs.owner, theirs.plate, theirs.archived_at) == (other_user, "CD 456", None)


def test_the_next_owner_keeps_the_public_past(user: User, other_user: User, vehicle: Vehicle, as_user: Any) -> None:
    services.transfer_vehicle(
        vehicle=vehicle, new_owner=other_user, actor=user, now=timezone.now(), reference="order:1"
    )
    personal_data["vehicles"].erase(user, now=timezone.now())
    answer = as_user(other_user).get(f"/api/garage/{vehicle.pk}/timeline")
    assert [row["kind"] for row in answer.json()["results"]] == ["title_transferred", "odometer", "odometer"]
