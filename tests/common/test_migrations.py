"""The operations for tables in use, and the locks of `migrate`; tests/operations applies them under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management.commands import migrate as django_migrate
from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.migration import Migration
from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler, IntegrityError

from common.management.commands.migrate import Command
from common.migrations import AddConstraintNotValid, AddIndexConcurrently, RemoveIndexConcurrently, ValidateConstraint

TABLE = CreateModel("Door", [("id", models.BigAutoField(primary_key=True)), ("side", models.CharField(max_length=5))])
INDEX = models.Index(fields=["side"], name="door_side")
RULE = models.CheckConstraint(condition=~models.Q(side=""), name="door_has_a_side")


@pytest.fixture
def sqlite(db: None, tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    file = tmp_path / "doors.sqlite3"
    handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}})
    yield handler["default"]
    handler["default"].close()


class Schema:
    """Applies one operation after another, as migrations of an app of their own."""

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self.database, self.state = database, ProjectState()

    def forwards(self, operation: Operation) -> None:
        with self.database.schema_editor(atomic=operation.atomic) as editor:
            self.state = self._migration(operation).apply(self.state, editor)

    def backwards(self, operation: Operation, before: ProjectState) -> None:
        with self.database.schema_editor(atomic=operation.atomic) as editor:
            self._migration(operation).unapply(before, editor)

    def _migration(self, operation: Operation) -> Migration:
        migration = Migration("one", "garage")
        migration.operations, migration.atomic = [operation], operation.atomic
        return migration

    def constraints(self) -> set[str]:
        with self.database.cursor() as cursor:
            return set(self.database.introspection.get_constraints(cursor, "garage_door"))


def test_on_sqlite_they_are_the_plain_ones(sqlite: BaseDatabaseWrapper) -> None:
    schema = Schema(sqlite)
    schema.forwards(TABLE)
    schema.forwards(AddIndexConcurrently("door", INDEX))
    assert INDEX.name in schema.constraints()
    before = schema.state.clone()
    schema.forwards(RemoveIndexConcurrently("door", INDEX.name))
    assert INDEX.name not in schema.constraints()
    schema.backwards(RemoveIndexConcurrently("door", INDEX.name), before)
    assert INDEX.name in schema.constraints()


def test_on_sqlite_a_rule_holds_at_once(sqlite: BaseDatabaseWrapper) -> None:
    schema = Schema(sqlite)
    for operation in (TABLE, AddConstraintNotValid("door", RULE), ValidateConstraint("door", RULE.name)):
        schema.forwards(operation)
    with sqlite.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.execute("INSERT INTO garage_door (side) VALUES ('')")


@pytest.mark.postgres
@pytest.mark.django_db
def test_migrate_does_not_wait_long_for_a_lock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.MIGRATION_LOCK_TIMEOUT_S = 3
    seen = []
    monkeypatch.setattr(django_migrate.Command, "handle", lambda *_, **__: seen.append(lock_timeout()))
    Command().handle(database="default")
    assert seen == ["3s"]
    assert lock_timeout() != "3s"


def lock_timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])
