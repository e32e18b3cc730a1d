"""The parking of the demo data: two lots, vehicles on their spots, and stays of the last weeks."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from cars.models import Vehicle
from parking.models import Lot, ParkingPayment, PlateCheck, Rate, Reservation, ReservationEvent, Spot, SpotType
from parking.services.booking import book
from parking.services.lots import create_lot, update_spot
from parking.services.payments import record_stay_payment
from parking.services.reservations import cancel, check_in, release

LOTS: tuple[dict[str, Any], ...] = (
    {
        "name": "Central garage",
        "address": "1 Station Square, Berlin",
        "pin_code": "10557",
        "description": "Under the station, two levels.",
        "timezone": "Europe/Berlin",
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
        "address": "Terminal 2, car park P7",
        "pin_code": "12529",
        "timezone": "Europe/Berlin",
        "default_stay_min": 4320,
        "cancel_cutoff_min": 60,
        "capacity": 20,
        "rate": {"price": Decimal("2.50"), "cap": Decimal("18.00")},
    },
)
# Days ago, hours parked, plate of alice or bob, paid.
STAYS = (
    (24, 2.5, "alice", True),
    (19, 9.0, "bob", True),
    (12, 1.2, "alice", True),
    (9, 26.0, "bob", True),
    (5, 0.1, "alice", False),
    (3, 4.75, "alice", True),
    (1, 7.5, "bob", False),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the lots and their stays, unless they are there."""
    if Lot.objects.filter(name=LOTS[0]["name"]).exists():
        return
    manager = User.objects.get(email="parking_manager@example.com")
    opened = now - timedelta(days=60)
    central, airport = (create_lot(data=data, actor=manager, now=opened) for data in LOTS)
    Lot.objects.filter(pk__in=[central.pk, airport.pk]).update(created_at=opened)
    for number in (1, 2, 3):
        spot = central.spots.get(number=number)
        update_spot(spot=spot, data={"type": SpotType.EV}, actor=manager, now=opened)
    update_spot(spot=central.spots.get(number=50), data={"out_of_order": True}, actor=manager, now=opened)
    people = {name: User.objects.get(email=f"{name}@example.com") for name in ("alice", "bob")}
    attendant = User.objects.get(email="parking_attendant@example.com")
    for days, hours, name, paid in STAYS:
        start = now - timedelta(days=days)
        stay = book(user=people[name], lot_id=central.pk, plate=f"B-{name[:2]} {days}", now=start)
        gone = start + timedelta(hours=hours)
        stay = release(reservation=stay, actor=people[name], now=gone)
        if paid and stay.cost:
            record_stay_payment(reservation=stay, amount=stay.cost, method="card", actor=attendant, now=gone)
    _now_parked(people, central, airport, now)


def _now_parked(people: dict[str, User], central: Lot, airport: Lot, now: datetime) -> None:
    """One who came an hour ago, one who comes tomorrow, one who called it off."""
    accord = Vehicle.objects.get(vin="1HGCM82633A004352")
    arrived = now - timedelta(hours=1)
    book(user=people["alice"], lot_id=central.pk, vehicle_id=accord.pk, now=arrived, ends_at=now + timedelta(hours=3))
    tomorrow = now + timedelta(days=1)
    back = tomorrow + timedelta(days=3)
    book(user=people["bob"], lot_id=airport.pk, plate="BUS 89", starts_at=tomorrow, ends_at=back, now=now)
    dropped = book(
        user=people["alice"], lot_id=airport.pk, plate="B-FC 1999", starts_at=tomorrow, ends_at=back, now=now
    )
    cancel(reservation=dropped, actor=people["alice"], now=now)
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
