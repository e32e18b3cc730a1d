"""The cars and vehicles of the demo data. The registry itself is filled by the scheduled sync."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import User
from cars.models import Car, Vehicle
from cars.services.cars import create_car
from cars.services.vehicles import register_vehicle
from common.text import natural_key

# Older than what the bundled list knows, so that they stay rows of their own.
CARS: tuple[dict[str, Any], ...] = (
    {"make": "DMC", "model": "DeLorean", "year": 1981, "category": "Coupe"},
    {"make": "Citroën", "model": "DS 21", "year": 1967, "category": "Sedan"},
    {"make": "Volkswagen", "model": "Käfer 1303", "year": 1973, "category": "Sedan"},
)
VEHICLES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "alice@example.com",
        {"vin": "1HGCM82633A004352", "plate": "FC 2003", "make": "Honda", "model": "Accord", "year": 2003}
        | {"color": "silver", "mileage": 142_000, "mileage_unit": "mi"},
    ),
    (
        "alice@example.com",
        {"vin": "WVWZZZ1JZXW000001", "plate": "B-FC 1999", "make": "Volkswagen", "model": "Golf", "year": 1999}
        | {"color": "blue", "mileage": 201_500, "mileage_unit": "km"},
    ),
    (
        "bob@example.com",
        {"vin": "1M8GDM9AXKP042788", "plate": "BUS 89", "make": "MCI", "model": "102A3", "year": 1989}
        | {"color": "white", "mileage": 640_000, "mileage_unit": "mi"},
    ),
)


OWNED_FOR = timedelta(days=90)  # So that there is room for a history.


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:
    """Create what is missing; with `restore` the vehicles begin anew, their timelines and readings too."""
    administrator = User.objects.get(email="admin@example.com")
    for data in CARS:
        key = {"make_key": natural_key(data["make"]), "model_key": natural_key(data["model"]), "year": data["year"]}
        if not Car.objects.filter(**key).exists():
            create_car(actor=administrator, data=data, now=now)
    if restore:
        Vehicle.objects.filter(vin__in=[data["vin"] for _, data in VEHICLES]).delete()
    for email, data in VEHICLES:
        if not Vehicle.objects.filter(vin=data["vin"]).exists():
            owner = User.objects.get(email=email)
            register_vehicle(owner=owner, actor=owner, data=data, now=now - OWNED_FOR)
