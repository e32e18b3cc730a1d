"""The demo data: there after the first call, the same after the second, as it was after a reset."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.demo import PASSWORD, PEOPLE
from accounts.models import User
from accounts.roles import ROLES
from cars.demo import VEHICLES
from cars.models import Car, Vehicle, VehicleEvent

pytestmark = pytest.mark.django_db


def test_there_is_somebody_for_every_role_who_can_sign_in(api: APIClient) -> None:
    call_command("seed_demo")
    assert {person.role for person in PEOPLE} == {"administrator", "customer", *ROLES}
    for person in PEOPLE[:2]:
        answer = api.post("/api/auth/login", {"email": person.email, "password": PASSWORD})
        assert answer.status_code == 200
    assert User.objects.filter(is_staff=True).count() == len(ROLES) + 2


def test_a_second_call_changes_nothing() -> None:
    call_command("seed_demo")
    User.objects.filter(email="alice@example.com").update(first_name="Alicia")
    before = (User.objects.count(), Car.objects.count(), Vehicle.objects.count(), VehicleEvent.objects.count())
    call_command("seed_demo")
    assert before == (User.objects.count(), Car.objects.count(), Vehicle.objects.count(), VehicleEvent.objects.count())
    assert User.objects.get(email="alice@example.com").first_name == "Alicia"


def test_reset_puts_people_and_vehicles_back() -> None:
    call_command("seed_demo")
    User.objects.filter(email="alice@example.com").update(first_name="Alicia", is_active=False)
    Vehicle.objects.update(color="pink")
    call_command("seed_demo", "--reset")
    alice = User.objects.get(email="alice@example.com")
    assert (alice.first_name, alice.is_active, alice.check_password(PASSWORD)) == ("Alice", True, True)
    assert Vehicle.objects.filter(vin__in=[data["vin"] for _, data in VEHICLES]).count() == len(VEHICLES)
    assert not Vehicle.objects.filter(color="pink").exists()


def test_production_refuses_people_with_a_published_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")
    with pytest.raises(CommandError, match="no place in production"):
        call_command("seed_demo")
    assert not User.objects.exists()
