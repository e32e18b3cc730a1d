"""What parking tells people: the kinds of its notifications, and the texts of those that several services send. Rows
of the outbox in the caller's transaction; accounts mails them after the commit. No plates in them: they would outlive
the plates' retention."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from accounts.notifications import notify
from accounts.registry import NotificationKind, notification_kinds
from parking.models import Lot, Reservation

PARKING_MOVED = "parking_moved"
PARKING_CANCELLED = "parking_cancelled"
PARKING_OVERSTAY = "parking_overstay"

LABELS = {
    PARKING_MOVED: "Another spot for your reservation",
    PARKING_CANCELLED: "A reservation that had to be cancelled",
    PARKING_OVERSTAY: "A vehicle that stays longer than booked",
}


def register_kinds() -> None:
    """Called once the apps are ready."""
    for kind, label in LABELS.items():
        notification_kinds.register(kind, NotificationKind(label=label))


def local_time(moment: datetime, lot: Lot) -> str:
    """As the clocks at the lot show it: `28 Nov 2026, 18:30 (Europe/Berlin)`."""
    local = moment.astimezone(ZoneInfo(lot.timezone))
    return f"{local.day} {local:%b %Y, %H:%M} ({lot.timezone})"


def tell_cancelled(reservation: Reservation, *, now: datetime) -> None:
    """The spot is still taken by the vehicle before, and no other one is free."""
    lot = reservation.lot
    notify(
        user=reservation.user,
        kind=PARKING_CANCELLED,
        title=f"Your reservation at {lot.name} had to be cancelled",
        body=f"Your reservation {reservation.reference} for {local_time(reservation.starts_at, lot)} had to be "
        f"cancelled: the vehicle before you has not left, and no other spot of this type is free. It costs you "
        "nothing. We are sorry.",
        data={"reservation": reservation.pk},
        now=now,
    )


def tell_overstay(reservation: Reservation, *, now: datetime) -> None:
    """The grace is over."""
    lot, spot = reservation.lot, reservation.spot
    notify(
        user=reservation.user,
        kind=PARKING_OVERSTAY,
        title=f"Your time at {lot.name} is over",
        body=f"Your reservation {reservation.reference} for spot {spot.number} ended at "
        f"{local_time(reservation.booked_until, lot)}, and your vehicle has not been released. Please leave, or "
        "extend your reservation if the spot is still free. The time until the release is charged.",
        data={"reservation": reservation.pk},
        now=now,
    )
