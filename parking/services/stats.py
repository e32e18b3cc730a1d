"""How full lots were and what they earned, hour by hour or day by day: each answer is one statement.

Time is cut where the lot's own clock strikes the hour or midnight, so that a day has 23 or 25 hours when the clocks
change. For occupancy the cuts go into the statement as rows among the events, in the order of time: a running sum then
says how many vehicles stood there and which bucket it is. Moments are whole microseconds and amounts whole cents, so
every figure is exact on both databases.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import gcd
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from common.errors import BadRequest, NotFound
from common.money import ZERO, to_cents
from parking.models import Lot, ParkingPayment, Rate, Reservation, Spot

STEPS: dict[str, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
UNLESS_TOLD: dict[str, timedelta] = {"hour": timedelta(days=1), "day": timedelta(days=30)}
MOST_BUCKETS = 744  # A month of hours, or two years of days.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = timedelta(days=1) // MICROSECOND
OUTSTANDING = 0  # Buckets count from 1.


class PeriodRefused(BadRequest):
    """The period is empty, or has too many buckets; the code says which."""


class Bucket(NamedTuple):
    """A half open stretch of time."""

    starts_at: datetime
    ends_at: datetime

    @property
    def microseconds(self) -> int:
        return (self.ends_at - self.starts_at) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Period:
    """What figures are asked for: of one lot, or of all (None). The first and the last bucket may be shorter than the
    others."""

    lot: int | None
    step: str
    timezone: str
    buckets: list[Bucket]

    @property
    def starts_at(self) -> datetime:
        return self.buckets[0].starts_at

    @property
    def ends_at(self) -> datetime:
        return self.buckets[-1].ends_at


class OccupancyBucket(NamedTuple):
    """`occupied_s` is the sum over all vehicles, rounded to a second; `peak` the most that stood there at one moment;
    `occupancy_percent` None where there are no spots."""

    starts_at: datetime
    ends_at: datetime
    arrivals: int
    departures: int
    peak: int
    occupied_s: int
    occupancy_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`spots` is how many there are now."""

    period: Period
    spots: int
    buckets: list[OccupancyBucket]


class Takings(NamedTuple):
    """Stays that ended, what they cost, what of that is unpaid by now, and what was received for any stay meanwhile."""

    stays: int = 0
    charged: Decimal = ZERO
    unpaid: Decimal = ZERO
    received: Decimal = ZERO


class RevenueBucket(NamedTuple):
    """The takings of a stretch of time."""

    starts_at: datetime
    ends_at: datetime
    takings: Takings


@dataclass(frozen=True, slots=True)
class CurrencyRevenue:
    """The period in one currency. `outstanding` is what is unpaid of all stays, whenever they ended."""

    currency: str
    total: Takings
    outstanding: Decimal
    buckets: list[RevenueBucket]


@dataclass(frozen=True, slots=True)
class Revenue:
    """By currency, in the order of their codes; a currency in which nothing moved and nothing is owed is left out."""

    period: Period
    currencies: list[CurrencyRevenue]


def period_of(*, lot_id: int | None, start: datetime | None, end: datetime | None, step: str, now: datetime) -> Period:
    """The period in buckets of the lot's time zone, or of the deployment's for all lots. Unless told it ends with the
    running hour or day and is a day of hours or 30 days long. Archived lots have figures too.

    Raises NotFound for the lot, and PeriodRefused.
    """
    name: str | None = settings.DEFAULT_USER_TIMEZONE
    if lot_id is not None:
        name = Lot.objects.filter(pk=lot_id).values_list("timezone", flat=True).first()
    if name is None:
        raise NotFound
    zone = ZoneInfo(name)
    end = end or _next_cut(now, step, zone)
    # Counted on the lot's wall clock, so that 30 days before midnight is midnight.
    start = start or (end.astimezone(zone) - UNLESS_TOLD[step]).astimezone(UTC)
    if start >= end:
        raise PeriodRefused("The period has to end after it starts.", code="invalid_range", attr="from")
    if (end - start) / STEPS[step] > MOST_BUCKETS:
        text = f"At most {MOST_BUCKETS} buckets are answered; choose a shorter period or a longer step."
        raise PeriodRefused(text, code="too_many_buckets", attr="step", meta={"most": MOST_BUCKETS})
    return Period(lot_id, step, name, list(_cut(start, end, step, zone)))


def occupancy(*, period: Period, now: datetime) -> Occupancy:
    """Vehicles count from check-in to release; those that have not left, until now. One statement."""
    rows = _rows(_OCCUPANCY, period, now=_microseconds(now))
    spots = int(rows[0][1])
    buckets = []
    for bucket, (_, _, arrivals, departures, peak, occupied) in zip(period.buckets, rows, strict=True):
        room = spots * bucket.microseconds
        percent = to_cents(Decimal(int(occupied)) * 100 / room) if room else None
        seconds = (int(occupied) + 500_000) // 1_000_000
        buckets.append(OccupancyBucket(*bucket, int(arrivals), int(departures), int(peak), seconds, percent))
    return Occupancy(period, spots, buckets)


def revenue(*, period: Period) -> Revenue:
    """Stays count where they ended, payments where they were received. One statement."""
    cuts = [_microseconds(bucket.starts_at) for bucket in period.buckets]
    # The widest slots that lie between the cuts: few rows to answer, and none to put in order.
    width = gcd(*cuts[1:]) or DAY_US
    found: dict[str, dict[int, list[int]]] = {}
    for slot, currency, *figures in _rows(_REVENUE, period, width=width):
        # The slot in which the period starts may begin before it.
        number = OUTSTANDING if slot is None else bisect_right(cuts, max(int(slot) * width, cuts[0]))
        sums = found.setdefault(currency, {}).setdefault(number, [0] * len(figures))
        sums[:] = [one + int(other) for one, other in zip(sums, figures, strict=True)]
    return Revenue(
        period,
        [
            _in_currency(period, currency, {number: _takings(*sums) for number, sums in rows.items()})
            for currency, rows in sorted(found.items())
        ],
    )


def _takings(stays: int, *cents: int) -> Takings:
    return Takings(stays, *(Decimal(amount).scaleb(-2) for amount in cents))


def _in_currency(period: Period, currency: str, rows: dict[int, Takings]) -> CurrencyRevenue:
    """`rows` by number of the bucket, from 1 on."""
    outstanding = rows.pop(OUTSTANDING, Takings()).unpaid
    total = Takings(
        stays=sum(row.stays for row in rows.values()),
        charged=sum((row.charged for row in rows.values()), ZERO),
        unpaid=sum((row.unpaid for row in rows.values()), ZERO),
        received=sum((row.received for row in rows.values()), ZERO),
    )
    buckets = [
        RevenueBucket(*bucket, rows.get(number, Takings())) for number, bucket in enumerate(period.buckets, start=1)
    ]
    return CurrencyRevenue(currency, total, outstanding, buckets)


def _cut(start: datetime, end: datetime, step: str, zone: ZoneInfo) -> Iterator[Bucket]:
    while start < end:
        following = min(_next_cut(start, step, zone), end)
        yield Bucket(start, following)
        start = following


def _next_cut(moment: datetime, step: str, zone: ZoneInfo) -> datetime:
    """When the clock next strikes the hour, or midnight; a midnight that the clocks leap over is the leap itself."""
    local = moment.astimezone(zone)
    if step == "day":
        return datetime.combine(local.date() + timedelta(days=1), time(), zone).astimezone(UTC)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return moment.astimezone(UTC) + timedelta(hours=1) - past


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def _rows(template: str, period: Period, **more: Any) -> Sequence[Any]:
    starts = {f"cut_{number}": _microseconds(bucket.starts_at) for number, bucket in enumerate(period.buckets)}
    sql = template.format(
        cuts=", ".join(f"(%({name})s)" for name in starts),
        of_lot="" if period.lot is None else "AND r.lot_id = %(lot)s",
        spots_of_lot="lot_id = %(lot)s" if period.lot else f"lot_id IN ({_LIVE_LOTS})",
        checked_in=_epoch("r.checked_in_at"),
        released=_epoch("r.released_at"),
        received=_epoch("p.received_at"),
    )
    adapt = connection.ops.adapt_datetimefield_value
    facts = {
        "from": adapt(period.starts_at),
        "to": adapt(period.ends_at),
        "first": _microseconds(period.starts_at),
        "last": _microseconds(period.ends_at),
        **({} if period.lot is None else {"lot": period.lot}),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, starts | facts | more)
        return cursor.fetchall()


def _epoch(column: str) -> str:
    """SQL for a moment in microseconds. SQLite's own functions round to milliseconds; it stores texts in UTC, with the
    fraction behind the point where there is one."""
    if connection.vendor == "postgresql":
        return f"CAST(EXTRACT(EPOCH FROM {column}) * 1000000 AS BIGINT)"
    whole = f"CAST(strftime('%%s', substr({column}, 1, 19)) AS INTEGER)"
    return f"({whole} * 1000000 + CAST(substr({column}, 21, 6) AS INTEGER))"


def _cents(amount: str) -> str:
    """SQL for an amount in whole cents: SQLite keeps amounts as floats, whose sum would not be exact."""
    return f"CAST(ROUND(({amount}) * 100) AS BIGINT)"


_RESERVATION, _RATE = Reservation._meta.db_table, Rate._meta.db_table
_PAYMENT, _SPOT = ParkingPayment._meta.db_table, Spot._meta.db_table
_LIVE_LOTS = f"SELECT id FROM {Lot._meta.db_table} WHERE archived_at IS NULL"  # noqa: S608
# Moments that coincide are peers of one window: the level after all of them holds until the next one, so a vehicle that
# leaves as another comes makes no peak, whatever the order of the rows.
_OCCUPANCY = f"""
WITH cuts(at) AS (VALUES {{cuts}}),
stays AS (
    SELECT {{checked_in}} AS begun, {{released}} AS ended, 1 AS has_left FROM {_RESERVATION} r
    WHERE r.status = 'completed' AND r.released_at >= %(from)s AND r.checked_in_at < %(to)s {{of_lot}}
    UNION ALL
    SELECT {{checked_in}}, %(now)s, 0 FROM {_RESERVATION} r
    WHERE r.status = 'active' AND r.checked_in_at < %(to)s AND %(now)s >= %(first)s
        AND {{checked_in}} <= %(now)s {{of_lot}}
),
points AS (
    SELECT at, 1 AS opens, 0 AS change, 0 AS arrived, 0 AS departed FROM cuts
    UNION ALL
    SELECT CASE WHEN begun < %(first)s THEN %(first)s ELSE begun END, 0, 1,
        CASE WHEN begun < %(first)s THEN 0 ELSE 1 END, 0 FROM stays
    UNION ALL
    SELECT ended, 0, -1, 0, has_left FROM stays WHERE ended < %(last)s
),
levels AS (
    SELECT at, arrived, departed, SUM(opens) OVER in_time AS bucket, SUM(change) OVER in_time AS level,
        COALESCE(LEAD(at) OVER in_time, %(last)s) AS until
    FROM points WINDOW in_time AS (ORDER BY at)
)
SELECT bucket, (SELECT COUNT(*) FROM {_SPOT} WHERE status <> 'retired' AND {{spots_of_lot}}),
    SUM(arrived), SUM(departed), MAX(level), SUM(level * (until - at))
FROM levels GROUP BY bucket ORDER BY bucket
"""  # noqa: S608
_REVENUE = f"""
SELECT slot, c.currency, stays, charged, unpaid, received
FROM (
    SELECT {{released}} / %(width)s AS slot, r.rate_id, COUNT(*) AS stays, SUM({_cents("r.cost")}) AS charged,
        SUM({_cents("r.cost - r.paid")}) AS unpaid, 0 AS received
    FROM {_RESERVATION} r
    WHERE r.status = 'completed' AND r.released_at >= %(from)s AND r.released_at < %(to)s {{of_lot}}
    GROUP BY 1, 2
    UNION ALL
    SELECT {{received}} / %(width)s, r.rate_id, 0, 0, 0, SUM({_cents("p.amount")})
    FROM {_PAYMENT} p JOIN {_RESERVATION} r ON r.id = p.reservation_id
    WHERE p.received_at >= %(from)s AND p.received_at < %(to)s {{of_lot}}
    GROUP BY 1, 2
    UNION ALL
    SELECT NULL, r.rate_id, 0, 0, SUM({_cents("r.cost - r.paid")}), 0
    FROM {_RESERVATION} r WHERE r.status = 'completed' AND r.paid < r.cost {{of_lot}} GROUP BY r.rate_id
) sums JOIN {_RATE} c ON c.id = sums.rate_id
"""  # noqa: S608
