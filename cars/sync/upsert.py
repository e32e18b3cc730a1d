"""Writing a page of clean rows, the same on PostgreSQL and SQLite. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import DataError, IntegrityError, connection, transaction

from cars.sync.registry import PageChanges, Row
from cars.sync.statements import (
    CREATE,
    DUPLICATE,
    TAKEN,
    TAKEOVER,
    UNCHANGED,
    UPDATE,
    Statements,
    Values,
)
from common.prepared import prepared_cursor

NATURAL_KEY_TAKEN = "natural_key_taken"
REFUSED_BY_DATABASE = "refused_by_database"

ANALYZE_AT, ANALYZE_AGAIN = 10_000, 8  # Rows that a run has created: 10,000, 80,000, 640,000...

Verdict = tuple[str, str, int | None]


@dataclass(slots=True)
class PageResult:
    """What became of the rows of a page: ids of those written, the number of duplicates, and those refused with the
    reason. All others were unchanged (or are suppressed)."""

    created: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    duplicate: int = 0
    refused: list[tuple[Row, str]] = field(default_factory=list)

    def changes(self, run_id: int) -> PageChanges:
        return PageChanges(run_id=run_id, created=self.created, updated=self.updated)


class PageWriter:
    """Writes pages of one run. Rows of a page have unique external ids, the newest record first."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._target = statements.target
        self._created = 0
        self._analyze_at = ANALYZE_AT

    def write(self, rows: Sequence[Row], values: Values) -> PageResult:
        """Write a page. Of rows with one natural key the first goes with the page, and the others follow one by one.

        Where a unique constraint or a type refuses the whole page (somebody else wrote at the same time), all of its
        rows are tried again one by one, so that only the guilty ones are left out.
        """
        result = PageResult()
        if not rows:
            return result
        self._hold(rows, values)
        together, alone = self._parted(rows)
        try:
            with transaction.atomic():
                verdicts = self._execute(together, values)
        except (IntegrityError, DataError):
            verdicts, alone = [], list(rows)
        by_id = {row["external_id"]: row for row in together}
        for external_id, verdict, row_id in verdicts:
            self._settle(by_id[external_id], verdict, row_id, values, result)
        for row in alone:
            self._write_alone(row, values, result)
        self._created += len(result.created)
        self._analyze()
        return result

    def _analyze(self) -> None:
        """Let the planner know that a table has grown a lot. Autovacuum would, some minutes and many pages later; until
        then it picks indexes for a table that is nearly empty."""
        if self._statements.is_postgresql and self._created >= self._analyze_at:
            _run(f"ANALYZE {self._statements.table}", [])
            self._analyze_at *= ANALYZE_AGAIN

    def _parted(self, rows: Sequence[Row]) -> tuple[Sequence[Row], list[Row]]:
        key = self._target.natural_key
        if not key:
            return rows, []
        first: dict[tuple[object, ...], Row] = {}
        for row in rows:
            first.setdefault(tuple(row[name] for name in key), row)
        if len(first) == len(rows):
            return rows, []
        together = list(first.values())
        ids = {row["external_id"] for row in together}
        return together, [row for row in rows if row["external_id"] not in ids]

    def _settle(self, row: Row, verdict: str, row_id: int | None, values: Values, result: PageResult) -> None:
        """Book a verdict; a key that was taken may be free by now, because its holder moved in the same page."""
        if verdict in {TAKEOVER, TAKEN}:
            self._write_alone(row, values, result)
        else:
            _book(row, verdict, row_id, result)

    def _write_alone(self, row: Row, values: Values, result: PageResult) -> None:
        try:
            with transaction.atomic():
                verdict, row_id = self._alone(row, values)
        except DataError:
            result.refused.append((row, REFUSED_BY_DATABASE))
        except IntegrityError:
            _book(row, TAKEN if self._exists(row, values) else DUPLICATE, None, result)
        else:
            _book(row, verdict, row_id, result)

    def _alone(self, row: Row, values: Values) -> tuple[str, int | None]:
        verdicts = self._execute([row], values)
        _, verdict, row_id = verdicts[0] if verdicts else (0, UNCHANGED, None)
        if verdict == TAKEOVER and self._take_over(row, row_id, values):
            return self._alone(row, values)
        return verdict, row_id

    def _take_over(self, row: Row, row_id: int | None, values: Values) -> bool:
        """A withdrawn row returns under another id, or from another provider: it becomes this record's row."""
        rows = self._target.model._default_manager.filter(pk=row_id, withdrawn_at__isnull=False)
        return bool(rows.update(**{self._target.owner: values.provider, "external_id": row["external_id"]}))

    def _exists(self, row: Row, values: Values) -> bool:
        own = {self._target.owner: values.provider, "external_id": row["external_id"]}
        return self._target.model._default_manager.filter(**own).exists()

    def _hold(self, rows: Sequence[Row], values: Values) -> None:
        """Let the target say which columns of which rows must stay as they are."""
        if self._target.hold is None:
            return
        held = self._target.hold(rows, provider=values.provider, run_id=values.run_id)
        for row in rows:
            row["held"] = sorted(held.get(row["external_id"], ()))

    def _execute(self, rows: Sequence[Row], values: Values) -> list[Verdict]:
        payload = self._payload(rows)
        if self._statements.is_postgresql:
            # A plan made while the table was empty must not serve the pages that fill it.
            _run("SET LOCAL plan_cache_mode TO force_custom_plan", [])
            verdicts: list[Verdict] = _fetch(*self._statements.page(payload, values))
        else:
            verdicts = self._in_two(payload, values)
        updated = [row_id for _, verdict, row_id in verdicts if verdict == UPDATE and row_id is not None]
        if updated and self._statements.history_columns:
            _run(*self._statements.record(updated, values))
        return verdicts

    def _in_two(self, payload: str, values: Values) -> list[Verdict]:
        verdicts: list[Verdict] = _fetch(*self._statements.judge(payload, values))
        if not any(verdict in {CREATE, UPDATE} for _, verdict, _ in verdicts):
            return verdicts
        ids = {external_id: pk for pk, external_id in _fetch(*self._statements.write(payload, values))}
        return [(external_id, verdict, ids.get(external_id, row_id)) for external_id, verdict, row_id in verdicts]

    def _payload(self, rows: Sequence[Row]) -> str:
        converters = self._statements.converters
        items = rows
        if converters:
            items = [row | {name: convert(row[name]) for name, convert in converters.items()} for row in rows]
        return orjson.dumps(items, default=str).decode()


def _book(row: Row, verdict: str, row_id: int | None, result: PageResult) -> None:
    if verdict == CREATE and row_id is not None:
        result.created.append(row_id)
    elif verdict == UPDATE and row_id is not None:
        result.updated.append(row_id)
    elif verdict == DUPLICATE:
        result.duplicate += 1
    elif verdict in {TAKEN, TAKEOVER}:
        result.refused.append((row, NATURAL_KEY_TAKEN))


def _fetch(sql: str, parameters: Sequence[Any]) -> list[Any]:
    """Bound by the server: a page of text inside the statement would be read twice, and kept by the driver's cache."""
    with prepared_cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _run(sql: str, parameters: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
