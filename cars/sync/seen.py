"""The ids that a run has met: to count what comes twice, and to find what no longer comes.

They live in a private SQLite file that the operating system forgets when it is closed, so memory stays flat however
many rows a source has. A temporary table would do the same, but needs the one database connection to survive the run,
which a pooler in front of PostgreSQL does not promise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Self

_SCHEMA = (
    "CREATE TABLE seen (id TEXT PRIMARY KEY, newest REAL) WITHOUT ROWID",
    "CREATE TABLE missing (pk INTEGER PRIMARY KEY)",
)


REFUSED = float("-inf")  # Older than every moment: a good record of that id may still come.


class Seen:
    """External ids with the moment of their newest record (Unix seconds, None when upstream gives none), and primary
    keys of rows that were not met."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA cache_size=-2000")
        for statement in _SCHEMA:
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def known(self, ids: Iterable[str]) -> dict[str, float | None]:
        """Those of `ids` that were added before, with their moments."""
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        return dict(self._db.execute(f"SELECT id, newest FROM seen WHERE id IN ({marks})", wanted))  # noqa: S608

    def add(self, moments: Mapping[str, float | None]) -> None:
        """Remember ids; a moment that is None leaves an older one standing."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET newest = coalesce(excluded.newest, newest)",
            moments.items(),
        )
        self._db.execute("COMMIT")

    def note_missing(self, rows: Iterable[tuple[int, str]]) -> int:
        """Note the primary keys of (primary key, external id) whose id was never added; answers how many."""
        ids = {external_id: pk for pk, external_id in rows}
        known = self.known(ids)
        missing = [(pk,) for external_id, pk in ids.items() if external_id not in known]
        self._db.executemany("INSERT INTO missing VALUES (?)", missing)
        return len(missing)

    def missing(self, size: int) -> Iterator[list[int]]:
        """The noted primary keys in ascending order, `size` at a time."""
        with closing(self._db.execute("SELECT pk FROM missing ORDER BY pk")) as cursor:
            while rows := cursor.fetchmany(size):
                yield [pk for (pk,) in rows]
