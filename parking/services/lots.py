"""Writes of lots and their spots. All but the making of a lot hold the lot's row, as bookings do: what is taken away
here cannot be booked at the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from accounts.models import User
from accounts.services import UnknownTimezone
from common.clock import known_zones
from common.errors import Conflict, Unprocessable
from parking import caches
from parking.models import Lot, Reservation, Spot
from parking.services.allocation import relocate
from parking.services.booking import settle_lot
from parking.services.no_shows import mark_no_shows
from parking.services.rates import set_rate
from parking.services.states import lock_lot

MOST_FACTS = 50  # Rows named in the `meta` of a refusal; the count beside them is whole.


class OpeningHours(Unprocessable):
    """A lot is open all day, or from one time to another."""

    code = "opening_hours"
    detail = "State both times of opening, and two different ones, or neither for a lot that is open all day."


class SpotsOccupied(Conflict):
    """Too few spots without a reservation to take away; `meta` has how many are asked for and free, and who stands in
    the way."""

    code = "spots_occupied"
    detail = "Too few spots are free of reservations."


class LotInUse(Conflict):
    """Vehicles stand there, or will."""

    code = "lot_in_use"
    detail = "The lot has active or future reservations."


class SpotReserved(Conflict):
    """Reservations hold the spot; `meta.reservations` names those that stay in the way."""

    code = "spot_reserved"
    detail = "The spot has reservations."


class SpotRetired(Conflict):
    """It is kept for its history alone."""

    code = "spot_retired"
    detail = "This spot is retired."


@transaction.atomic
def create_lot(*, data: Mapping[str, Any], actor: User | None, now: datetime) -> Lot:
    """A lot with its spots 1..`capacity`, all standard, and its first rate.

    Raises OpeningHours, UnknownTimezone, RateTooHigh.
    """
    fields = dict(data)
    capacity, rate = fields.pop("capacity"), fields.pop("rate")
    lot = Lot(**fields, created_by=actor)
    _check(lot)
    lot.save()
    _add_spots(lot, first=1, count=capacity)
    set_rate(lot=lot, data=rate, actor=actor, now=now)
    caches.availability.bump_on_commit()
    return lot


@transaction.atomic
def update_lot(*, lot: Lot, data: Mapping[str, Any], actor: User | None, now: datetime) -> Lot:
    """Change the named fields. A `rate` is a new version for bookings from now on; `capacity` is how many spots are
    not retired, see `_resize`. A lot that is closed (`is_active`) takes no bookings; those it has are kept.

    Raises OpeningHours, UnknownTimezone, RateTooHigh, SpotsOccupied, and NotFound when the lot was archived meanwhile.
    """
    lot = lock_lot(lot.pk)
    fields = dict(data)
    capacity, rate = fields.pop("capacity", None), fields.pop("rate", None)
    changed = {name: value for name, value in fields.items() if getattr(lot, name) != value}
    for name, value in changed.items():
        setattr(lot, name, value)
    if changed:
        _check(lot)
        lot.save()
    if capacity is not None:
        _resize(lot, capacity, now=now)
    if rate:
        set_rate(lot=lot, data=rate, actor=actor, now=now)
    caches.availability.bump_on_commit()
    return lot


@transaction.atomic
def archive_lot(*, lot: Lot, now: datetime) -> None:
    """Take a lot away; its spots, rates and reservations stay for the history. Raises LotInUse, and NotFound when it
    is archived already."""
    lot = lock_lot(lot.pk)
    mark_no_shows(lot_id=lot.pk, now=now)
    open_ones = Reservation.objects.occupying().filter(lot_id=lot.pk)
    count = open_ones.count()
    if count:
        raise LotInUse(
            meta={"count": count, "reservations": _facts(open_ones.order_by("starts_at", "pk")[:MOST_FACTS])}
        )
    lot.archived_at = now
    lot.save(update_fields=["archived_at", "updated_at"])
    caches.availability.bump_on_commit()


@transaction.atomic
def update_spot(*, spot: Spot, data: Mapping[str, Any], actor: User | None, now: datetime) -> Spot:
    """Change a spot's `type`, or put it `out_of_order` or back in service.

    A spot out of order must hold no reservation, and one that changes its type none that is still to come. With
    `relocate` these are moved to other free spots of the same type, all of them or none; a vehicle that stands there
    cannot be moved. Raises SpotReserved, SpotRetired, and NotFound when the lot was archived meanwhile.
    """
    lot = lock_lot(spot.lot_id)
    spot = Spot.objects.select_for_update(no_key=True).get(pk=spot.pk)
    if spot.status == Spot.Status.RETIRED:
        raise SpotRetired
    spot_type = data.get("type", spot.type)
    out_of_order = data.get("out_of_order", spot.status == Spot.Status.OUT_OF_ORDER)
    status = Spot.Status.OUT_OF_ORDER if out_of_order else Spot.Status.IN_SERVICE
    in_the_way: tuple[str, ...] = ()
    if out_of_order and status != spot.status:
        in_the_way = Reservation.OCCUPYING
    elif spot_type != spot.type:
        in_the_way = (Reservation.Status.RESERVED,)
    if in_the_way:
        settle_lot(lot, now=now)  # Nobody is moved onto the spot of a vehicle that should have left.
    reservations = Reservation.objects.filter(spot_id=spot.pk, status__in=in_the_way)
    _clear(reservations, move=data.get("relocate", False), actor=actor, now=now)
    spot.type, spot.status = spot_type, status
    spot.save(update_fields=["type", "status", "updated_at"])
    caches.availability.bump_on_commit()
    return spot


def _clear(reservations: QuerySet[Reservation], *, move: bool, actor: User | None, now: datetime) -> None:
    """Raises SpotReserved when one of the reservations stays; what was moved before is then rolled back."""
    staying = list(reservations.order_by("starts_at", "pk"))
    if move:
        staying = [reservation for reservation in staying if not relocate(reservation, actor=actor, now=now)]
    if staying:
        raise SpotReserved(meta={"count": len(staying), "reservations": _facts(staying[:MOST_FACTS])})


def _check(lot: Lot) -> None:
    if (lot.opens_at is None) != (lot.closes_at is None) or (
        lot.opens_at is not None and lot.opens_at == lot.closes_at
    ):
        raise OpeningHours(attr="opens_at")
    if lot.timezone not in known_zones():
        raise UnknownTimezone(attr="timezone")


def _resize(lot: Lot, capacity: int, *, now: datetime) -> None:
    """To so many spots that are not retired, under the lot's lock.

    More: new numbers after the highest that there ever was, so that a number means one place in all of the history.
    Fewer: the highest numbers without a reservation, now or later, are retired. Raises SpotsOccupied.
    """
    spots = Spot.objects.filter(lot_id=lot.pk)
    kept = spots.exclude(status=Spot.Status.RETIRED)
    surplus = kept.count() - capacity
    if surplus < 0:
        highest = spots.aggregate(highest=Max("number"))["highest"] or 0
        _add_spots(lot, first=highest + 1, count=-surplus)
    elif surplus > 0:
        mark_no_shows(lot_id=lot.pk, now=now)
        _retire(kept, surplus, now=now)


def _retire(kept: QuerySet[Spot], count: int, *, now: datetime) -> None:
    held = Exists(Reservation.objects.occupying().filter(spot_id=OuterRef("pk")))
    unused = list(kept.filter(~held).order_by("-number").values_list("pk", flat=True)[:count])
    if len(unused) < count:
        blocking = kept.filter(held).order_by("-number")
        raise SpotsOccupied(
            attr="capacity",
            meta={
                "to_retire": count,
                "free": len(unused),
                "blocking_count": blocking.count(),
                "blocking": list(blocking.values("id", "number", "type")[:MOST_FACTS]),
            },
        )
    # The lot's lock keeps bookings away; the rows are named by id, since SQLite knows no LIMIT here.
    Spot.objects.filter(pk__in=unused).update(status=Spot.Status.RETIRED, updated_at=now)


def _add_spots(lot: Lot, *, first: int, count: int) -> None:
    Spot.objects.bulk_create((Spot(lot=lot, number=number) for number in range(first, first + count)), batch_size=1000)


def _facts(reservations: Iterable[Reservation]) -> list[dict[str, Any]]:
    return [
        {
            "id": reservation.pk,
            "reference": reservation.reference,
            "status": reservation.status,
            "starts_at": reservation.starts_at,
            "ends_at": reservation.ends_at,
        }
        for reservation in reservations
    ]
