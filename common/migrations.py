"""Operations for tables that are in use while they change (see docs/migrations.md). SQLite, which has one writer
anyway, gets the plain ones.

A migration with one of them, `AddConstraintNotValid` apart, needs `atomic = False`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.contrib.postgres import operations as postgres
from django.db.migrations.operations import AddConstraint, AddIndex, RemoveIndex
from django.db.migrations.operations.base import Operation


class _Beside:
    """The operation of PostgreSQL before which it stands in the bases, and `plain` in its place elsewhere."""

    plain: ClassVar[Any]

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            self.plain.database_forwards(self, app_label, schema_editor, from_state, to_state)
            return
        with _patiently(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)  # type: ignore[misc]

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            self.plain.database_backwards(self, app_label, schema_editor, from_state, to_state)
            return
        with _patiently(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)  # type: ignore[misc]


@contextmanager
def _patiently(schema_editor: Any) -> Iterator[None]:
    """Without `lock_timeout`: nobody queues behind who works concurrently, and a build that gives up leaves an invalid
    index. In a transaction it stays, for what is in one holds its locks."""
    if schema_editor.collect_sql or schema_editor.connection.in_atomic_block:
        yield
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


class _Nothing(Operation):
    """There is nothing left to do."""

    def database_forwards(self, *_: Any) -> None: ...

    def database_backwards(self, *_: Any) -> None: ...


class AddIndexConcurrently(_Beside, postgres.AddIndexConcurrently):
    """Readers and writers go on while the index is built."""

    plain = AddIndex


class RemoveIndexConcurrently(_Beside, postgres.RemoveIndexConcurrently):
    """Waits for those who use the index, and keeps nobody out meanwhile."""

    plain = RemoveIndex


class AddConstraintNotValid(_Beside, postgres.AddConstraintNotValid):
    """From now on for every row that is written; `ValidateConstraint`, in a migration of its own, looks at the old
    ones."""

    plain = AddConstraint


class ValidateConstraint(_Beside, postgres.ValidateConstraint):
    """Reads all rows and keeps no writer out. SQLite has looked at them already."""

    plain = _Nothing
