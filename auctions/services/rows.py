"""Rows read under a lock and written together by prepared statements. A bid spends its time in the ORM's making of
statements that are always the same, and in the ways to the server and back; here they are made once, and all that a
change writes goes by one. Fields convert their values as in the ORM, so both read and write the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Field, Model

from common.prepared import fetch_prepared, prepared_cursor

Row = TypeVar("Row", bound=Model)


def lock_row(model: type[Row], pk: int) -> Row | None:
    """As `select_for_update(no_key=True)` on the row of that id, alone."""
    found = fetch_prepared(_select(model), (pk,))
    if not found:
        return None
    values = list(found[0])
    for index, column, converters in _converters(model):
        for convert in converters:
            values[index] = convert(values[index], column, connection)
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in model._meta.concrete_fields], values)


def write_rows(*, new: Sequence[Model], changed: Iterable[tuple[Model, tuple[str, ...]]]) -> None:
    """Insert the new rows, and update these fields (by attribute) of the changed ones: in one statement on PostgreSQL,
    where references between them hold at the commit. Keys that the database numbers stay unknown; signals are not
    sent. Raises IntegrityError."""
    statements, values = [], []
    for model, group in groupby(new, type):
        rows = list(group)  # In one statement, so that the database numbers them in their order.
        statements.append(_insert(model, len(rows)))
        values.append([_value(row, field, add=True) for row in rows for field in _fields(model)])
        for row in rows:
            row._state.adding = False
    for row, names in changed:
        fields = _fields(type(row), names)
        statements.append(_update(type(row), names))
        values.append([*(_value(row, field, add=False) for field in fields), row.pk])
    if connection.vendor == "postgresql":
        fetch_prepared(_joined(tuple(statements)), [value for each in values for value in each])
        return
    with prepared_cursor() as cursor:
        for statement, bound in zip(statements, values, strict=True):
            cursor.execute(statement, bound)


def _value(row: Model, field: Field[Any, Any], *, add: bool) -> Any:
    return field.get_db_prep_save(field.pre_save(row, add), connection)


@cache
def _fields(model: type[Model], names: tuple[str, ...] | None = None) -> tuple[Field[Any, Any], ...]:
    """Those of the names; without names all but a key that the database numbers."""
    fields = model._meta.concrete_fields
    if names is not None:
        by_name = {field.attname: field for field in fields}
        return tuple(by_name[name] for name in names)
    return tuple(field for field in fields if field is not model._meta.auto_field)


def _columns(fields: Iterable[Field[Any, Any]]) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in fields]


# The texts below are made of the models' own names.


@cache
def _select(model: type[Model]) -> str:
    table, columns = model._meta.db_table, ", ".join(_columns(model._meta.concrete_fields))
    lock = " FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""  # SQLite has one writer.
    return f"SELECT {columns} FROM {table} WHERE id = %s{lock}"  # noqa: S608


@cache
def _insert(model: type[Model], count: int) -> str:
    columns = _columns(_fields(model))
    marks = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * count)
    return f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES {marks}"  # noqa: S608


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{column} = %s" for column in _columns(_fields(model, names)))
    return f"UPDATE {model._meta.db_table} SET {assignments} WHERE id = %s"  # noqa: S608


@cache
def _joined(statements: tuple[str, ...]) -> str:
    parts = ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(statements))
    return f"WITH {parts} SELECT 1"


@cache
def _converters(model: type[Model]) -> list[tuple[int, Any, list[Any]]]:
    """Per column that the driver does not answer as its Python type."""
    columns = [field.get_col(model._meta.db_table) for field in model._meta.concrete_fields]
    found = (
        (index, column, connection.ops.get_db_converters(column) + column.output_field.get_db_converters(connection))
        for index, column in enumerate(columns)
    )
    return [entry for entry in found if entry[2]]
