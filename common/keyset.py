"""Keysets: a place in an ordered list as the sort values of one row, instead of the number of rows before it.

A cursor is `n` (rows after) or `p` (rows before) and the row's sort values, joined by dots: integers as digits, times
as microseconds since 1970, everything else as unpadded base64url of its text, `~` for null.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

from common.errors import BadRequest
from common.routers import MAX_ID

MAX_CURSOR = 1200
CURSOR_PATTERN = r"^(?:\*|[np](?:~|-?[A-Za-z0-9_-]{0,400})(?:\.(?:~|[A-Za-z0-9_-]{0,400})){0,3})$"
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
    """The queryset's order (its model's, when it has none), made total by the primary key."""
    model = queryset.model
    names = [str(name) for name in (queryset.query.order_by or model._meta.ordering or ())]
    pk = model._meta.pk.name
    terms: dict[str, SortTerm] = {}
    for name in names:
        bare = name.removeprefix("-").replace("pk", pk) if name in ("pk", "-pk") else name.removeprefix("-")
        if bare not in terms:
            terms[bare] = SortTerm(bare, _resolve(model, bare), name.startswith("-"))
    if pk not in terms:
        falling = bool(terms) and all(term.descending for term in terms.values())
        terms[pk] = SortTerm(pk, model._meta.pk, falling)
    return list(terms.values())


def _resolve(model: type[models.Model], path: str) -> models.Field[Any, Any]:
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
        return ("p" if self.backwards else "n") + ".".join(_encode(value) for value in self.values)

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


def read_cursor(text: str, terms: list[SortTerm]) -> Cursor:
    """Raises BadRequest `invalid_cursor` for a cursor that was not made for this order."""
    parts = text[1:].split(".")
    if len(parts) != len(terms):
        raise BadRequest("The cursor does not belong to this order.", code="invalid_cursor", attr="cursor")
    try:
        values = tuple(_decode(part, term.field) for part, term in zip(parts, terms, strict=True))
    except (ValueError, OverflowError, ValidationError, binascii.Error):
        raise BadRequest("The cursor is not valid.", code="invalid_cursor", attr="cursor") from None
    return Cursor(values, text[0] == "p")


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
