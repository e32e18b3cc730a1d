"""The SQL that writes a page, for PostgreSQL and for SQLite.

A page travels as one JSON text. The statement joins it with what is there and goes on with rows that are new or
really different; those get a verdict, and `create` and `update` are written. So an unchanged row costs a comparison and
nothing else: no new row version, no log record (`ON CONFLICT DO UPDATE ... WHERE IS DISTINCT FROM` alone would lock,
and so log, every row). PostgreSQL judges and writes in one statement; SQLite, which cannot write inside a WITH, in two.
The history of updated rows is another one, on both.

All values are parameters; every name in the text comes from the models and the target.
"""
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django.db.models import DateTimeField, DecimalField, Field, Model
from simple_history.utils import get_history_manager_for_model

from cars.models import SyncSuppression
from cars.sync.registry import Column, Target

CREATE, UPDATE, UNCHANGED, SUPPRESSED = "create", "update", "unchanged", "suppressed"
DUPLICATE = "duplicate"  # A new record whose natural key a row has.
TAKEN = "taken"  # A row that would move onto another row's natural key.
TAKEOVER = "takeover"  # A new record whose natural key a withdrawn row has.


@dataclass(frozen=True, slots=True)
class Values:
    """What all rows of a page have in common."""

    source: str
    provider: str
    run_id: int
    reason: str
    now: datetime


class Statements:
    """The statements for one target on one database connection."""

    def __init__(self, target: Target, connection: Any) -> None:
        self.target = target
        self.connection = connection
        self.is_postgresql = connection.vendor == "postgresql"
        self.table = self._quote(target.model._meta.db_table)

    def page(self, payload: str, values: Values) -> tuple[str, list[Any]]:
        """PostgreSQL: judge and write; answers (external id, verdict, id of the row or of the holder of its key)."""
        insert, parameters = self._insert(values)
        sql = (
            f"{self._judged}, written AS ({insert} RETURNING id, external_id)"
            " SELECT j.external_id, j.verdict, coalesce(w.id, j.holder_id)"
            " FROM judged j LEFT JOIN written w USING (external_id)"
        )
        return sql, [*self._judging(payload, values), *parameters]

    def judge(self, payload: str, values: Values) -> tuple[str, list[Any]]:
        """SQLite, first: the verdicts, answered as above."""
        sql = f"{self._judged} SELECT external_id, verdict, coalesce(row_id, holder_id) FROM judged"
        return sql, self._judging(payload, values)

    def write(self, payload: str, values: Values) -> tuple[str, list[Any]]:
        """SQLite, second: write what the same verdicts allow; answers (id, external_id)."""
        insert, parameters = self._insert(values)
        return f"{self._judged} {insert} RETURNING id, external_id", [*self._judging(payload, values), *parameters]

    def record(self, ids: Sequence[int], values: Values) -> tuple[str, list[Any]]:
        """A history entry for each of these rows as they are now."""
        columns = ", ".join(self.history_columns)
        marks = ", ".join(["%s"] * len(ids))
        now = self.connection.ops.adapt_datetimefield_value(values.now)
        sql = f"INSERT INTO {self._history_into} SELECT {columns}, %s, '~', %s FROM {self.table} WHERE id IN ({marks})"
        return sql, [now, values.reason, *ids]

    @cached_property
    def history_columns(self) -> list[str]:
        """Columns that the model's history copies; none when it keeps no history."""
        if not hasattr(self.target.model._meta, "simple_history_manager_attribute"):
            return []
        own = {field.column for field in self.target.model._meta.concrete_fields}
        copied = [field.column for field in self._history_model._meta.concrete_fields if field.column in own]
        return [self._quote(str(column)) for column in copied]

    @property
    def _history_model(self) -> type[Model]:
        return get_history_manager_for_model(self.target.model).model

    @cached_property
    def _history_into(self) -> str:
        columns = [*self.history_columns, "history_date", "history_type", "history_change_reason"]
        return f"{self._quote(self._history_model._meta.db_table)} ({', '.join(columns)})"

    # --- Judging ---------------------------------------------------------------------------------------------------

    @cached_property
    def _judged(self) -> str:
        """WITH ... judged(external_id, row_id, the columns with locks respected, holder_id, verdict)."""
        return (
            f"WITH incoming AS ({self._incoming}), changed AS {self._materialized} ({self._changed}), {self._verdicts}"
        )

    def _judging(self, payload: str, values: Values) -> list[Any]:
        return [payload, values.provider, values.source, values.provider]

    @cached_property
    def _materialized(self) -> str:
        return "MATERIALIZED" if self.is_postgresql else ""

    @cached_property
    def _incoming(self) -> str:
        if self.is_postgresql:
            columns = ", ".join(f"{self._quote(name)} {kind}" for name, kind in self._incoming_types.items())
            return f"SELECT * FROM json_to_recordset(%s::json) AS r({columns})"
        extracts = ", ".join(self._extract(name) for name in self._incoming_types)
        return f"SELECT {extracts} FROM json_each(%s)"

    @cached_property
    def _incoming_types(self) -> dict[str, str]:
        names = ["external_id", *(column.name for column in self.target.columns)]
        types = {name: str(self._field(name).db_type(self.connection)) for name in names}
        return types | ({"held": "jsonb"} if self.target.hold else {})

    def _extract(self, name: str) -> str:
        value = f"json_extract(value, '$.{name}')"
        is_decimal = name != "held" and isinstance(self._field(name), DecimalField)
        return f"{f'CAST({value} AS NUMERIC)' if is_decimal else value} AS {self._quote(name)}"

    @cached_property
    def _changed(self) -> str:
        chosen = ", ".join(f"{self._kept(column)} AS {self._quote(column.name)}" for column in self.target.columns)
        compared = [column for column in self.target.columns if column.compared]
        different = " OR ".join(self._differs(column) for column in compared)
        owner = self._quote(self.target.owner)
        return (
            f"SELECT i.external_id, e.id AS row_id, {chosen} FROM incoming i"
            f" {self._looked_up(self.table, 'e', f'e.{owner} = %s AND e.external_id = i.external_id')}"
            f" WHERE e.id IS NULL OR e.withdrawn_at IS NOT NULL OR {different}"
        )

    def _kept(self, column: Column) -> str:
        """The value to write: the row's own where people, or the page's hold, protect it."""
        name = self._quote(column.name)
        if not column.lock:
            return f"i.{name}"
        return f"CASE WHEN e.id IS NOT NULL AND {self._is_locked(column.lock)} THEN e.{name} ELSE i.{name} END"

    def _differs(self, column: Column) -> str:
        name = self._quote(column.name)
        operator = "IS DISTINCT FROM" if self.is_postgresql else "IS NOT"
        different = f"i.{name} {operator} e.{name}"
        return f"({different} AND NOT {self._is_locked(column.lock)})" if column.lock else f"({different})"

    def _is_locked(self, lock: str) -> str:
        lists = ["e.locked_fields", "i.held"] if self.target.hold else ["e.locked_fields"]
        return f"({' OR '.join(self._holds(name, lock) for name in lists)})"

    def _holds(self, names: str, lock: str) -> str:
        """Whether the JSON list `names` holds the name of a lock."""
        if self.is_postgresql:
            return f"coalesce({names} ? '{lock}', false)"
        return f"EXISTS (SELECT 1 FROM json_each({names}) WHERE value = '{lock}')"

    @cached_property
    def _verdicts(self) -> str:
        """The holder `h` of a row's natural key is another row; a withdrawn one gives way to a new record."""
        key = [self._quote(name) for name in self.target.natural_key]
        same = " AND ".join(f"h.{name} = c.{name}" for name in key) or "false"
        holder = self._looked_up(self.table, "h", f"{same} AND (c.row_id IS NULL OR h.id <> c.row_id)")
        suppressions = self._quote(SyncSuppression._meta.db_table)
        suppressed = self._looked_up(
            suppressions,
            "s",
            "c.row_id IS NULL AND s.source = %s AND s.provider = %s AND s.external_id = c.external_id",
        )
        return (
            f"judged AS {self._materialized} (SELECT c.*, h.id AS holder_id, CASE"
            f" WHEN c.row_id IS NULL AND s.id IS NOT NULL THEN '{SUPPRESSED}'"
            f" WHEN c.row_id IS NULL AND h.withdrawn_at IS NOT NULL THEN '{TAKEOVER}'"
            f" WHEN c.row_id IS NULL AND h.id IS NOT NULL THEN '{DUPLICATE}'"
            f" WHEN h.id IS NOT NULL THEN '{TAKEN}'"
            f" WHEN c.row_id IS NULL THEN '{CREATE}' ELSE '{UPDATE}' END AS verdict"
            f" FROM changed c {holder} {suppressed})"
        )

    def _looked_up(self, table: str, alias: str, condition: str) -> str:
        """The one row that meets the condition, or nulls; by its index, row for row. A planner that may choose takes an
        empty source for the rule, and then reads the whole table for each page of a first load."""
        if self.is_postgresql:
            return f"LEFT JOIN LATERAL (SELECT * FROM {table} {alias} WHERE {condition} LIMIT 1) {alias} ON true"
        return f"LEFT JOIN {table} {alias} ON {condition}"

    # --- Writing ---------------------------------------------------------------------------------------------------

    def _insert(self, values: Values) -> tuple[str, list[Any]]:
        """INSERT ... SELECT ... ON CONFLICT: new rows go in, and rows that exist come as conflicts and are updated. In
        the order of the ids, so that two writers of the same rows wait for one another instead of deadlocking."""
        columns = [self._quote(column.name) for column in self.target.columns]
        constants = self._constants(values)
        into = ", ".join(["external_id", *columns, *map(self._quote, constants)])
        marks = ", ".join(["%s"] * len(constants))
        updates = ", ".join([*map(self._update, self.target.columns), "updated_at = excluded.updated_at"])
        sql = (
            f"INSERT INTO {self.table} ({into}) SELECT external_id, {', '.join(columns)}, {marks} FROM judged"
            f" WHERE verdict IN ('{CREATE}', '{UPDATE}') ORDER BY external_id"
            f" ON CONFLICT ({self._quote(self.target.owner)}, external_id)"
            f" DO UPDATE SET {updates}, withdrawn_at = NULL"
        )
        return sql, list(constants.values())

    def _update(self, column: Column) -> str:
        """What an existing row gets. The judgement may be older than the row, which somebody edited while the statement
        waited for its lock: what is locked by now stays."""
        name = self._quote(column.name)
        if not column.lock:
            return f"{name} = excluded.{name}"
        locked = self._holds(f"{self.table}.locked_fields", column.lock)
        return f"{name} = CASE WHEN {locked} THEN {self.table}.{name} ELSE excluded.{name} END"

    def _constants(self, values: Values) -> dict[str, Any]:
        """The columns of a new row that no record brings: owner, times, run, and the defaults of all others."""
        given = {self.target.owner: values.provider, "created_at": values.now, "updated_at": values.now}
        if self.target.run_column:
            given[self._field(self.target.run_column).attname] = values.run_id
        filled = {"external_id", *(column.name for column in self.target.columns)}
        constants: dict[str, Any] = {}
        for field in self.target.model._meta.concrete_fields:
            if field.primary_key or field.name in filled:
                continue
            value = given.get(field.attname, field.get_default())
            if value is not None:
                constants[str(field.column)] = field.get_db_prep_save(value, connection=self.connection)
        return constants

    @cached_property
    def converters(self) -> dict[str, Callable[[Any], Any]]:
        """How values go into the JSON text, by column. SQLite keeps times and decimals in a form of Django's own."""
        if self.is_postgresql:
            return {}
        fields = [self._field(column.name) for column in self.target.columns]
        kept = [field for field in fields if isinstance(field, DateTimeField | DecimalField)]
        return {field.name: partial(field.get_db_prep_save, connection=self.connection) for field in kept}

    def _field(self, name: str) -> Field[Any, Any]:
        return self.target.model._meta.get_field(name)  # type: ignore[return-value]

    def _quote(self, name: str) -> str:
        return str(self.connection.ops.quote_name(name))
