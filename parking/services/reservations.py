"""What happens to a reservation after it was booked: the driver comes, stays longer, leaves, or does not want it.

Locks: the lot, where it matters who stands where (check-in, extend), then the reservation. Cancelling and releasing
only free a spot and lock the reservation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from cars.models import VehicleEvent
from common.errors import Conflict, Forbidden, Unprocessable
from common.transitions import check_transition
from parking.costs import parked_seconds, stay_cost
from parking.models import PlateCheck, Reservation, ReservationEvent
from parking.services.allocation import another_spot, is_free, overlapping
from parking.services.booking import (
    PlateInUse,
    WindowRefused,
    check_length,
    require_free_plate,
    require_open,
    settle_lot,
    tell_timeline,
)
from parking.services.rates import tariff_of
from parking.services.states import (
    MOVES,
    change_reservation,
    lock_lot,
    lock_reservation,
    move_reservation,
    no_show_at,
    record_event,
)
from parking.services.vacancies import Stay

Status = Reservation.Status

CHECK_IN_BEFORE = timedelta(minutes=15)


class TooEarly(Conflict):
    """`meta.from` is when check-in begins."""

    code = "too_early"
    detail = "Check-in begins 15 minutes before the reservation."


class NoShow(Conflict):
    """The driver came after `meta.until`."""

    code = "no_show"
    detail = "This reservation was given up because nobody came in time."


class SpotTaken(Conflict):
    """Somebody else holds the spot; an extension is told from when on (`meta.from`)."""

    code = "spot_taken"
    detail = "The spot is not free at that time."


class TooLateToCancel(Conflict):
    """`meta.until` was the last moment."""

    code = "too_late_to_cancel"
    detail = "It is too late to cancel this reservation."


class AlreadyReleased(Conflict):
    """The vehicle has left, and the cost is settled."""

    code = "already_released"
    detail = "This vehicle has been released already."


class ReasonRequired(Unprocessable):
    """Staff who release by force say why."""

    code = "reason_required"
    detail = "A forced release needs a reason."


class VehicleParked(Conflict):
    """Nobody can be forgotten whose vehicle stands there; `meta.reservations` names the stays."""

    code = "vehicle_parked"
    detail = "A vehicle of yours is parked. It has to leave first."


@transaction.atomic
def check_in(*, reservation: Reservation, actor: User, now: datetime) -> Reservation:
    """The vehicle has come. Who comes up to 15 minutes early holds the spot from now on; if it is not free yet, they
    get another one of the type.

    Raises InvalidTransition, TooEarly, NoShow, SpotTaken, PlateInUse.
    """
    lot = lock_lot(reservation.lot_id)
    settle_lot(lot, now=now)
    reservation = lock_reservation(reservation.pk)
    if reservation.status == Status.NO_SHOW:
        raise NoShow(meta={"until": no_show_at(reservation, lot)})
    check_transition(current=reservation.status, to=Status.ACTIVE, allowed=MOVES)
    opens = reservation.starts_at - CHECK_IN_BEFORE
    if now < opens:
        raise TooEarly(meta={"from": opens})
    stay = Stay(min(now, reservation.starts_at), reservation.ends_at)
    require_free_plate(
        reservation.plate_key, stay, now=now, at_once=True, user_id=reservation.user_id, excluding=reservation
    )
    # Where a vehicle still stands whose time is over, within its grace, the spot is not free either.
    standing = Reservation.objects.filter(spot=reservation.spot, status=Status.ACTIVE).exists()
    if standing or not is_free(reservation.spot, stay.starts_at, stay.ends_at, reservation):
        _take_another(reservation, stay, actor=actor, now=now)
    _unless_plate_taken(
        lambda: move_reservation(
            reservation, Status.ACTIVE, actor=actor, now=now, starts_at=stay.starts_at, checked_in_at=now
        )
    )
    tell_timeline(reservation, VehicleEvent.Kind.PARKED, actor=actor, now=now)
    return reservation


@transaction.atomic
def release(
    *, reservation: Reservation, actor: User, now: datetime, force: bool = False, reason: str = ""
) -> Reservation:
    """The vehicle leaves, and its cost is frozen. `force` is for staff who find that it has left already, or that it
    has to; the history keeps the reason. Raises Forbidden, ReasonRequired, AlreadyReleased, InvalidTransition."""
    if force and not actor.has_perm("parking.force_release"):
        raise Forbidden
    if force and not reason:
        raise ReasonRequired(attr="reason")
    reservation = lock_reservation(reservation.pk)
    if reservation.status == Status.COMPLETED:
        raise AlreadyReleased(meta={"released_at": reservation.released_at, "cost": str(reservation.cost)})
    check_transition(current=reservation.status, to=Status.COMPLETED, allowed=MOVES)
    started_at = reservation.checked_in_at or reservation.starts_at
    tariff = tariff_of(reservation.rate, reservation.surcharge_percent)
    cost = stay_cost(parked_seconds(started_at, now), tariff)
    note = f"forced: {reason}" if force else reason
    move_reservation(reservation, Status.COMPLETED, actor=actor, now=now, note=note, released_at=now, cost=cost)
    tell_timeline(reservation, VehicleEvent.Kind.RELEASED, actor=actor, now=now)
    return reservation


@transaction.atomic
def cancel(*, reservation: Reservation, actor: User, now: datetime) -> Reservation:
    """Give the spot back, free of charge. Raises InvalidTransition, TooLateToCancel."""
    reservation = lock_reservation(reservation.pk)
    check_transition(current=reservation.status, to=Status.CANCELLED, allowed=MOVES)
    until = reservation.starts_at - timedelta(minutes=reservation.lot.cancel_cutoff_min)
    if now > until:
        raise TooLateToCancel(meta={"until": until})
    move_reservation(reservation, Status.CANCELLED, actor=actor, now=now)
    return reservation


@transaction.atomic
def extend(*, reservation: Reservation, ends_at: datetime, actor: User, now: datetime) -> Reservation:
    """Stay longer, on the same spot and at the same rate; a vehicle that was overdue is not any more.

    Raises InvalidTransition, SpotTaken, PlateInUse, LotClosed, LotArchived (409), WindowRefused (422).
    """
    lot = lock_lot(reservation.lot_id, archived_too=True)
    settle_lot(lot, now=now)
    reservation = lock_reservation(reservation.pk)
    if reservation.status not in Reservation.OCCUPYING:
        check_transition(current=reservation.status, to=Status.ACTIVE, allowed=MOVES)
    if ends_at <= max(reservation.booked_until, now):
        text = "An extension ends later than the reservation, and in the future."
        raise WindowRefused(text, code="not_later", attr="ends_at")
    stay = Stay(reservation.starts_at, ends_at)
    check_length(stay)
    require_open(lot, ends_at)
    _require_free_until(reservation, ends_at)
    require_free_plate(
        reservation.plate_key, stay, now=now, at_once=False, user_id=reservation.user_id, excluding=reservation
    )
    old = reservation.booked_until.isoformat()
    _unless_plate_taken(
        lambda: change_reservation(reservation, ends_at=ends_at, booked_until=ends_at, is_overstay=False)
    )
    record_event(reservation, "extended", actor=actor, now=now, old=old, new=ends_at.isoformat())
    return reservation


def export_reservations(user: User) -> list[dict[str, Any]]:
    """What a person's data export says about their parking."""
    reservations = Reservation.objects.filter(user=user).select_related("lot", "spot", "rate")
    return [_export(reservation) for reservation in reservations.prefetch_related("payments")]


def erase_reservations(user: User, *, now: datetime) -> bool:
    """Take a person, whose row is locked, out of the parking: what is to come is cancelled, and what was stays without
    plate, vehicle and remarks, for the books. True when such a reservation still refers to the user.

    Raises VehicleParked.
    """
    parked = Reservation.objects.filter(user=user, status=Status.ACTIVE).order_by("id")
    if ids := list(parked.values_list("pk", flat=True)):
        raise VehicleParked(meta={"reservations": ids})
    for pk in Reservation.objects.filter(user=user, status=Status.RESERVED).order_by("pk").values_list("pk", flat=True):
        _cancel_for_good(pk, now=now)
    theirs = Reservation.objects.filter(user=user)
    PlateCheck.objects.filter(reservation__user=user).update(plate="")
    theirs.update(plate="", plate_key="", vehicle=None, vehicle_model="", vehicle_color="", remarks="")
    ReservationEvent.objects.filter(reservation__user=user).update(note="")
    return theirs.exists()


def _cancel_for_good(reservation_id: int, *, now: datetime) -> None:
    """Raises VehicleParked when the driver has come meanwhile."""
    reservation = lock_reservation(reservation_id)
    if reservation.status == Status.ACTIVE:
        raise VehicleParked(meta={"reservations": [reservation.pk]})
    if reservation.status == Status.RESERVED:
        move_reservation(reservation, Status.CANCELLED, actor=None, now=now, note="account deleted")


def _take_another(reservation: Reservation, stay: Stay, *, actor: User, now: datetime) -> None:
    old = reservation.spot
    new = another_spot(reservation, now=now, **stay._asdict())
    if new is None:
        raise SpotTaken("Another vehicle still stands on the spot, and no other one is free.")
    change_reservation(reservation, spot=new)
    record_event(reservation, "moved", actor=actor, now=now, old=str(old.number), new=str(new.number))


def _require_free_until(reservation: Reservation, ends_at: datetime) -> None:
    following = overlapping(starts_at=reservation.starts_at, ends_at=ends_at).filter(spot=reservation.spot)
    taken_from = following.exclude(pk=reservation.pk).order_by("starts_at").values_list("starts_at", flat=True).first()
    if taken_from is not None:
        raise SpotTaken(meta={"from": taken_from})


def _unless_plate_taken(write: Callable[[], None]) -> None:
    """Another lot's lock is not ours: the constraints on plates may refuse what was free when we looked."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError as error:
        if "plate" not in str(error):
            raise
        raise PlateInUse from None


def _export(reservation: Reservation) -> dict[str, Any]:
    described = (
        "reference", "plate", "vehicle_model", "vehicle_color", "remarks", "status", "starts_at", "booked_until",
        "checked_in_at", "released_at", "cost", "paid", "created_at",
    )  # fmt: skip
    return {
        **{name: getattr(reservation, name) for name in described},
        "lot": reservation.lot.name,
        "spot": reservation.spot.number,
        "currency": reservation.rate.currency,
        "payments": [
            {"amount": payment.amount, "method": payment.method, "received_at": payment.received_at}
            for payment in reservation.payments.all()
        ],
    }
