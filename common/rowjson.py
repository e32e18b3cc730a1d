"""A serializer's answer as SQL expressions: the database writes the JSON text of a row that the renderer would write.

Fields that show a column as it is, and nested serializers of them, are told to the database as they are declared. A
computed member says itself how it is written: by `column(prefix)` of its field, or `column_<member>(prefix)` of the
serializer, which answers an expression with an explicit `output_field` (a decimal, time, truth, number or text).
`prefix` leads from the list's model to the serializer's own: "" or, as in `F(f"{prefix}price")`, "auction__". What an
expression needs of the moment is `context["moment"]`, and of the caller the id of `context["request"].user`: the fast
list binds both. Any other field raises ImproperlyConfigured when the first statement is built. Text is escaped alike by
PostgreSQL, SQLite and orjson.

Members that only some rows of a list have are the serializer's `conditional_members`; `has_conditional(prefix)` answers
the truth that decides for a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    DecimalField,
    F,
    Func,
    JSONField,
    Model,
    QuerySet,
    Subquery,
    TextField,
    When,
)
from django.db.models.functions import Cast
from rest_framework import serializers

from common import fields
from common.keyset import resolve_field

AS_IS = (serializers.CharField, serializers.IntegerField, fields.StrictChoiceField, fields.RelatedIdField)


class _Text(Func):
    """A template in place of a function; `%%` where SQL has a percent sign."""

    output_field = TextField()


class Cents(_Text):
    """Whole cents, a number, as the amount that they are: 1250 -> "12.50"."""

    template = "printf('%%%%.2f', %(expressions)s / 100.0)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s * 0.01)::text", **context)


_UUID_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


class UuidText(_Text):
    """A UUID with its dashes, which SQLite keeps without."""

    template = " || '-' || ".join(f"substr(%(expressions)s, {first}, {length})" for first, length in _UUID_GROUPS)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **context)


class JsonObject(Func):
    """SQLite's `json_object('a', x, 'b', y)`, PostgreSQL's compact `row_to_json`; null where `present` is."""

    output_field = TextField()

    def __init__(self, columns: dict[str, Any], *, present: Any = None) -> None:
        super().__init__(*columns.values(), *([present] if present else []))
        self.names = list(columns)

    def as_sql(self, compiler: Any, *_args: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        postgresql = compiler.connection.vendor == "postgresql"
        parts, params = [], []
        for expression in self.get_source_expressions():
            sql, bound = compiler.compile(expression)
            parts.append(sql)
            params.append(tuple(bound))
        pairs = list(zip(self.names, parts, strict=False))  # After them comes `present`.
        if postgresql:
            members = ", ".join(f'{sql} AS "{name}"' for name, sql in pairs)
            text = f"(SELECT row_to_json(r) FROM (SELECT {members}) AS r)"  # noqa: S608
        else:
            members = ", ".join(f"'{name}', {sql}" for name, sql in pairs)
            text = f"json_object({members})"
        if len(parts) > len(pairs):
            text = f"CASE WHEN {parts[-1]} IS NOT NULL THEN {text} END"
            text = text if postgresql else f"json({text})"
            params = [params[-1], *params[:-1]]
        return text, sum(params, ())


class JsonArray(Subquery):
    """The rows of a queryset, in its order, each as its serializer shows it; `[]` without any."""

    output_field = TextField()
    template = "(SELECT json_group_array(json(x.row_json)) FROM (%(subquery)s) AS x)"

    def __init__(self, serializer: serializers.Serializer[Any], queryset: QuerySet[Any]) -> None:
        shown = JsonObject(columns_of(serializer, queryset.model, connection.vendor))
        super().__init__(queryset.annotate(row_json=shown).values("row_json"))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Not `json_agg`, which writes blanks between the rows."""
        rows = "'[' || string_agg(x.row_json::text, ',') || ']'"
        template = f"(SELECT coalesce({rows}, '[]')::json FROM (%(subquery)s) AS x)"  # noqa: S608
        return self.as_sql(compiler, connection, template=template, **context)


_SQLITE_BOOLEAN = "json(CASE %(expressions)s WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"


def json_rows(serializer: serializers.Serializer[Any], queryset: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
    """The statement that brings the queryset's rows as the JSON texts that the serializer would make of them. All have
    the same members. Raises ImproperlyConfigured."""
    if conditional_of(serializer):
        raise ImproperlyConfigured(f"{type(serializer).__name__} has members that not all rows have.")
    columns = columns_of(serializer, queryset.model, connection.vendor)
    if connection.vendor != "postgresql":
        return queryset.annotate(row_json=JsonObject(columns)).values_list("row_json").query.sql_with_params()
    shown = {f"c{number}": expression for number, expression in enumerate(columns.values())}
    sql, params = queryset.annotate(**shown).values_list(*shown).query.sql_with_params()
    names = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT row_to_json(t)::text FROM ({sql}) AS t({names})", params  # noqa: S608


def conditional_of(serializer: serializers.Serializer[Any]) -> tuple[str, ...]:
    """The members that not all rows have."""
    names: tuple[str, ...] = getattr(serializer, "conditional_members", ())
    return names


def row_object(serializer: serializers.Serializer[Any], columns: dict[str, Any]) -> Any:
    """A row's JSON for SQLite: all members, or those that every row has."""
    names = conditional_of(serializer)
    if not names:
        return JsonObject(columns)
    fewer = JsonObject({name: column for name, column in columns.items() if name not in names})
    has_all = serializer.has_conditional("")  # type: ignore[attr-defined]
    return Case(When(has_all, then=JsonObject(columns)), default=fewer, output_field=TextField())


def columns_of(
    serializer: serializers.Serializer[Any], model: type[Model], vendor: str, prefix: str = ""
) -> dict[str, Any]:
    """Member -> expression, in the serializer's order. Raises ImproperlyConfigured."""
    shown = {name: field for name, field in serializer.fields.items() if not field.write_only}
    return {name: _column(field, model, vendor, prefix) for name, field in shown.items()}


def _column(field: Any, model: type[Model], vendor: str, prefix: str) -> Any:
    postgresql = vendor == "postgresql"
    computed = getattr(field.parent, f"column_{field.field_name}", None) or getattr(field, "column", None)
    if computed is not None:
        return _written(computed(prefix), postgresql)
    source = prefix + field.source.replace(".", "__")
    column = F(source)
    if isinstance(field, fields.StrictDateTimeField):
        return _moment(column, postgresql)
    if isinstance(field, fields.StrictDateField):
        return column
    if isinstance(field, serializers.UUIDField):
        return UuidText(column)
    if isinstance(field, fields.StrictDecimalField):
        return _decimal(field, column, resolve_field(model, source), postgresql)
    if isinstance(field, fields.StrictBooleanField):
        return _boolean(column, postgresql)
    if isinstance(field, fields.StrictListField) and isinstance(field.child, fields.StrictChoiceField):
        return _words(column, postgresql)
    if isinstance(field, serializers.Serializer) and (relation := _relation(model, source)):
        present = column if relation.null else None
        return JsonObject(columns_of(field, model, vendor, f"{source}__"), present=present)
    if isinstance(field, AS_IS):
        return column
    raise ImproperlyConfigured(f"{type(field.parent).__name__}.{field.field_name} cannot be written by the database.")


def _relation(model: type[Model], path: str) -> Any:
    """The foreign key at a path; None when it leads to none."""
    try:
        field = resolve_field(model, path)
    except FieldDoesNotExist:
        return None
    return field if field.is_relation else None


def _written(computed: Any, postgresql: bool) -> Any:
    """A computed value as the field of its kind would be written."""
    kind = computed.output_field
    if isinstance(kind, DateTimeField):
        return _moment(computed, postgresql)
    if isinstance(kind, BooleanField):
        return _boolean(computed, postgresql)
    if not isinstance(kind, DecimalField):
        return computed
    if postgresql:
        return Cast(Cast(computed, kind), TextField())
    # Named first, because an expression with parameters may stand there once.
    shown = f"CASE WHEN v IS NOT NULL THEN printf('%%%%.{kind.decimal_places}f', v) END"
    return _Text(computed, template=f"(SELECT {shown} FROM (SELECT %(expressions)s AS v))")  # noqa: S608


def _boolean(value: Any, postgresql: bool) -> Any:
    return value if postgresql else _Text(value, template=_SQLITE_BOOLEAN)


def _moment(column: Any, postgresql: bool) -> Any:
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
