"""The measured half of the sync benchmark, in a process that has Django set up for the benchmark's database:
`python -m tests.benchmarks.sync_load ROWS ROUNDS` prints one JSON object with a list of figures per contender.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import django
from django.db import connection, transaction

from tests.benchmarks.crew import backend
from tests.benchmarks.meter import seconds_of

SAMPLE = 1000  # Rows that the slow contender gets; its price per row does not depend on their number.


class Meter:
    """Processor seconds of this process and of its database backend, and seconds on the clock."""

    def __init__(self) -> None:
        self._backend = backend()

    def measure(self, job: Callable[[], None], rows: int) -> dict[str, float]:
        """The price of one row."""
        cpu, clock, wal = self._cpu(), time.perf_counter(), self._wal()
        job()
        clock, cpu = time.perf_counter() - clock, self._cpu() - cpu
        return {"cpu": cpu / rows, "clock": clock / rows, "wal": (self._wal() - wal) / rows}

    def _cpu(self) -> float:
        return time.process_time() + seconds_of(self._backend)

    def _wal(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            return int(cursor.fetchone()[0])


def ours(pages: list[list[dict[str, Any]]]) -> None:
    from cars.sync.cars import CARS
    from cars.sync.statements import Statements
    from cars.sync.upsert import PageWriter
    from tests.benchmarks.sync_rows import values

    writer, common = PageWriter(Statements(CARS.target, connection)), values()
    for page in pages:
        with transaction.atomic():
            writer.write(page, common)


def bulk_create(pages: list[list[dict[str, Any]]]) -> None:
    from cars.models import Car

    changing = ["make", "model", "year", "category", "make_key", "model_key", "source_updated_at", "updated_at"]
    for page in pages:
        cars = [Car(source="bench", **_columns(row)) for row in page]
        with transaction.atomic():
            Car.objects.bulk_create(
                cars, update_conflicts=True, unique_fields=["source", "external_id"], update_fields=changing
            )


def row_by_row(pages: list[list[dict[str, Any]]]) -> None:
    from cars.models import Car

    for row in pages[0][:SAMPLE]:
        columns = _columns(row)
        Car.objects.update_or_create(source="bench", external_id=columns.pop("external_id"), defaults=columns)


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "ord"}


def statement_wal(pages: list[list[dict[str, Any]]]) -> float:
    """Bytes of log per row that the page's statement itself writes, by the database's own account."""
    from cars.sync.cars import CARS
    from cars.sync.statements import Statements
    from cars.sync.upsert import PageWriter
    from tests.benchmarks.sync_rows import values

    statements, common = Statements(CARS.target, connection), values()
    writer, total = PageWriter(statements), 0
    for page in pages:
        sql, parameters = statements.page(writer._payload(page), common)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, WAL, FORMAT JSON) {sql}", parameters)
            (plan,) = cursor.fetchone()
        total += (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["WAL Bytes"]
    return total / sum(map(len, pages))


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE cars_car, cars_historicalcar CASCADE")
        cursor.execute("CHECKPOINT")


def main(rows: int, rounds: int) -> None:
    from tests.benchmarks.sync_rows import PAGE, clean_rows

    meter = Meter()
    pages = [clean_rows(PAGE, first=first) for first in range(0, rows, PAGE)]
    first: dict[str, list[Any]] = {"ours": [], "bulk_create": []}
    again: dict[str, list[Any]] = {"ours": [], "bulk_create": [], "row_by_row": []}
    jobs = {"ours": ours, "bulk_create": bulk_create, "row_by_row": row_by_row}
    for number in range(rounds):
        for name in sorted(first, reverse=bool(number % 2)):
            empty()
            first[name].append(meter.measure(lambda job=jobs[name]: job(pages), rows))  # type: ignore[misc]
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) cars_car")
        for name in sorted(again, reverse=bool(number % 2)):
            count = SAMPLE if name == "row_by_row" else rows
            again[name].append(meter.measure(lambda job=jobs[name]: job(pages), count))  # type: ignore[misc]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM cars_car")  # Else the first reader of the others' dead rows logs that it tidies up.
    sys.stdout.write(json.dumps({"first": first, "again": again, "statement_wal": statement_wal(pages)}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
