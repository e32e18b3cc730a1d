"""The cars and vehicles of the demo data, with two years of odometer readings, one of which nobody should believe. The
registry itself is filled by the scheduled sync."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from accounts.demo import Look
from accounts.models import User
from cars.models import Car, Vehicle
from cars.services.cars import create_car
from cars.services.vehicles import record_odometer, register_vehicle
from common.text import natural_key

# Older than what the bundled list knows, so that they stay rows of their own.
CARS: tuple[dict[str, Any], ...] = (
    {"make": "DMC", "model": "DeLorean", "year": 1981, "category": "Coupe"},
    {"make": "Citroën", "model": "DS 21", "year": 1967, "category": "Sedan"},
    {"make": "Volkswagen", "model": "Käfer 1303", "year": 1973, "category": "Sedan"},
)
ACCORD, GOLF, BUS, CIVIC, AUDI, OUTBACK, FOCUS, ACCORD_SPORT = (
    "1HGCM82633A004352", "WVWZZZ1JZXW000001", "1M8GDM9AXKP042788", "1HGFC2F51GH500021", "WAUAF78EX8A100007",
    "4S4BSAFC5F3200031", "1FAHP3K25CL300012", "1HGCV1F30JA000017",
)  # fmt: skip


class Kept(NamedTuple):
    """A vehicle in somebody's garage since `days_ago`."""

    owner: str
    days_ago: int
    data: dict[str, Any]


class Read(NamedTuple):
    """What an odometer showed; with `doubt` it contradicts what was read before."""

    vin: str
    days_ago: int
    value: int
    doubt: str = ""


# Dora's Civic is sold to Carol at an auction, Alice's Golf to Bob; the past of Dora's Accord is there for everybody.
VEHICLES = (
    Kept(
        "alice",
        720,
        {"vin": ACCORD, "plate": "FC 2003", "make": "Honda", "model": "Accord", "year": 2003}
        | {"color": "silver", "mileage": 129_300, "mileage_unit": "mi"},
    ),
    Kept(
        "alice",
        700,
        {"vin": GOLF, "plate": "B-FC 1999", "make": "Volkswagen", "model": "Golf", "year": 1999}
        | {"color": "blue", "mileage": 191_000, "mileage_unit": "km"},
    ),
    Kept(
        "bob",
        650,
        {"vin": BUS, "plate": "BUS 89", "make": "MCI", "model": "102A3", "year": 1989}
        | {"color": "white", "mileage": 633_800, "mileage_unit": "mi"},
    ),
    Kept(
        "dora",
        610,
        {"vin": CIVIC, "plate": "DLR 7204", "make": "Honda", "model": "Civic", "year": 2016, "trim": "EX"}
        | {"color": "navy", "mileage": 62_000, "mileage_unit": "mi"},
    ),
    Kept(
        "henry",
        380,
        {"vin": AUDI, "plate": "HSU 8", "make": "Audi", "model": "A4", "year": 2008}
        | {"color": "black", "mileage": 88_000, "mileage_unit": "mi"},
    ),
    Kept(
        "grace",
        500,
        {"vin": OUTBACK, "plate": "GRC 15", "make": "Subaru", "model": "Outback", "year": 2015}
        | {"color": "green", "mileage": 58_200, "mileage_unit": "mi"},
    ),
    Kept(
        "frank",
        240,
        {"vin": FOCUS, "plate": "FOX 12", "make": "Ford", "model": "Focus", "year": 2012}
        | {"color": "red", "mileage": 97_000, "mileage_unit": "mi"},
    ),
    Kept(
        "dora",
        600,
        {"vin": ACCORD_SPORT, "plate": "DLR 7218", "make": "Honda", "model": "Accord", "year": 2018, "trim": "Sport"}
        | {"color": "silver", "mileage": 41_900, "mileage_unit": "mi"},
    ),
)
# Before what the other apps add, since a timeline is read in the order in which it was written.
READINGS = (
    Read(OUTBACK, 350, 71_900),
    Read(GOLF, 300, 196_000),
    Read(AUDI, 190, 93_400),
    Read(OUTBACK, 120, 46_300, "The instruments were replaced; the new ones came with a reading of their own."),
    Read(FOCUS, 100, 99_800),
    Read(OUTBACK, 14, 48_900),
)
LOOKS = (
    Look("carol", "/api/garage", "the Civic that she bought, with two years of history that came with it"),
    Look("grace", "/api/garage", "her Outback, whose odometer once ran backwards"),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:
    """Create what is missing; with `restore` the vehicles begin anew, their timelines and readings too."""
    administrator = User.objects.get(email="admin@example.com")
    for data in CARS:
        key = {"make_key": natural_key(data["make"]), "model_key": natural_key(data["model"]), "year": data["year"]}
        if not Car.objects.filter(**key).exists():
            create_car(actor=administrator, data=data, now=now)
    if restore:
        Vehicle.objects.filter(vin__in=[kept.data["vin"] for kept in VEHICLES]).delete()
    made: dict[str, Vehicle] = {}
    for kept in VEHICLES:
        if not Vehicle.objects.filter(vin=kept.data["vin"]).exists():
            owner, since = User.objects.get(email=f"{kept.owner}@example.com"), now - timedelta(days=kept.days_ago)
            vehicle = register_vehicle(owner=owner, actor=owner, data=kept.data, now=since)
            made[kept.data["vin"]] = vehicle
    desk = User.objects.get(email="service_advisor@example.com")
    for read in READINGS:
        if read.vin in made:
            vehicle = made[read.vin]
            record_odometer(
                vehicle=vehicle,
                value=read.value,
                unit=vehicle.mileage_unit,
                actor=desk if read.doubt else vehicle.owner,
                now=now - timedelta(days=read.days_ago),
                force=bool(read.doubt),
                reason=read.doubt,
            )
