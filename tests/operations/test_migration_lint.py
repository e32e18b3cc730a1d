"""New migrations run beside the release before them; what would not is refused."""

from __future__ import annotations

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from common.migrations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from tests.operations.migration_lint import lint, new_migrations

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
RULE = models.CheckConstraint(condition=models.Q(year__gt=1), name="car_year_is_one")


@pytest.fixture(scope="module")
def present() -> ProjectState:
    """Of all models, as the migrations leave them."""
    return MigrationLoader(None).project_state()


def migration(*operations: Operation, atomic: bool = True, **exceptions: str) -> Migration:
    made = Migration("new", "cars")
    made.operations, made.atomic = list(operations), atomic
    made.lint_exceptions = {rule.replace("_", "-"): reason for rule, reason in exceptions.items()}  # type: ignore[attr-defined]
    return made


def test_new_migrations_can_run_while_the_release_before_them_serves() -> None:
    found = {name: lint(*both) for name, both in new_migrations().items()}
    assert not any(found.values()), found


REFUSED = {
    "a column goes that the old code reads": (
        migrations.RemoveField("car", "category"),
        "ban-drop-column",
    ),
    "a column comes that the old code does not fill": (
        migrations.AddField("car", "doors", models.IntegerField(default=4)),
        "ban-drop-default",
    ),
    "a column without any default": (
        migrations.RunSQL('ALTER TABLE "cars_car" ADD COLUMN "doors" integer NOT NULL'),
        "adding-required-field",
    ),
    "a column gets another name": (
        migrations.RenameField("car", "category", "kind"),
        "renaming-column",
    ),
    "a table goes": (
        migrations.DeleteModel("SyncIssue"),
        "ban-drop-table",
    ),
    "a column is written anew": (
        migrations.AlterField("car", "year", models.BigIntegerField()),
        "changing-column-type",
    ),
    "an index that keeps writers out": (
        migrations.AddIndex("car", models.Index(fields=["updated_at"], name="car_updated")),
        "require-concurrent-index-creation",
    ),
    "a check that reads all rows under its lock": (
        migrations.AddConstraint("car", RULE),
        "constraint-missing-not-valid",
    ),
    "a rule of uniqueness that does": (
        migrations.AddConstraint("car", models.UniqueConstraint(fields=["year"], name="car_one_a_year")),
        "disallowed-unique-constraint",
    ),
    "a reference that does": (
        migrations.AddField(
            "car", "vehicle", models.ForeignKey("cars.Vehicle", models.PROTECT, null=True, related_name="+")
        ),
        "adding-foreign-key-constraint",
    ),
}


@pytest.mark.parametrize("operation", REFUSED)
def test_what_would_lock_or_break_is_refused(present: ProjectState, operation: str) -> None:
    what, rule = REFUSED[operation]
    assert rule in {found.rule for found in lint(migration(what), present)}


ALLOWED = {
    "a column that may be empty": migration(
        migrations.AddField("car", "doors", models.IntegerField(null=True)),
    ),
    "a column whose default the database knows": migration(
        migrations.AddField("car", "doors", models.IntegerField(db_default=4)),
    ),
    "an index beside the writers": migration(
        AddIndexConcurrently("car", models.Index(fields=["updated_at"], name="car_updated")),
        atomic=False,
    ),
    "a check for new rows": migration(AddConstraintNotValid("car", RULE)),
    "a table with all it needs": migration(
        migrations.CreateModel(
            "Door",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("car", models.ForeignKey("cars.Car", models.CASCADE)),
                ("side", models.CharField(max_length=5)),
            ],
        ),
        migrations.AddIndex("door", models.Index(fields=["side"], name="door_side")),
    ),
    "what says why it may": migration(
        migrations.RemoveField("car", "category"), ban_drop_column="no release reads it since 0.3"
    ),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_does_not_is_allowed(present: ProjectState, what: str) -> None:
    assert lint(ALLOWED[what], present) == []


def test_the_old_rows_are_looked_at_without_keeping_anybody_out(present: ProjectState) -> None:
    before = present.clone()
    AddConstraintNotValid("car", RULE).state_forwards("cars", before)
    assert lint(migration(ValidateConstraint("car", "car_year_is_one")), before) == []
