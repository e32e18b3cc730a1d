"""The one statement of a booking against the same questions asked of every row by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from accounts.models import User
from common.text import plate_key
from parking.models import Lot, Reservation, Spot, SpotType
from parking.services.states import no_show_at
from parking.services.vacancies import Stay, Vacancy, Wanted, find_vacancy
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MOST = 4


def by_hand(wanted: Wanted, rows: list[Reservation]) -> tuple[int, bool, bool, bool] | None:
    begin, end = wanted.stay
    held = [row for row in rows if row.status in Reservation.OCCUPYING]
    meeting = [row for row in held if row.starts_at < end and row.ends_at > begin]
    parked = [row for row in held if row.status == "active"] if wanted.at_once else []
    taken = {row.spot_id for row in [*meeting, *(row for row in parked if row.ends_at <= wanted.now)]}
    fitting = Spot.objects.filter(lot=wanted.lot, type=wanted.spot_type, status="in_service")
    free = sorted(spot.number for spot in fitting if spot.pk not in taken)
    if not free:
        return None
    here = [row for row in held if row.lot_id == wanted.lot.pk]
    due = [row for row in here if (no_show_at(row, row.lot) if row.status == "reserved" else row.ends_at) <= wanted.now]
    plates = {row.plate_key for row in [*meeting, *parked]}
    mine = [row for row in held if row.user_id == wanted.user_id]
    return free[0], bool(due), wanted.plate_key in plates, len(mine) >= MOST


def some_rows(random: Random, lots: list[Lot], users: list[User]) -> list[Reservation]:
    """Without overlaps on a spot, and each with a plate of its own."""
    rows: list[Reservation] = []
    for lot in lots:
        for spot in lot.spots.all():
            moment = NOW - timedelta(hours=6)
            while moment < NOW + timedelta(hours=6):
                starts_at = moment + timedelta(minutes=random.randrange(120))
                moment = starts_at + timedelta(minutes=random.randrange(10, 240))
                status = random.choice(["reserved", "active", "cancelled", "no_show"])
                rows.append(
                    ReservationFactory(
                        lot=lot,
                        spot=spot,
                        user=random.choice(users),
                        status=status,
                        starts_at=starts_at,
                        ends_at=moment,
                        plate=f"P-{len(rows)}",
                    )
                )
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_the_statement_answers_as_one_who_looks_at_every_row(seed: int, user: User, other_user: User) -> None:
    random, users = Random(seed), [user, other_user]
    lots = [LotFactory(spots=4), LotFactory(spots=3, no_show_after_min=60)]
    Spot.objects.filter(number=2).update(type=SpotType.EV)
    Spot.objects.filter(lot=lots[0], number=3).update(status=random.choice(["retired", "out_of_order", "in_service"]))
    rows = some_rows(random, lots, users)
    for _ in range(40):
        begin = NOW + timedelta(minutes=random.randrange(-60, 400))
        wanted = Wanted(
            lot=random.choice(lots),
            spot_type=random.choice(["standard", "ev"]),
            stay=Stay(begin, begin + timedelta(minutes=random.randrange(1, 200))),
            plate_key=plate_key(random.choice(rows).plate),
            user_id=random.choice(users).pk,
            now=NOW + timedelta(minutes=random.randrange(-400, 60)),
            at_once=random.random() < 0.5,
        )
        found: Vacancy | None = find_vacancy(wanted, most_open=MOST)
        told = None if found is None else (found.spot.number, *found[1:])
        assert told == by_hand(wanted, rows), wanted
