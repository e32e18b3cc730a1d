"""A serializer's answer as SQL expressions: the database writes the JSON text of a row that the renderer would write.

Only fields that show a column as it is can be told to the database; any other raises ImproperlyConfigured when the
first statement is built. Text is escaped alike by PostgreSQL, SQLite and orjson.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import F, Func, JSONField, Model, QuerySet, TextField
from django.db.models.functions import Cast
from rest_framework import serializers

from common import fields
from common.keyset import resolve_field

AS_IS = (serializers.CharField, serializers.IntegerField, fields.StrictChoiceField, fields.RelatedIdField)


class _Text(Func):
    """A template in place of a function; `%%` where SQL has a percent sign."""

    output_field = TextField()


class JsonObject(Func):
    """SQLite's `json_object('a', x, 'b', y)`."""

    output_field = TextField()

    def __init__(self, columns: dict[str, Any]) -> None:
        super().__init__(*columns.values())
        self.names = list(columns)

    def as_sql(self, compiler: Any, *_args: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        parts: list[str] = []
        params: list[Any] = []
        for name, expression in zip(self.names, self.get_source_expressions(), strict=True):
            sql, bound = compiler.compile(expression)
            parts.append(f"'{name}', {sql}")
            params += bound
        return f"json_object({', '.join(parts)})", tuple(params)


_SQLITE_BOOLEAN = "json(CASE %(expressions)s WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"


def json_rows(serializer: serializers.Serializer[Any], queryset: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
    """The statement that brings the queryset's rows as the JSON texts that the serializer would make of them."""
    columns = columns_of(serializer, queryset.model, connection.vendor)
    if connection.vendor != "postgresql":
        return queryset.annotate(row_json=JsonObject(columns)).values_list("row_json").query.sql_with_params()
    shown = {f"c{number}": expression for number, expression in enumerate(columns.values())}
    sql, params = queryset.annotate(**shown).values_list(*shown).query.sql_with_params()
    names = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT row_to_json(t)::text FROM ({sql}) AS t({names})", params  # noqa: S608


def columns_of(serializer: serializers.Serializer[Any], model: type[Model], vendor: str) -> dict[str, Any]:
    """Member -> expression, in the serializer's order. Raises ImproperlyConfigured."""
    shown = {name: field for name, field in serializer.fields.items() if not field.write_only}
    return {name: _column(field, model, vendor == "postgresql") for name, field in shown.items()}


def _column(field: Any, model: type[Model], postgresql: bool) -> Any:
    source = field.source.replace(".", "__")
    column = F(source)
    if isinstance(field, fields.StrictDateTimeField):
        return _moment(column, postgresql)
    if isinstance(field, fields.StrictDateField):
        return column
    if isinstance(field, fields.StrictDecimalField):
        return _decimal(field, column, resolve_field(model, source), postgresql)
    if isinstance(field, fields.StrictBooleanField):
        return column if postgresql else _Text(column, template=_SQLITE_BOOLEAN)
    if isinstance(field, fields.StrictListField) and isinstance(field.child, fields.StrictChoiceField):
        return _words(column, postgresql)
    if isinstance(field, AS_IS):
        return column
    raise ImproperlyConfigured(f"{type(field.parent).__name__}.{field.field_name} cannot be written by the database.")


def _moment(column: F, postgresql: bool) -> Any:
    """As Python's isoformat: without the fraction where it is zero, else with six digits."""
    if postgresql:
        return _Text(
            column,
            template="replace(to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
            " '.000000Z', 'Z')",
        )
    return _Text(column, template="(replace(%(expressions)s, ' ', 'T') || 'Z')")


def _decimal(field: Any, column: F, model_field: Any, postgresql: bool) -> Any:
    if field.places != getattr(model_field, "decimal_places", None):
        raise ImproperlyConfigured(f"{field.field_name} shows other places than its column holds.")
    if postgresql:
        return Cast(column, TextField())
    text = f"printf('%%%%.{field.places}f', %(expressions)s)"
    return _Text(column, template=f"CASE WHEN %(expressions)s IS NOT NULL THEN {text} END")


def _words(column: F, postgresql: bool) -> Any:
    """A list of choices, which are plain words: only the spaces of PostgreSQL's own notation have to go."""
    if postgresql:
        return Func(
            column, template="replace(%(expressions)s::text, '\", \"', '\",\"')::json", output_field=JSONField()
        )
    return _Text(column, template="json(%(expressions)s)")
