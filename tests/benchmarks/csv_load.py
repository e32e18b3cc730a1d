"""The measured half of the CSV benchmark, in a process that has Django set up for the benchmark's database:
`python -m tests.benchmarks.csv_load ROWS ROUNDS` prints one JSON object.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
from django.db import connection

from tests.benchmarks.crew import backend
from tests.benchmarks.meter import seconds_of

SLOW = ("iterator", "values")
SAMPLE = 50_000  # Rows that the slow ones get; their price per row does not depend on their number.
CHUNK = 2000


class Psql:
    """A psql that stays, so that its processor time and that of its backend can be read."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            ["psql", url, "-qAtX", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pids = (self._process.pid, int(self.ask("SELECT pg_backend_pid();")))

    def ask(self, commands: str) -> str:
        """The first line that the commands print."""
        self._process.stdin.write(f"{commands}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return self._process.stdout.readline().strip()  # type: ignore[union-attr]

    def write(self, statement: str, path: Path) -> None:
        self.ask(f"\\o {path}\n{statement};\n\\o\n\\echo done")

    def close(self) -> None:
        self._process.communicate("\\q\n", timeout=30)


@contextmanager
def metered(pids: tuple[int, ...], rows: int, into: list[dict[str, float]]) -> Iterator[None]:
    """Append the price of one row: processor seconds of the processes, and seconds on the clock."""
    cpu, clock = sum(map(seconds_of, pids)), time.perf_counter()
    yield
    into.append({"cpu": (sum(map(seconds_of, pids)) - cpu) / rows, "clock": (time.perf_counter() - clock) / rows})


def own_pids() -> tuple[int, ...]:
    return os.getpid(), backend()


def iterator_and_csv(user: Any, path: Path, limit: int) -> None:
    """As it is usually written: model instances from an iterator, one line each from the csv module."""
    from accounts.csvfile import safe_cell
    from parking.costs import hourly_rate, parked_seconds
    from parking.exports import COLUMNS
    from parking.models import Reservation

    rows = Reservation.objects.filter(user=user).select_related("lot", "spot", "rate").order_by("-id")[:limit]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow([column.title for column in COLUMNS])
        for row in rows.iterator(chunk_size=CHUNK):
            hours = _hours(parked_seconds(row.checked_in_at, row.released_at)) if row.released_at else ""
            lot, spot, rate = row.lot, row.spot, row.rate
            texts = (lot.name, lot.address, spot.type, row.plate, rate.currency, row.status, row.remarks)
            name, address, spot_type, plate, currency, status, remarks = map(safe_cell, texts)
            writer.writerow(
                [
                    row.pk, name, address, spot.number, spot_type, plate, _time(row.checked_in_at),
                    _time(row.released_at), hours, hourly_rate(rate.price, rate.increment_min),
                    "" if row.cost is None else row.cost, currency, status, remarks, _time(row.created_at),
                ]
            )  # fmt: skip


def _hours(seconds: int) -> str:
    return f"{(seconds + 18) // 36 / 100:.2f}"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def values_and_csv(user: Any, path: Path, limit: int) -> None:
    """The same by rows of values and with the sums made by the database: what Forecourt does on SQLite."""
    from accounts import csvfile
    from parking.exports import COLUMNS, PARKING

    with path.open("wb") as file:
        file.write(csvfile.csv_line(column.title for column in COLUMNS))
        csvfile._iterate(PARKING.rows(user, {})[:limit], COLUMNS, file, lambda _rows: None)


def forecourt(user: Any, folder: Path) -> Path:
    """The whole job: claim, count, COPY, fsync, publish and the notification."""
    from accounts.exports import request_export, run_export
    from common.clock import database_now
    from parking.exports import KIND

    export = request_export(owner=user, kind=KIND, now=database_now())
    if not run_export(export_id=export.pk, now=database_now()):
        raise RuntimeError("the export did not finish")
    return folder / f"{export.pk}.1.csv"


def same_cells(user: Any) -> str:
    """What the server is asked for by Forecourt itself: its own client is the least that the file can cost."""
    from accounts.csvfile import _copy_statement
    from parking.exports import COLUMNS, PARKING

    return _copy_statement(PARKING.rows(user, {}), COLUMNS)


def bare_cells(user: Any) -> str:
    """The same rows and sums, but nothing is defused or quoted, and times are written as the server likes."""
    from accounts.csvfile import _values
    from parking.exports import COLUMNS, PARKING

    sql, parameters = _values(PARKING.rows(user, {}), COLUMNS).query.sql_with_params()
    inner = connection.ops.compose_sql(sql, parameters)  # type: ignore[attr-defined]
    return f"COPY ({inner}) TO STDOUT WITH (FORMAT csv)"


def peak_over_idle(job: Callable[[], object]) -> float:
    """MiB that this process needs at most during the job, over what it holds before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _kibibytes("VmRSS")
    job()
    return (_kibibytes("VmHWM") - before) / 1024


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def digest(path: Path, lines: int) -> str:
    """Of the title and so many rows."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for _, line in zip(range(lines + 1), file, strict=False):
            found.update(line)
    return found.hexdigest()


def main(rows: int, rounds: int, folder: Path) -> None:
    from django.conf import settings

    from accounts.models import User
    from tests.benchmarks.parking_rows import make_history, make_lots

    settings.EXPORT_FOLDER = folder
    user, newcomer = (User.objects.create(email=f"{name}@example.com") for name in ("driver", "newcomer"))
    make_lots(20, 50)
    make_history(user, rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    sample = min(SAMPLE, rows)
    psql = Psql(settings.DATABASE_URL)
    forecourt(newcomer, folder)  # A worker that has written a file before.
    memory = peak_over_idle(lambda: forecourt(user, folder).unlink())
    jobs: dict[str, Callable[[Path], object]] = {
        "ours": lambda file: forecourt(user, folder).rename(file),
        "iterator": lambda file: iterator_and_csv(user, file, sample),
        "values": lambda file: values_and_csv(user, file, sample),
        "copy": lambda file: psql.write(same_cells(user), file),
        "bare_copy": lambda file: psql.write(bare_cells(user), file),
    }
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name in sorted(jobs, reverse=bool(number % 2)):
            pids = psql.pids if "copy" in name else own_pids()
            with metered(pids, sample if name in SLOW else rows, seen[name]):
                jobs[name](folder / name)
        if len({digest(folder / name, sample) for name in ("ours", *SLOW)}) > 1:
            raise RuntimeError("the contenders wrote different files")
    psql.close()
    sys.stdout.write(json.dumps({"rounds": seen, "memory_mib": memory}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]), Path(os.environ["DATA_DIR"]))
