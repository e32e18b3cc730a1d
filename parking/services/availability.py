"""How many spots are free, counted from the reservations. A booking looks for itself, under the lot's lock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import (
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Value,
)

from parking.models import Lot, LotQuerySet, Reservation, Spot
from parking.services.states import OVERSTAY_GRACE

Status = Reservation.Status
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SpotCounts:
    """Spots that are not retired, each in one of the four states."""

    total: int = 0
    free: int = 0
    occupied: int = 0
    reserved: int = 0
    out_of_order: int = 0

    def __add__(self, other: SpotCounts) -> SpotCounts:
        return SpotCounts(
            total=self.total + other.total,
            free=self.free + other.free,
            occupied=self.occupied + other.occupied,
            reserved=self.reserved + other.reserved,
            out_of_order=self.out_of_order + other.out_of_order,
        )


@dataclass(frozen=True, slots=True)
class Availability:
    """A lot's spots in all, and by each type that the lot has."""

    counts: SpotCounts = SpotCounts()
    by_type: dict[str, SpotCounts] = field(default_factory=dict)


def availability(
    *, lots: Collection[Lot], starts_at: datetime | None = None, ends_at: datetime | None = None, now: datetime
) -> dict[int, Availability]:
    """By the lots' ids, for the half open window or (without one) for `now`; one query for all lots.

    A spot is occupied when a vehicle stands there at some moment of the window, else reserved when somebody will. A
    vehicle whose time is over occupies its spot as long as a booking would give it, and a reservation whose driver has
    not come in time holds nothing. Opening hours and archived lots are the caller's question.
    """
    window = _window(starts_at, ends_at, now)
    lot_ids = [lot.pk for lot in lots]
    in_service = Q(status=Spot.Status.IN_SERVICE)
    # Sets that are made once, not a question for each of thousands of spots.
    occupied = Q(pk__in=_standing(window, now).filter(lot_id__in=lot_ids).values("spot_id"))
    reserved = Q(pk__in=_coming(window, now).filter(lot_id__in=lot_ids).values("spot_id"))
    rows = (
        Spot.objects.filter(lot_id__in=lot_ids)
        .exclude(status=Spot.Status.RETIRED)
        .order_by("lot_id", "type")
        .values("lot_id", "type")
        .annotate(
            total=Count("pk"),
            out_of_order=Count("pk", filter=~in_service),
            occupied=Count("pk", filter=in_service & occupied),
            reserved=Count("pk", filter=in_service & ~occupied & reserved),
        )
        .values_list("lot_id", "type", "total", "out_of_order", "occupied", "reserved")
    )
    by_type: dict[int, dict[str, SpotCounts]] = {lot.pk: {} for lot in lots}
    for lot_id, spot_type, total, out_of_order, standing, coming in rows:
        by_type[lot_id][spot_type] = SpotCounts(
            total=total,
            free=total - out_of_order - standing - coming,
            occupied=standing,
            reserved=coming,
            out_of_order=out_of_order,
        )
    return {pk: Availability(sum(counts.values(), SpotCounts()), counts) for pk, counts in by_type.items()}


def with_free_spot(
    lots: LotQuerySet,
    *,
    has: bool,
    spot_type: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    now: datetime,
) -> LotQuerySet:
    """The lots that have a spot (of the type) that `availability` counts as free; with `has` False the others."""
    window = _window(starts_at, ends_at, now)
    spots = Spot.objects.filter(
        ~Exists(_standing(window, now).filter(spot_id=OuterRef("pk"))),
        ~Exists(_coming(window, now).filter(spot_id=OuterRef("pk"))),
        lot_id=OuterRef("pk"),
        status=Spot.Status.IN_SERVICE,
    )
    found = Exists(spots.filter(type=spot_type) if spot_type else spots)
    return lots.filter(found if has else ~found)


def with_holder(spots: QuerySet[Spot], *, now: datetime) -> QuerySet[Spot]:
    """The spots with `held_by`: the reservations that hold each at this moment, a vehicle that stands there first."""
    holding = Reservation.objects.filter(
        Q(status=Status.ACTIVE) | Q(status=Status.RESERVED, ends_at__gt=now), starts_at__lte=now
    )
    return spots.prefetch_related(Prefetch("reservations", holding.order_by("status", "pk"), to_attr="held_by"))


def _window(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    return (starts_at or now, ends_at or now + INSTANT)


def _standing(window: tuple[datetime, datetime], now: datetime) -> QuerySet[Reservation]:
    """Vehicles that stand there. An overdue one is given until `now` and the grace, as by the overstay step."""
    starts_at, ends_at = window
    until = Q(ends_at__gt=starts_at)
    if now + OVERSTAY_GRACE > starts_at:
        until |= Q(ends_at__lte=now)
    return Reservation.objects.filter(until, status=Status.ACTIVE, starts_at__lt=ends_at)


def _coming(window: tuple[datetime, datetime], now: datetime) -> QuerySet[Reservation]:
    """Reservations that are not given up yet (`states.no_show_at`)."""
    starts_at, ends_at = window
    # As IntegerField, since Django multiplies no other by a duration on SQLite.
    minutes = ExpressionWrapper(F("lot__no_show_after_min"), output_field=IntegerField())
    waited = ExpressionWrapper(Value(timedelta(minutes=1)) * minutes, output_field=DurationField())
    given_up_at = ExpressionWrapper(F("starts_at") + waited, output_field=Reservation._meta.get_field("starts_at"))
    return Reservation.objects.alias(given_up_at=given_up_at).filter(
        status=Status.RESERVED,
        starts_at__lt=ends_at,
        ends_at__gt=max(starts_at, now),
        given_up_at__gt=now,
    )
