"""Keysets: a place in an ordered list as the sort values of one row, instead of the number of rows before it.

A cursor is `n` (rows after) or `p` (rows before) and the row's sort values, joined by dots: integers as digits, times
as microseconds since 1970, everything else as unpadded base64url of its text, `~` for null. Values too long for a
request line are replaced by `@` and the row's primary key, at the price that the row has to be there still.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast

from django.core.exceptions import FieldError, ObjectDoesNotExist, ValidationError
from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

from common.errors import BadRequest
from common.routers import MAX_ID

MAX_CURSOR = 300  # What a request line holds of any text, even when it is all escapes.
CURSOR_PATTERN = r"^(?:\*|[np]@?[A-Za-z0-9_~-]*(?:\.[A-Za-z0-9_~-]*){0,3})$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SortTerm(NamedTuple):
    """One column of an order."""

    name: str
    field: models.Field[Any, Any]
    descending: bool

    def order_by(self, *, reverse: bool) -> str | OrderBy:
        """Nulls last going forward, whatever the database's habit."""
        descending = self.descending != reverse
        if not self.field.null:
            return f"-{self.name}" if descending else self.name
        nulls: dict[str, Any] = {"nulls_first": True} if reverse else {"nulls_last": True}
        return F(self.name).desc(**nulls) if descending else F(self.name).asc(**nulls)


def sort_terms(queryset: QuerySet[Any]) -> list[SortTerm]:
    """The queryset's order (its model's, when it has none), made total by the primary key, which always comes last.
    An annotation may be among its columns; whether it can be null is said by its output field."""
    meta = queryset.model._meta
    pk = meta.pk.name
    terms: dict[str, SortTerm] = {}
    for name in cast(Sequence[str], queryset.query.order_by or meta.ordering or ()):
        bare = pk if name in ("pk", "-pk") else name.removeprefix("-")
        computed = queryset.query.annotations.get(bare)
        field = resolve_field(queryset.model, bare) if computed is None else computed.output_field
        terms.setdefault(bare, SortTerm(bare, field, name.startswith("-")))
        if bare == pk:
            return list(terms.values())
    # All falling: then so does the key, and one index serves.
    falling = bool(terms) and all(term.descending for term in terms.values())
    return [*terms.values(), SortTerm(pk, meta.pk, falling)]


def resolve_field(model: type[models.Model], path: str) -> models.Field[Any, Any]:
    field: Any = None
    for part in path.split("__"):
        field = model._meta.get_field(part)
        model = field.related_model or model
    return field


class Cursor(NamedTuple):
    """Where to go on: past the row with these sort values, forwards or backwards."""

    values: tuple[Any, ...]
    backwards: bool = False

    def text(self) -> str:
        prefix = "p" if self.backwards else "n"
        text = prefix + ".".join(_encode(value) for value in self.values)
        return text if len(text) <= MAX_CURSOR else f"{prefix}@{_encode(self.values[-1])}"

    def filter(self, queryset: QuerySet[Any], terms: list[SortTerm]) -> QuerySet[Any]:
        """The rows past the cursor. The bound on the first column alone looks redundant; it is what lets an index
        start there instead of reading up to there."""
        past = Q(pk__in=[])
        same = Q()
        for term, value in zip(terms, self.values, strict=True):
            past |= same & _past(term, value, backwards=self.backwards)
            same &= Q(**{term.name: value}) if value is not None else Q(**{f"{term.name}__isnull": True})
        first, value = terms[0], self.values[0]
        if value is not None and not first.field.null:
            rising = first.descending == self.backwards
            queryset = queryset.filter(**{f"{first.name}__{'gte' if rising else 'lte'}": value})
        return queryset.filter(past)


def _past(term: SortTerm, value: Any, *, backwards: bool) -> Q:
    rising = term.descending == backwards
    if value is None:
        return Q(**{f"{term.name}__isnull": False}) if backwards else Q(pk__in=[])
    past = Q(**{f"{term.name}__{'gt' if rising else 'lt'}": value})
    return past | Q(**{f"{term.name}__isnull": True}) if term.field.null and not backwards else past


def cursor_of(row: Any, terms: list[SortTerm], *, backwards: bool = False) -> Cursor:
    """The cursor at a model instance, or at a mapping of column names."""
    return Cursor(tuple(_value(row, term.name) for term in terms), backwards)


def _value(row: Any, path: str) -> Any:
    for part in path.split("__"):
        row = row[part] if isinstance(row, dict) else getattr(row, part)
    return row


def read_cursor(text: str, model: type[models.Model], terms: list[SortTerm]) -> Cursor:
    """Raises BadRequest `invalid_cursor` for a cursor that was not made for this order."""
    try:
        return Cursor(_read_values(text[1:], model, terms), text[0] == "p")
    except (ValueError, OverflowError, ValidationError, binascii.Error, ObjectDoesNotExist, FieldError):
        raise BadRequest("The cursor is not valid here.", code="invalid_cursor", attr="cursor") from None


def _read_values(text: str, model: type[models.Model], terms: list[SortTerm]) -> tuple[Any, ...]:
    if text.startswith("@"):
        names = [term.name for term in terms]
        return model._base_manager.values_list(*names).get(pk=_decode(text[1:], terms[-1].field))
    return tuple(_decode(part, term.field) for part, term in zip(text.split("."), terms, strict=True))


def _encode(value: Any) -> str:
    if value is None:
        return "~"
    if isinstance(value, models.Model):
        value = value.pk
    if isinstance(value, bool | int):
        return str(int(value))
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    text = value.isoformat() if isinstance(value, date) else str(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(part: str, field: Any) -> Any:
    field = field.target_field if field.is_relation else field
    if part == "~":
        if not field.null:
            raise ValueError
        return None
    if isinstance(field, models.DateTimeField):
        return _EPOCH + timedelta(microseconds=int(part))
    if isinstance(field, models.IntegerField | models.BooleanField):
        number = int(part)
        if not -MAX_ID - 1 <= number <= MAX_ID:
            raise ValueError
        return bool(number) if isinstance(field, models.BooleanField) else number
    text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    if "\x00" in text:
        raise ValueError
    return field.to_python(text)
