"""The parking of the demo data: two car parks with two months of stays behind them, vehicles on their spots, two of
which should have left, and others that are expected."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

from django.db import transaction

from accounts.demo import Look
from accounts.exports import request_export
from accounts.models import User
from cars.demo import ACCORD
from cars.models import Vehicle
from parking.exports import KIND
from parking.models import Lot, ParkingPayment, PlateCheck, Rate, Reservation, ReservationEvent, Spot, SpotType
from parking.services.booking import book
from parking.services.lots import create_lot, update_spot
from parking.services.overstay import sweep_overstays
from parking.services.payments import record_stay_payment
from parking.services.plate_checks import check_plate
from parking.services.reservations import cancel, check_in, release

LOTS: tuple[dict[str, Any], ...] = (
    {
        "name": "Central garage",
        "address": "1 Station Square, Albany NY",
        "pin_code": "12207",
        "description": "Under the station, two levels.",
        "timezone": "America/New_York",
        "capacity": 50,
        "rate": {
            "price": Decimal("3.00"),
            "first_free_s": 600,
            "cap": Decimal("15.00"),
            "surcharges": {"ev": Decimal("10.00")},
        },
    },
    {
        "name": "Airport long stay",
        "address": "Terminal 2, car park P7, Albany NY",
        "pin_code": "12211",
        "timezone": "America/New_York",
        "default_stay_min": 4320,
        "cancel_cutoff_min": 60,
        "capacity": 20,
        "rate": {"price": Decimal("2.50"), "cap": Decimal("18.00")},
    },
)
DRIVERS = {
    "alice": "FC 2003",
    "bob": "BKR 71",
    "carol": "CLE 33",
    "frank": "FOX 12",
    "grace": "GRC 15",
    "henry": "HSU 8",
}
HOURS = (2.5, 9.0, 1.2, 26.0, 0.1, 4.75, 7.5)
STAYS = 40
EVERY = timedelta(hours=35)  # Between two of them, so that they come at all hours.
LOOKS = (
    Look("parking_manager", "/{admin}/", "how full the car parks were, and who should have left by now"),
    Look("parking_attendant", "/api/parking/check?plate=LATE%201", "a plate at the gate: allowed or not"),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the lots and their stays, unless they are there."""
    if Lot.objects.filter(name=LOTS[0]["name"]).exists():
        return
    manager = User.objects.get(email="parking_manager@example.com")
    opened = now - STAYS * EVERY - timedelta(days=1)
    central, airport = (create_lot(data=data, actor=manager, now=opened) for data in LOTS)
    Lot.objects.filter(pk__in=[central.pk, airport.pk]).update(created_at=opened)
    for number in (1, 2, 3):
        spot = central.spots.get(number=number)
        update_spot(spot=spot, data={"type": SpotType.EV}, actor=manager, now=opened)
    update_spot(spot=central.spots.get(number=50), data={"out_of_order": True}, actor=manager, now=opened)
    people = {name: User.objects.get(email=f"{name}@example.com") for name in DRIVERS}
    _were_parked(people, central, airport, now)
    _are_parked(people, central, now)
    _are_expected(people, central, airport, now)
    request_export(owner=people["alice"], kind=KIND, now=now)


def _were_parked(people: dict[str, User], central: Lot, airport: Lot, now: datetime) -> None:
    """The seventh of a round goes by plane and stays for days; every fifth has not paid."""
    attendant = User.objects.get(email="parking_attendant@example.com")
    rounds = zip(cycle(DRIVERS.items()), cycle(HOURS), strict=False)
    for number, ((name, plate), hours) in enumerate(islice(rounds, STAYS)):
        start = now - (STAYS - number) * EVERY - timedelta(hours=12)
        lot, stayed = (airport, 8 * hours) if hours == HOURS[-1] else (central, hours)
        gone = start + timedelta(hours=stayed)
        if gone >= now - timedelta(hours=12):
            continue
        stay = book(user=people[name], lot_id=lot.pk, plate=plate, now=start, ends_at=gone + timedelta(minutes=20))
        stay = release(reservation=stay, actor=people[name], now=gone)
        if number % 5 and stay.cost:
            record_stay_payment(reservation=stay, amount=stay.cost, method="card", actor=attendant, now=gone)


def _are_parked(people: dict[str, User], central: Lot, now: datetime) -> None:
    """Two of them for longer than they had booked."""
    accord = Vehicle.objects.get(vin=ACCORD)
    arrived = now - timedelta(hours=1)
    book(user=people["alice"], lot_id=central.pk, vehicle_id=accord.pk, now=arrived, ends_at=now + timedelta(hours=3))
    for name, plate, since, until in (
        ("carol", "CLE 33", 2.0, 5.0),
        ("frank", "LATE 1", 8.0, -3.0),
        ("frank", "FOX 88", 0.5, 1.5),
        ("grace", "GRC 16", 3.5, 2.0),
        ("bob", "LATE 2", 6.0, -1.5),
        ("bob", "BKR 72", 0.2, 8.0),
    ):
        begin, end = now - timedelta(hours=since), now + timedelta(hours=until)
        book(user=people[name], lot_id=central.pk, plate=plate, now=begin, ends_at=end)
    guest = book(
        user=people["bob"],
        lot_id=central.pk,
        plate="GUEST 7",
        spot_type=SpotType.EV,
        starts_at=now - timedelta(minutes=5),
        ends_at=now + timedelta(hours=2),
        now=now - timedelta(minutes=6),
    )
    check_in(reservation=guest, actor=people["bob"], now=now)
    sweep_overstays(now=now)
    attendant = User.objects.get(email="parking_attendant@example.com")
    for plate in ("CLE 33", "LATE 1", "NOBODY 9"):
        check_plate(plate=plate, lot_id=central.pk, actor=attendant, now=now)


def _are_expected(people: dict[str, User], central: Lot, airport: Lot, now: datetime) -> None:
    """Tomorrow, for some days; and one who called it off."""
    tomorrow = now + timedelta(days=1)
    back = tomorrow + timedelta(days=3)
    book(user=people["bob"], lot_id=airport.pk, plate="BUS 89", starts_at=tomorrow, ends_at=back, now=now)
    book(user=people["henry"], lot_id=airport.pk, plate="HSU 9", starts_at=tomorrow, ends_at=back, now=now)
    evening = now + timedelta(hours=6)
    ends_at = evening + timedelta(hours=4)
    book(user=people["grace"], lot_id=central.pk, plate="GRC 15", starts_at=evening, ends_at=ends_at, now=now)
    dropped = book(
        user=people["alice"], lot_id=airport.pk, plate="B-FC 1999", starts_at=tomorrow, ends_at=back, now=now
    )
    cancel(reservation=dropped, actor=people["alice"], now=now)


@transaction.atomic
def clear() -> None:
    """Remove what `seed` made, and what was done with it since."""
    lots = Lot.objects.filter(name__in=[lot["name"] for lot in LOTS])
    stays = Reservation.objects.filter(lot__in=lots)
    PlateCheck.objects.filter(lot__in=lots).delete()
    ParkingPayment.objects.filter(reservation__in=stays).delete()
    ReservationEvent.objects.filter(reservation__in=stays).delete()
    stays.delete()
    Rate.objects.filter(lot__in=lots).delete()
    Spot.objects.filter(lot__in=lots).delete()
    lots.delete()
