"""Query parameters: one small class per kind, which parses strictly and publishes what it parses.

The same classes serve django-filter sets on lists, the plain parameters of other reads (`StrictFilterSet` without a
model) and the paginators. An unknown, repeated or empty parameter and a bad value are 400.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError

from common.calendar import start_of
from common.fields import DATE_PATTERN, DATETIME_PATTERN, compile_pattern
from common.routers import MAX_ID
from common.text import natural_key

MAX_TEXT = 50  # A longer search term costs more than it finds.
# One visible character at least; no control characters.
TERM_PATTERN = (
    r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff][^\x00-\x1f\x7f]*$"
)


class StrictFilter(django_filters.Filter):
    """A parameter of a published form. Subclasses turn its text into a value; `meaning` describes it in the document
    where a view gives no `description`. `required=True` refuses a query without it. A `filter` of one's own that only
    puts the value into the statement says by `bound_as`, a model field, how it is bound (see `common.fastlist`)."""

    meaning: ClassVar[str] = ""
    bound_as: ClassVar[Any] = None

    def __init__(self, field_name: str | None = None, lookup_expr: str | None = None, **kwargs: Any) -> None:
        self.description: str = kwargs.pop("description", self.meaning)
        super().__init__(field_name, lookup_expr, **kwargs)

    def parse(self, raw: str) -> Any:
        """The value; raises ValueError with a text for the client."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Only called for parameters that were given; unlike django-filter's, an empty value filters too."""
        return self.get_method(qs)(**{f"{self.field_name}__{self.lookup_expr}": value})


class TextFilter(StrictFilter):
    """The whole value, exactly."""

    def __init__(self, *args: Any, max_length: int = MAX_TEXT, pattern: str = TERM_PATTERN, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_length, self.pattern = max_length, pattern
        self._enforced = compile_pattern(pattern)

    def parse(self, raw: str) -> Any:
        if len(raw) > self.max_length or not self._enforced.match(raw):
            raise ValueError(f"At most {self.max_length} characters of the published form are expected.")
        return raw

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.max_length, "pattern": self.pattern}


class NumberFilter(TextFilter):
    """A whole number of a document."""

    meaning = "The whole number, whatever its case."

    def parse(self, raw: str) -> str:
        return super().parse(raw).upper()


class KeyFilter(TextFilter):
    """The whole value whatever its case and spacing, compared with a stored `natural_key`."""

    meaning = "The whole value, whatever its case and spacing."

    def __init__(self, *args: Any, max_length: int = 160, **kwargs: Any) -> None:
        super().__init__(*args, max_length=max_length, **kwargs)

    def parse(self, raw: str) -> str:
        return natural_key(super().parse(raw))


class ContainsFilter(TextFilter):
    """A part of the value, whatever its case."""

    meaning = "A part of the value, whatever its case."

    def __init__(self, field_name: str | None = None, lookup_expr: str = "icontains", **kwargs: Any) -> None:
        super().__init__(field_name, lookup_expr, **kwargs)


class SearchFilter(TextFilter):
    """Every word must occur in one of the fields, whatever its case."""

    meaning = "Every word must occur, whatever its case."

    def __init__(self, *, fields: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields = tuple(fields)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        for word in value.split():
            qs = qs.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in self.fields)))
        return qs


class IntegerFilter(StrictFilter):
    """A whole number within bounds."""

    def __init__(self, *args: Any, min: int = -MAX_ID - 1, max: int = MAX_ID, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.min, self.max = min, max

    def parse(self, raw: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", raw) or not self.min <= int(raw) <= self.max:
            raise ValueError(f"A whole number from {self.min} to {self.max} is expected.")
        return int(raw)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.min, "maximum": self.max}


class IdFilter(IntegerFilter):
    """The id of a row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, min=1, **kwargs)


class BooleanFilter(StrictFilter):
    """`true` or `false`."""

    def parse(self, raw: str) -> bool:
        if raw not in ("true", "false"):
            raise ValueError("true or false is expected.")
        return raw == "true"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class ChoiceFilter(StrictFilter):
    """One of the published values."""

    def __init__(self, *args: Any, choices: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choices = [str(choice[0] if isinstance(choice, tuple) else choice) for choice in choices]

    def parse(self, raw: str) -> str:
        if raw not in self.choices:
            raise ValueError(f"One of {', '.join(self.choices)} is expected.")
        return raw

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": self.choices}


class DateTimeFilter(TextFilter):
    """RFC 3339 with an offset; a `+` in a query has to be sent as %2B."""

    meaning = "A + has to be sent as %2B."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_length=40, pattern=DATETIME_PATTERN, **kwargs)

    def parse(self, raw: str) -> datetime:
        """In UTC: PostgreSQL knows no offset beyond 16 hours."""
        return datetime.fromisoformat(super().parse(raw)).astimezone(UTC)


class DateFilter(TextFilter):
    """YYYY-MM-DD."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_length=10, pattern=DATE_PATTERN, **kwargs)

    def parse(self, raw: str) -> date:
        return date.fromisoformat(super().parse(raw))


class FromDayFilter(DateFilter):
    """On this day of business or later."""

    meaning = "On this day or later, where the house is."

    def filter(self, qs: QuerySet[Any], value: date) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__gte": start_of(value)})


class ToDayFilter(DateFilter):
    """On this day of business or earlier."""

    meaning = "On this day or earlier, where the house is."

    def filter(self, qs: QuerySet[Any], value: date) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__lt": start_of(value + timedelta(days=1))})


class DecimalFilter(TextFilter):
    """A plain decimal."""

    def __init__(self, *args: Any, max_digits: int = 12, decimal_places: int = 2, **kwargs: Any) -> None:
        pattern = rf"^[0-9]{{1,{max_digits - decimal_places}}}(\.[0-9]{{1,{decimal_places}}})?$"
        super().__init__(*args, max_length=max_digits + 1, pattern=pattern, **kwargs)

    def parse(self, raw: str) -> Decimal:
        return Decimal(super().parse(raw))


class OrderingFilter(StrictFilter):
    """Comma-separated names, `-` in front for falling; at most three. `fields` maps names to columns, or lists names
    that are columns. Paginators append the primary key, so that every order is total."""

    meaning = "At most three names, separated by commas; - in front for falling."

    def __init__(self, *, fields: Mapping[str, str] | Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}
        name = f"-?(?:{'|'.join(self.columns)})"
        self.pattern = f"^{name}(?:,{name}){{0,2}}$"
        self._enforced = compile_pattern(self.pattern)

    def parse(self, raw: str) -> tuple[str, ...]:
        if not self._enforced.match(raw):
            raise ValueError(f"Names among {', '.join(self.columns)} are expected.")
        terms: dict[str, str] = {}
        for term in raw.split(","):
            column = self.columns[term.removeprefix("-")]
            terms.setdefault(column, f"-{column}" if term.startswith("-") else column)
        return tuple(terms.values())

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern, "maxLength": 200}

    def filter(self, qs: QuerySet[Any], value: tuple[str, ...]) -> QuerySet[Any]:
        return qs.order_by(*value)


def refuse_parameters(query: QueryDict, known: Collection[str]) -> None:
    """Raises ValidationError (400) for parameters that are unknown, repeated or empty."""
    errors: dict[str, list[ErrorDetail]] = {}
    for name, values in query.lists():
        if name not in known:
            errors[name] = [ErrorDetail("There is no such parameter.", code="unknown_parameter")]
        elif len(values) > 1:
            errors[name] = [ErrorDetail("This parameter is given more than once.", code="duplicate_parameter")]
        elif values[0] == "":
            errors[name] = [ErrorDetail("This parameter is empty.", code="empty_parameter")]
    if errors:
        raise ValidationError(errors)


def parse_parameters(query: QueryDict, filters: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the given parameters among `filters`. Raises ValidationError (400), all bad and missing ones at
    once."""
    values, errors = {}, {}
    for name, filter_ in filters.items():
        if name in query:
            try:
                values[name] = filter_.parse(query[name])
            except ValueError as error:
                errors[name] = [ErrorDetail(str(error), code="invalid")]
        elif filter_.extra["required"]:
            errors[name] = [ErrorDetail("This parameter is required.", code="required")]
    if errors:
        raise ValidationError(errors)
    return values


class StrictFilterSet(django_filters.FilterSet):
    """A django-filter set of strict filters; no form is built. `ranges` names pairs of which the first may not exceed
    the second (400, since both stand in the query). An underscore at the end of an attribute is not part of the
    parameter's name: `from_` declares `from`."""

    ranges: ClassVar[list[tuple[str, str]]] = []

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        return {name.removesuffix("_"): filter_ for name, filter_ in super().get_filters().items()}

    @classmethod
    def read(cls, query: QueryDict) -> dict[str, Any]:
        """The values of the given parameters. Raises ValidationError (400)."""
        values = parse_parameters(query, cls.base_filters)
        for low, high in cls.ranges:
            if low in values and high in values and values[low] > values[high]:
                raise ValidationError({low: [ErrorDetail(f"{low} exceeds {high}.", code="invalid_range")]})
        return values

    def is_valid(self) -> bool:
        return self.is_bound

    @property
    def errors(self) -> dict[str, Any]:
        """Always empty: bad values raise when they are read."""
        return {}

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.apply(queryset, self.read(self.data))

    def apply(self, queryset: QuerySet[Any], values: Mapping[str, Any]) -> QuerySet[Any]:
        for name, value in values.items():
            queryset = self.filters[name].filter(queryset, value)
        return queryset


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter's backend, which also refuses what neither the filter set nor the paginator knows."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        refuse_parameters(request.query_params, self.known_parameters(view, queryset))
        return super().filter_queryset(request, queryset, view)

    def known_parameters(self, view: Any, queryset: QuerySet[Any] | None = None) -> set[str]:
        filterset = self.get_filterset_class(view, queryset)
        known = set(filterset.base_filters) if filterset else set()
        paginator = getattr(view, "paginator", None)
        return known | set(getattr(paginator, "parameters", ()))
