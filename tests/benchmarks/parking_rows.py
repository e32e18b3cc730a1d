"""Rows of parking for the benchmarks: the same ones each time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from accounts.models import User
    from parking.models import Lot

# Stays of 20 minutes to 17 hours, one every 10 minutes, so a million of them end in 2019; the last lot has as long a
# history as the first one; one in nine was cancelled, one in twenty has a remark.
INSERT = """
INSERT INTO parking_reservation
  (reference, lot_id, spot_id, user_id, plate, plate_key, vehicle_model, vehicle_color, remarks, starts_at, ends_at,
   booked_until, checked_in_at, released_at, status, is_overstay, rate_id, surcharge_percent, cost, paid,
   created_at, updated_at)
SELECT 'B' || n, spot.lot_id, spot.id, %(user)s, 'FC ' || n %% 9000, 'FC' || n %% 9000, 'Model ' || n %% 60, 'grey',
       CASE WHEN n %% 20 = 0 THEN 'Behind the pillar, "left" side' ELSE '' END, at, at + length, at + length,
       CASE WHEN n %% 9 > 0 THEN at END, CASE WHEN n %% 9 > 0 THEN at + length END,
       CASE WHEN n %% 9 > 0 THEN 'completed' ELSE 'cancelled' END, false, rate.id, 0,
       CASE WHEN n %% 9 > 0 THEN (n %% 4000) / 100.0 END, 0, at, at
  FROM generate_series(1, %(rows)s) AS n
  JOIN (SELECT id, lot_id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS places
          FROM parking_spot) AS spot ON spot.place = (n::bigint * 7919) %% spot.places
  JOIN parking_rate AS rate ON rate.lot_id = spot.lot_id,
       LATERAL (SELECT timestamptz '2000-01-01 00:00:00Z' + n * interval '10 minutes' AS at,
                       interval '20 minutes' + n %% 1000 * interval '1 minute 0.5 second' AS length) AS stay
 ORDER BY n
"""


def make_lots(count: int, spots: int) -> list[Lot]:
    """Open lots of standard spots."""
    from parking.models import Lot, Rate, Spot

    lots = Lot.objects.bulk_create(
        [
            Lot(name=f"Lot {n}, north", address=f"{n} Railway Street, Springfield", pin_code="10557")
            for n in range(count)
        ]
    )
    Spot.objects.bulk_create([Spot(lot=lot, number=number) for lot in lots for number in range(1, spots + 1)])
    Rate.objects.bulk_create(
        [Rate(lot=lot, version=1, price=Decimal("2.50"), increment_min=30, currency="USD") for lot in lots]
    )
    return lots


def make_users(count: int) -> list[User]:
    from accounts.models import User

    stamp = secrets.token_hex(4)
    return User.objects.bulk_create([User(email=f"{stamp}-{number}@example.com") for number in range(count)])


@contextmanager
def unchecked(cursor: Any) -> Iterator[None]:
    """Without the triggers that look up what each row refers to: the rows were made a moment ago."""
    cursor.execute("SET session_replication_role = replica")
    yield
    cursor.execute("SET session_replication_role = origin")


def make_history(user: User, rows: int) -> None:
    """So many reservations of one driver that are over, spread over all the lots."""
    with connection.cursor() as cursor, unchecked(cursor):
        cursor.execute(INSERT, {"user": user.pk, "rows": rows})
