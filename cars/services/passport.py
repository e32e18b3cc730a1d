"""A vehicle's history in one document: for its owner and staff the passport, for everybody the public part of it.

Both are the timeline and the readings as they stand, read by a few statements however long they are. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Min, Q

from cars.models import Car, OdometerReading, Vehicle, VehicleEvent, VehicleEventQuerySet
from cars.odometer import Assessment, Overall, Reading, Verdict, assess, converted, days, km_between
from cars.services.vehicles import CHANGED_HANDS, FIRST_OWNER
from cars.services.vin import VinAnswer, recall_vin
from common.text import natural_key

Kind = VehicleEvent.Kind
# The newest; `truncated` says that there are more. Of readings it costs one statement more: how many were forced.
MOST_EVENTS = MOST_READINGS = 1000
SERVICES = frozenset({Kind.SERVICED, Kind.ESTIMATE_AUTHORISED})
MARKET = frozenset({Kind.LISTED, Kind.BID_WON, Kind.SOLD})
YEAR_OF_DAYS = Decimal("365.25")
LEAST_SPAN = timedelta(days=30)  # Of less nobody can tell what a year would be.


@dataclass(frozen=True, slots=True)
class VinStatement(VinAnswer):
    """What is known about the VIN, and in which of its facts the vehicle is registered as something else."""

    disagrees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event of the timeline as its reader may see it: `details` and `reference` are empty for those of others'
    times. `mileage` is the reading that was taken with it."""

    kind: str
    at: datetime
    summary: str
    details: str
    reference: str
    mileage: int | None
    mileage_unit: str | None


@dataclass(frozen=True, slots=True)
class SeriesReading:
    """A reading with its verdict. `distance` is its value in the unit of the series, to the nearest."""

    value: int
    unit: str
    at: datetime
    source: str
    forced_reason: str
    distance: int
    verdict: Verdict
    against: Reading | None


@dataclass(frozen=True, slots=True)
class OdometerSeries:
    """The readings, the oldest first, and what they are worth together."""

    unit: str
    assessment: Assessment
    readings: tuple[SeriesReading, ...]

    @property
    def verdict(self) -> Overall:
        return self.assessment.verdict

    @property
    def reasons(self) -> list[dict[str, Any]]:
        return [{"code": verdict, "count": count} for verdict, count in self.assessment.reasons]


@dataclass(frozen=True, slots=True)
class HistorySummary:
    """The history in figures. `counts` has every kind of event that there is, also of those left out for their number;
    a year's distance is told of a consistent series of thirty days and more."""

    counts: Mapping[str, int]
    first_seen: datetime | None
    last_seen: datetime | None
    latest_mileage: int | None
    mileage_unit: str
    distance_per_year: int | None


@dataclass(frozen=True, slots=True)
class History:
    """What a passport and a public history have in common. Entries are newest first. `earlier_records` counts the
    vehicles with this VIN that were archived: what was known of those is not in here, and who leaves it behind by
    registering anew is seen to have done so."""

    owners: int
    owned_since: datetime | None
    earlier_records: int
    odometer: OdometerSeries
    services: tuple[HistoryEntry, ...]
    market: tuple[HistoryEntry, ...]
    title_events: tuple[HistoryEntry, ...]
    parking_stays: int
    last_parking: HistoryEntry | None
    summary: HistorySummary
    truncated: bool


@dataclass(frozen=True, slots=True)
class Passport:
    """All that its reader may know of a vehicle."""

    vehicle: Vehicle
    registry: Car | None
    vin_decode: VinStatement | None
    history: History
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads; without a `user_id` it is everybody."""

    user_id: int | None
    staff: bool = False

    def sees(self, person_id: int | None) -> bool:
        """Whether the private matters of that person are theirs to read."""
        return self.staff or (person_id is not None and person_id == self.user_id)


def read_passport(*, vehicle: Vehicle, viewer: Any, now: datetime) -> Passport:
    """The passport as `viewer` may see it: of the timeline what `visible_to` shows. Reads the vehicle's car, four
    statements for the history, and one for the VIN when there is an outside provider."""
    reader = _Reader(viewer.pk, staff=viewer.has_perm("cars.view_vehicle"))
    return Passport(
        vehicle=vehicle,
        registry=vehicle.car,
        vin_decode=state_vin(
            vin=vehicle.vin, exempt_reason=vehicle.vin_exempt_reason, make=vehicle.make, year=vehicle.year, now=now
        ),
        history=_read(vehicle, vehicle.events.visible_to(viewer), reader),
        issued_at=now,
    )


def read_public_history(*, vehicle: Vehicle) -> History:
    """What everybody may read: of the timeline what has a public summary, and that alone. Four statements."""
    return _read(vehicle, vehicle.events.public(), _Reader(None))


def state_vin(
    *, vin: str | None, exempt_reason: str, make: str, year: int | None, now: datetime
) -> VinStatement | None:
    """What is known about a VIN without asking anybody outside. Against the make speaks only a source that knows this
    very VIN; against the year (by more than one: models come early) also a North American number itself."""
    answer = recall_vin(vin=vin, exempt_reason=exempt_reason, now=now) if vin else None
    if answer is None:
        return None
    attributes, report = answer.attributes, answer.report
    stated_year = attributes.get("year", "") if answer.verified else ""
    decoded_year = int(stated_year) if stated_year.isdecimal() else report.model_year if report.north_american else None
    disagrees = []
    if answer.verified and make and natural_key(attributes.get("make", make)) != natural_key(make):
        disagrees.append("make")
    if year is not None and decoded_year is not None and abs(decoded_year - year) > 1:
        disagrees.append("year")
    return VinStatement(report, answer.source, answer.verified, attributes, answer.warnings, tuple(disagrees))


def _read(vehicle: Vehicle, events: VehicleEventQuerySet, reader: _Reader) -> History:
    kinds = _kinds(events)
    rows = list(events.order_by("-id")[: MOST_EVENTS + 1])
    readings = list(vehicle.odometer_readings.order_by("-at", "-id")[: MOST_READINGS + 1])
    truncated = len(rows) > MOST_EVENTS or len(readings) > MOST_READINGS
    forced = vehicle.odometer_readings.exclude(forced_reason="").count() if len(readings) > MOST_READINGS else 0
    rows, readings = rows[:MOST_EVENTS], readings[:MOST_READINGS]
    at_the_workshop = {reading.at: reading for reading in readings if reading.source == "workshop"}
    entries = [_entry(row, reader, at_the_workshop.get(row.at)) for row in rows]
    series = _series(readings, reader, vehicle.mileage_unit, forced=forced)
    titles = kinds.get(Kind.TITLE_TRANSFERRED, {})
    registered = kinds.get(Kind.REGISTERED, {}).get("first", vehicle.created_at)
    return History(
        owners=titles.get("handovers", 0) + (vehicle.owner_id is not None),
        owned_since=_owned_since(vehicle, titles, registered),
        earlier_records=_earlier_records(vehicle),
        odometer=series,
        services=_of(entries, SERVICES),
        market=_of(entries, MARKET),
        title_events=_of(entries, {Kind.TITLE_TRANSFERRED}),
        parking_stays=kinds.get(Kind.PARKED, {}).get("count", 0),
        last_parking=next((entry for entry in entries if entry.kind == Kind.PARKED), None),
        summary=_summary(vehicle, kinds, series),
        truncated=truncated,
    )


def _earlier_records(vehicle: Vehicle) -> int:
    """No verdict is drawn from them: anybody can register a VIN that is free, and archive it again."""
    if not vehicle.vin:
        return 0
    return Vehicle.objects.filter(vin=vehicle.vin, archived_at__isnull=False).exclude(pk=vehicle.pk).count()


def _owned_since(vehicle: Vehicle, titles: Mapping[str, Any], registered: datetime) -> datetime | None:
    """Since the last transfer of any kind that gave it to somebody, else since it was registered."""
    if vehicle.owner_id is None:
        return None
    return titles.get("last_arrival") or registered


def _kinds(events: VehicleEventQuerySet) -> dict[str, dict[str, Any]]:
    """How many events of each kind there are, from when to when; and of the transfers those that went from one owner to
    another, and when the present one came."""
    handover = Q(public_summary=CHANGED_HANDS)
    arrival = Q(public_summary__in=[CHANGED_HANDS, FIRST_OWNER])
    rows: Iterable[Any] = (
        events.order_by()
        .values("kind")
        .annotate(
            count=Count("id"),
            first=Min("at"),
            last=Max("at"),
            handovers=Count("id", filter=handover),
            last_arrival=Max("at", filter=arrival),
        )
    )
    return {row["kind"]: row for row in rows}


def _entry(event: VehicleEvent, reader: _Reader, reading: OdometerReading | None) -> HistoryEntry:
    shown = reader.sees(event.owner_id)
    reading = reading if event.kind == Kind.SERVICED else None
    return HistoryEntry(
        kind=event.kind,
        at=event.at,
        summary=event.public_summary,
        details=event.private_summary if shown else "",
        reference=event.reference if shown else "",
        mileage=reading.value if reading else None,
        mileage_unit=reading.unit if reading else None,
    )


def _of(entries: list[HistoryEntry], kinds: Any) -> tuple[HistoryEntry, ...]:
    return tuple(entry for entry in entries if entry.kind in kinds)


def _series(readings: list[OdometerReading], reader: _Reader, unit: str, *, forced: int) -> OdometerSeries:
    rows = {row.pk: row for row in readings}
    series = (Reading(row.value, row.unit, row.at, forced=bool(row.forced_reason), number=row.pk) for row in readings)
    assessment = assess(series, forced=forced)
    shown = tuple(
        SeriesReading(
            value=reading.value,
            unit=reading.unit,
            at=reading.at,
            source=rows[reading.number].source,
            forced_reason=rows[reading.number].forced_reason if reader.sees(rows[reading.number].actor_id) else "",
            distance=converted(reading.least_km, unit),
            verdict=verdict,
            against=against,
        )
        for reading, verdict, against in assessment.readings
    )
    return OdometerSeries(unit, assessment, shown)


def _summary(vehicle: Vehicle, kinds: Mapping[str, Mapping[str, Any]], series: OdometerSeries) -> HistorySummary:
    newest = series.readings[-1] if series.readings else None
    return HistorySummary(
        counts={kind: row["count"] for kind, row in sorted(kinds.items())},
        first_seen=min((row["first"] for row in kinds.values()), default=None),
        last_seen=max((row["last"] for row in kinds.values()), default=None),
        latest_mileage=newest.value if newest else vehicle.mileage,
        mileage_unit=newest.unit if newest else vehicle.mileage_unit,
        distance_per_year=_distance_per_year(series),
    )


def _distance_per_year(series: OdometerSeries) -> int | None:
    judged = series.assessment.readings
    if series.verdict != Overall.CONSISTENT:
        return None
    first, last = judged[0].reading, judged[-1].reading
    if last.at - first.at < LEAST_SPAN:
        return None
    driven = max(km_between(first, last), Decimal(0))
    return converted(driven / days(last.at - first.at) * YEAR_OF_DAYS, series.unit)
