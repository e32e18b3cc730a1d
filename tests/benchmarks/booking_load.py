"""The measured half of the booking benchmark, in a process that has Django set up for the benchmark's database:
`python -m tests.benchmarks.booking_load ATTEMPTS ROUNDS` prints one JSON object.

Four threads with connections of their own book random stays of one day in one lot, which fills up meanwhile: 400
attempts fill four fifths of its day.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import django
from django.db import connection, transaction

from tests.benchmarks.crew import Crew, Figures, analyze
from tests.benchmarks.harness import in_turns

if TYPE_CHECKING:
    from accounts.models import User
    from parking.models import Lot, Spot

SPOTS = 50
USERS = 60
DOUBLE = """
SELECT count(*) FROM parking_reservation a JOIN parking_reservation b
    ON a.spot_id = b.spot_id AND a.id < b.id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
 WHERE a.status IN ('reserved', 'active') AND b.status IN ('reserved', 'active')
"""


@dataclass(frozen=True)
class Attempt:
    """One request for a spot."""

    user: User
    lot: Lot
    plate: str
    starts_at: datetime
    ends_at: datetime


def attempts(lot: Lot, users: Sequence[User], count: int, *, day: int = 1) -> list[Attempt]:
    """The same stays for each contender: of one to four hours, tomorrow or so many days from now."""
    source, midnight = random.Random(4), datetime.now(tz=UTC).replace(hour=0, minute=0) + timedelta(days=day)
    made = []
    for _ in range(count):
        starts_at = midnight + timedelta(minutes=15 * source.randrange(80))
        ends_at = starts_at + timedelta(minutes=15 * source.randint(4, 16))
        user = users[source.randrange(len(users))]
        made.append(Attempt(user, lot, f"B {secrets.token_hex(5)}", starts_at, ends_at))
    return made


def ours(attempt: Attempt) -> None:
    """The service behind POST /api/parking/reservations, with all its rules."""
    from django.utils import timezone

    from parking.services.booking import book

    window = {"starts_at": attempt.starts_at, "ends_at": attempt.ends_at}
    book(user=attempt.user, lot_id=attempt.lot.pk, plate=attempt.plate, now=timezone.now(), **window)


@transaction.atomic
def spot_by_spot(attempt: Attempt) -> None:
    """As it is usually written: the lot's spots by select_for_update, and each is asked whether it is free."""
    spots = _locked_spots(attempt)
    _create(attempt, next((spot for spot in spots if not _overlapping(attempt).filter(spot=spot).exists()), None))


@transaction.atomic
def one_query(attempt: Attempt) -> None:
    """The same locks, but one query finds the lowest free spot."""
    from django.db.models import Exists, OuterRef

    from parking.models import Spot

    ids = list(_locked_spots(attempt).values_list("pk", flat=True))
    free = Spot.objects.filter(~Exists(_overlapping(attempt).filter(spot=OuterRef("pk"))), pk__in=ids)
    _create(attempt, free.order_by("number").first())


def _locked_spots(attempt: Attempt) -> Any:
    from parking.models import Spot

    spots = Spot.objects.select_for_update().filter(lot=attempt.lot, status="in_service", type="standard")
    return spots.order_by("number")


def _overlapping(attempt: Attempt) -> Any:
    from parking.models import Reservation

    window = {"starts_at__lt": attempt.ends_at, "ends_at__gt": attempt.starts_at}
    return Reservation.objects.filter(status__in=Reservation.OCCUPYING, **window)


def _create(attempt: Attempt, spot: Spot | None) -> None:
    """The rows that ours writes too. Of ours' rules only that of the plate is kept."""
    from parking.models import Lot, Reservation, ReservationEvent
    from parking.services.booking import LotFull, PlateInUse

    if spot is None:
        raise LotFull
    lot = Lot.objects.get(pk=attempt.lot.pk)
    key = attempt.plate.replace(" ", "").upper()
    if _overlapping(attempt).filter(plate_key=key).exists():
        raise PlateInUse
    reservation = Reservation.objects.create(
        reference=f"PK-{secrets.token_hex(4)}",
        lot=lot,
        spot=spot,
        user=attempt.user,
        plate=attempt.plate,
        starts_at=attempt.starts_at,
        ends_at=attempt.ends_at,
        booked_until=attempt.ends_at,
        rate=lot.rates.latest("version"),
    )
    ReservationEvent.objects.create(reservation=reservation, kind="booked", new="reserved", actor=attempt.user)


def unless_full(job: Callable[[Attempt], None], attempt: Attempt) -> bool:
    """Whether there was a spot."""
    from parking.services.booking import LotFull

    try:
        job(attempt)
    except LotFull:
        return False
    return True


def main(count: int, rounds: int) -> None:
    from tests.benchmarks.parking_rows import make_lots, make_users

    jobs = {"ours": ours, "spot_by_spot": spot_by_spot, "one_query": one_query}

    def measure(name: str) -> Figures:
        (lot,), users = make_lots(1, SPOTS), make_users(USERS)
        analyze()
        return Crew(partial(unless_full, jobs[name]), attempts(lot, users, count)).run()

    seen = in_turns(list(jobs), rounds, measure)
    with connection.cursor() as cursor:
        cursor.execute(DOUBLE)
        (double,) = cursor.fetchone()
    sys.stdout.write(json.dumps({"rounds": seen, "double": double}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
