"""Looking up a plate: may this vehicle stand here, and until when? Every look is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from cars.models import PLATE_LENGTH
from common.errors import NotFound
from common.text import plate_key
from parking.models import Lot, PlateCheck, Reservation
from parking.services.reservations import CHECK_IN_BEFORE
from parking.services.states import OVERSTAY_GRACE, no_show_at


@dataclass(frozen=True, slots=True)
class PlateAnswer:
    """`reservation` is the one that lets the vehicle in, or that it has overstayed."""

    reservation: Reservation | None
    allowed: bool
    is_overstay: bool

    @property
    def allowed_until(self) -> datetime | None:
        """The end as booked or extended: the sweep may have kept the spot for longer, which is no permission."""
        return self.reservation.booked_until if self.reservation else None


@transaction.atomic
def check_plate(*, plate: str, lot_id: int | None = None, actor: User, now: datetime) -> PlateAnswer:
    """What is known of the plate at this moment, in one lot or in all of them, and a row in the log.

    A vehicle is allowed while it is parked, or from the beginning of check-in until its reservation is given up, and
    always until the end as booked. Raises NotFound for the lot.
    """
    if lot_id is not None and not Lot.objects.live().filter(pk=lot_id).exists():
        raise NotFound
    key = plate_key(plate)
    reservation = _find(key, lot_id, now=now)
    PlateCheck.objects.create(
        lot_id=lot_id or (reservation.lot_id if reservation else None),
        plate=key[:PLATE_LENGTH],
        reservation=reservation,
        allowed_until=reservation.booked_until if reservation else None,
        actor=actor,
        at=now,
    )
    if reservation is None:
        return PlateAnswer(None, allowed=False, is_overstay=False)
    # The sweep comes by once a minute; who asks in between gets the same answer.
    late = reservation.status == Reservation.Status.ACTIVE and now >= reservation.booked_until + OVERSTAY_GRACE
    return PlateAnswer(reservation, now < reservation.booked_until, is_overstay=reservation.is_overstay or late)


def _find(key: str, lot_id: int | None, *, now: datetime) -> Reservation | None:
    """The vehicle that is parked comes before the reservation to come: `active` sorts before `reserved`."""
    rows = Reservation.objects.occupying().filter(plate_key=key, starts_at__lte=now + CHECK_IN_BEFORE)
    if lot_id is not None:
        rows = rows.filter(lot_id=lot_id)
    for reservation in rows.select_related("lot", "spot").order_by("status", "starts_at", "id"):
        if reservation.status == Reservation.Status.ACTIVE or now < no_show_at(reservation, reservation.lot):
            return reservation
    return None
