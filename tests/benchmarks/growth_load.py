"""What grows with the tables beside the requests, in a process that has Django set up for a database that `prepare` has
filled: `python -m tests.benchmarks.growth_load CARS ROUND` prints the processor seconds of one of each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import django
from django.db import connection, transaction

from tests.benchmarks.crew import Crew, backend
from tests.benchmarks.meter import seconds_of

SYNCED = 100_000  # At most so many rows, in pages that are spread over the table.
BOOKINGS, DRIVERS = 200, 60


def synced(cars: int) -> tuple[Callable[[], None], int]:
    """A run of the sync that finds every row as it is."""
    from cars.sync.cars import CARS
    from cars.sync.statements import Statements
    from cars.sync.upsert import PageWriter
    from tests.benchmarks.sync_rows import PAGE, stored_rows, values

    count = min(cars, SYNCED)
    pages = [stored_rows(first) for first in range(0, cars, PAGE * (cars // count))]
    writer, common = PageWriter(Statements(CARS.target, connection)), values("file")

    def run() -> None:
        for page in pages:
            with transaction.atomic():
                result = writer.write(page, common)
            if result.created or result.updated or result.duplicate or result.refused:
                raise RuntimeError(f"the page was not unchanged: {result}")

    run()  # A writer whose statements are prepared.
    return run, count


def exported() -> tuple[Callable[[], None], int]:
    """The driver's history as a CSV file."""
    from django.conf import settings

    from parking.models import Reservation
    from tests.benchmarks.csv_load import forecourt
    from tests.benchmarks.prepare import bench_user

    folder, user = Path(os.environ["DATA_DIR"]), bench_user()
    settings.EXPORT_FOLDER = folder
    return lambda: forecourt(user, folder).unlink(), Reservation.objects.filter(user=user).count()


def booked(day: int) -> float:
    """The price of one booking in the lot that has the history, on a day that nobody has booked yet."""
    from parking.models import Lot
    from tests.benchmarks.booking_load import attempts, ours, unless_full
    from tests.benchmarks.parking_rows import make_users

    work = attempts(Lot.objects.earliest("id"), make_users(DRIVERS), BOOKINGS, day=day)
    figures = Crew(partial(unless_full, ours), work).run()
    return figures["cpu"] / figures["done"]


def price(job: Callable[[], None], rows: int) -> float:
    """Of one row."""
    server = backend()
    before = time.process_time() + seconds_of(server)
    job()
    return (time.process_time() + seconds_of(server) - before) / rows


def main(cars: int, number: int) -> None:
    seen = {"sync": price(*synced(cars)), "csv": price(*exported()), "booking": booked(day=2 + number)}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
