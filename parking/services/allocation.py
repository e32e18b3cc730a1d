"""Which spots are free, and moving a reservation to another one. Answers hold only as long as the lot is locked."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from accounts.notifications import notify
from parking.models import Reservation, Spot
from parking.services.messages import PARKING_MOVED
from parking.services.states import change_reservation, due_overstays, lock_reservation, record_event


def overlapping(*, starts_at: datetime, ends_at: datetime) -> QuerySet[Reservation]:
    """The reservations that hold a spot at some moment of the half open window."""
    return Reservation.objects.occupying().filter(starts_at__lt=ends_at, ends_at__gt=starts_at)


def free_spots(
    *,
    lot_id: int,
    starts_at: datetime,
    ends_at: datetime,
    spot_type: str | None = None,
    excluding: Reservation | None = None,
    standing: Q | None = None,
) -> QuerySet[Spot]:
    """A lot's spots that are in service and that nobody holds in the window, lowest number first. `excluding` is a
    reservation that does not count; `standing` are vehicles that keep their spot although their window is over
    (`due_overstays`), for those who cannot wait until they have left."""
    taken = overlapping(starts_at=starts_at, ends_at=ends_at).filter(spot=OuterRef("pk"))
    if excluding is not None:
        taken = taken.exclude(pk=excluding.pk)
    spots = Spot.objects.filter(~Exists(taken), lot_id=lot_id, status=Spot.Status.IN_SERVICE)
    if standing is not None:
        spots = spots.filter(~Exists(Reservation.objects.filter(standing, spot=OuterRef("pk"))))
    return (spots.filter(type=spot_type) if spot_type else spots).order_by("number")


def another_spot(reservation: Reservation, *, starts_at: datetime, ends_at: datetime, now: datetime) -> Spot | None:
    """The lowest other spot of the same type for a reservation that is moved. None on which a vehicle still stands:
    one whose own plate is booked elsewhere by now cannot be extended, so no window of its own keeps others away."""
    spots = free_spots(
        lot_id=reservation.lot_id,
        starts_at=starts_at,
        ends_at=ends_at,
        spot_type=reservation.spot.type,
        excluding=reservation,
        standing=due_overstays(now=now),
    )
    return spots.exclude(pk=reservation.spot_id).first()


def is_free(spot: Spot, starts_at: datetime, ends_at: datetime, excluding: Reservation | None = None) -> bool:
    """Whether nobody but `excluding` holds the spot in the window, whatever the spot's own status."""
    taken = overlapping(starts_at=starts_at, ends_at=ends_at).filter(spot=spot)
    return not (taken.exclude(pk=excluding.pk) if excluding else taken).exists()


def relocate(reservation: Reservation, *, actor: User | None, now: datetime) -> bool:
    """Move a reservation that has not begun to the lowest other free spot of the same type, and tell its driver. True
    when its spot is free of it afterwards: it was moved, or it has ended meanwhile.

    The caller holds the lot's lock. False, and nothing changed, when no other spot is free, or when the vehicle has
    come meanwhile. `reservation` is brought up to date.
    """
    current = lock_reservation(reservation.pk)
    reservation.status, reservation.spot = current.status, current.spot
    if current.status != Reservation.Status.RESERVED:
        return current.status not in Reservation.OCCUPYING
    old = current.spot
    new = another_spot(current, starts_at=current.starts_at, ends_at=current.ends_at, now=now)
    if new is None:
        return False
    change_reservation(current, spot=new)
    reservation.spot = new
    record_event(current, "moved", actor=actor, now=now, old=str(old.number), new=str(new.number))
    notify(
        user=current.user,
        kind=PARKING_MOVED,
        title=f"Your spot at {current.lot.name} is now number {new.number}",
        body=f"Spot {old.number} will not be free for your reservation {current.reference}. Please use spot "
        f"{new.number} instead; time and price stay as they are.",
        data={"reservation": current.pk},
        now=now,
    )
    return True
