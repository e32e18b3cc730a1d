"""When a lot is open, on the wall clock of its zone."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from parking.models import Lot
from parking.services.hours import is_open, next_closing


def lot(opens: int, closes: int, zone: str = "Europe/Berlin") -> Lot:
    return Lot(opens_at=time(opens), closes_at=time(closes), timezone=zone)


@pytest.mark.parametrize(
    ("hours", "moment", "opened"),
    [
        # Berlin is at UTC+1 in winter and at UTC+2 in summer: the clocks change on 29 March and 25 October 2026.
        ((8, 20), datetime(2026, 3, 28, 7, tzinfo=UTC), True),
        ((8, 20), datetime(2026, 3, 28, 6, 59, tzinfo=UTC), False),
        ((8, 20), datetime(2026, 3, 29, 6, tzinfo=UTC), True),
        ((8, 20), datetime(2026, 3, 29, 18, 1, tzinfo=UTC), False),
        ((8, 20), datetime(2026, 10, 25, 19, tzinfo=UTC), True),
        ((22, 6), datetime(2026, 3, 28, 22, tzinfo=UTC), True),
        ((22, 6), datetime(2026, 3, 29, 4, 1, tzinfo=UTC), False),
    ],
)
def test_a_lot_is_open_by_the_clock_on_its_wall(hours: tuple[int, int], moment: datetime, opened: bool) -> None:
    assert is_open(lot(*hours), moment) is opened


@pytest.mark.parametrize(
    ("hours", "moment", "closing"),
    [
        ((8, 20), datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 28, 19, tzinfo=UTC)),
        ((8, 20), datetime(2026, 3, 28, 19, tzinfo=UTC), datetime(2026, 3, 29, 18, tzinfo=UTC)),
        ((22, 6), datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        ((22, 6), datetime(2026, 10, 24, 21, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
def test_it_closes_next_whatever_the_clocks_do_that_night(
    hours: tuple[int, int], moment: datetime, closing: datetime
) -> None:
    assert next_closing(lot(*hours), moment) == closing


@pytest.mark.parametrize(
    ("moment", "closing"),
    [
        # 02:10 comes twice that night, in summer time and an hour later in winter time, and so does 02:30.
        (datetime(2026, 10, 25, 0, 10, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 10, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
        # In spring 02:30 never comes: it is half past three already.
        (datetime(2026, 3, 29, 0, 50, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_closing_within_the_changed_hour_is_still_to_come(moment: datetime, closing: datetime) -> None:
    bar = Lot(opens_at=time(20), closes_at=time(2, 30), timezone="Europe/Berlin")
    for seen_from in (UTC, ZoneInfo("Europe/Berlin")):
        found = next_closing(bar, moment.astimezone(seen_from))
        assert found is not None
        assert found.astimezone(UTC) == closing  # A time that comes twice equals none of another zone.


def test_a_lot_without_hours_is_always_open() -> None:
    always = Lot(timezone="UTC")
    assert is_open(always, datetime(2026, 3, 28, 3, tzinfo=UTC))
    assert next_closing(always, datetime(2026, 3, 28, 3, tzinfo=UTC)) is None
