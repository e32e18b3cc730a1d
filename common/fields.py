"""Strict fields: each publishes in the schema the very rule it enforces (`json_schema`), in a form that every JSON
Schema reader understands alike: no `\\s`, `\\d`, `\\w`, and no `format` that is not checked. Python enforces patterns
with `\\Z`, because its `$` lets a trailing newline through."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import _UnvalidatedField, empty
from rest_framework.relations import MANY_RELATION_KWARGS

from common.routers import MAX_ID
from common.text import email_key

MAX_ITEMS = 50
_SPACES = r"\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
TEXT_PATTERN = r"^[^\x00]*$"
IDEMPOTENCY_KEY_PATTERN = "^[!-~]{1,255}$"  # Visible ASCII, which every proxy passes on unchanged.
NAME_PATTERN = rf"^[^\x00-\x20{_SPACES}][^\x00-\x1f\x7f]*$"
_LETTERS = (
    r"A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u04ff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
)
_LABEL = rf"[{_LETTERS}](?:[{_LETTERS}-]{{0,61}}[{_LETTERS}])?"
EMAIL_PATTERN = rf"^[{_LETTERS}.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{1,8}}$"
# Exact to the day, leap years too: what the pattern lets through is a date. Years 1970 to 2099.
_DATE = (
    r"(?:(?:19[7-9][0-9]|20[0-9][0-9])-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:19(?:7[26]|8[048]|9[26])|20(?:[02468][048]|[13579][26]))-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
DATE_PATTERN = f"^{_DATE}$"
DATETIME_PATTERN = f"^{_DATE}T{_TIME}$"
# A binary double's last bit, relative: what 35 * 0.01 leaves behind.
_DOUBLE_NOISE = Decimal("1e-15")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The published pattern `^...$` as Python has to run it."""
    return re.compile(pattern.removesuffix("$") + r"\Z")


Describe = Callable[[Any], dict[str, Any]]


def describe_nothing(child: Any) -> dict[str, Any]:
    """Free JSON."""
    return {}


class Strict:
    """Marks the fields that describe themselves; `common.schema` asks them, and describes for them the children that
    are no strict fields."""

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        """JSON Schema without nullability, which the generator adds. Answers are described without the bounds of
        input: stored rows may be older than a rule."""
        raise NotImplementedError


class StrictCharField(Strict, serializers.CharField):
    """Text as it came: nothing trimmed, no number taken for text. Needs a `max_length`."""

    default_pattern: ClassVar[str] = TEXT_PATTERN
    default_max_length: ClassVar[int | None] = None
    default_error_messages = {"pattern": "This text has characters or a form that are not allowed here."}

    def __init__(self, *, pattern: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", self.default_max_length)
        kwargs["trim_whitespace"] = False
        self.pattern = pattern or self.default_pattern
        self._enforced = compile_pattern(self.pattern)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        value: str = super().to_internal_value(data)
        if value and not self._enforced.match(value):
            self.fail("pattern")
        return value

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        if self.max_length is not None:
            schema["maxLength"] = self.max_length
        if not request:
            return schema
        minimum = self.min_length or (0 if self.allow_blank else 1)
        if minimum:
            schema["minLength"] = minimum
        blank_passes = self._enforced.match("") is not None
        schema["pattern"] = self.pattern if blank_passes or not self.allow_blank else f"^$|{self.pattern}"
        return schema


class TextField(StrictCharField):
    """Free text with line breaks; at most 10,000 characters unless told otherwise."""

    default_max_length = 10_000


class NameField(StrictCharField):
    """One line that starts with something visible."""

    default_pattern = NAME_PATTERN
    default_max_length = 200


class EmailField(StrictCharField):
    """An e-mail address as typed; its stored form is `common.text.email_key`."""

    default_pattern = EMAIL_PATTERN
    default_max_length = 254

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if self.max_length is not None and len(email_key(value)) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return value


class StrictIntegerField(Strict, serializers.IntegerField):
    """A JSON number without a fraction (5 and 5.0, as JSON Schema has it); 64 bits unless bounded closer."""

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("min_value") is None:
            kwargs["min_value"] = -MAX_ID - 1
        if kwargs.get("max_value") is None:
            kwargs["max_value"] = MAX_ID
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | Decimal | float):
            self.fail("invalid")
        if isinstance(data, float):
            data = Decimal(data)
        if isinstance(data, Decimal):
            if not data.is_finite() or abs(data) > MAX_ID + 1 or data != data.to_integral_value():
                self.fail("invalid")
            data = int(data)
        return int(data)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer"}
        return schema | {"minimum": self.min_value, "maximum": self.max_value} if request else schema


class IdField(StrictIntegerField):
    """An id as the database numbers them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"min_value": 1, "max_value": MAX_ID} | kwargs))


class StrictDecimalField(Strict, serializers.DecimalField):
    """A decimal as a plain string or a JSON number, with at most `decimal_places`; answers are strings with all places.

    A JSON number beyond the bounds breaks the published schema (400). A string cannot be published with bounds, only
    with its number of digits, so one beyond them is well-formed and meaningless (422 `out_of_range`).
    """

    default_error_messages = {"out_of_range": "A number from {low} to {high} is expected."}

    def __init__(self, *, max_digits: int, decimal_places: int, **kwargs: Any) -> None:
        limit = Decimal(10) ** (max_digits - decimal_places) - Decimal(1).scaleb(-decimal_places)
        if kwargs.get("max_value") is None:
            kwargs["max_value"] = limit
        if kwargs.get("min_value") is None:
            kwargs["min_value"] = -limit
        kwargs["max_value"], kwargs["min_value"] = Decimal(kwargs["max_value"]), Decimal(kwargs["min_value"])
        super().__init__(max_digits=max_digits, decimal_places=decimal_places, **kwargs)
        self.places = decimal_places
        self.bounds = (kwargs["min_value"], kwargs["max_value"])
        digits = max(1, max_digits - decimal_places)
        fraction = rf"(\.[0-9]{{1,{decimal_places}}})?" if decimal_places else ""
        sign = "-?" if kwargs["min_value"] < 0 else ""
        self.pattern = f"^{sign}[0-9]{{1,{digits}}}{fraction}$"
        self._enforced = compile_pattern(self.pattern)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """As every field's; REST framework's decimals take "" for null."""
        return serializers.Field.validate_empty_values(self, data)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str):
            if not self._enforced.match(data):
                self.fail("invalid")
            return self._within(Decimal(data))
        if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
            self.fail("invalid")
        number = Decimal(str(data)) if isinstance(data, float) else Decimal(data)
        if not number.is_finite():
            self.fail("invalid")
        return self._fitted(number)

    def _within(self, number: Decimal) -> Decimal:
        low, high = self.bounds
        if not low <= number <= high:
            self.fail("out_of_range", low=low, high=high)
        return number

    def _fitted(self, number: Decimal) -> Decimal:
        """The number with its places. The bounds come first: quantizing a huge exponent would need as many digits."""
        lowest, highest = self.bounds
        if number > highest:
            self.fail("max_value", max_value=highest)
        if number < lowest:
            self.fail("min_value", min_value=lowest)
        fitted = number.quantize(Decimal(1).scaleb(-self.places))
        if abs(fitted - number) > abs(number) * _DOUBLE_NOISE:
            self.fail("max_decimal_places", max_decimal_places=self.places)
        return fitted

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        if not request:
            return {"type": "string"}
        number = {
            "type": "number",
            "minimum": _plain_number(self.bounds[0]),
            "maximum": _plain_number(self.bounds[1]),
            "multipleOf": _plain_number(Decimal(1).scaleb(-self.places)),
        }
        return {"anyOf": [{"type": "string", "pattern": self.pattern}, number]}


def _plain_number(value: Any) -> int | float:
    return int(value) if value == int(value) else float(value)


class MoneyField(StrictDecimalField):
    """An amount in the currency's cents, from 0.00 up; 12 digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_digits": 12, "decimal_places": 2, "min_value": 0} | kwargs))


class StrictBooleanField(Strict, serializers.BooleanField):
    """true or false, nothing else."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return {"type": "boolean"}


class StrictChoiceField(Strict, serializers.ChoiceField):
    """One of the published values, of the published type."""

    def to_internal_value(self, data: Any) -> Any:
        if data == "" and self.allow_blank:
            return ""
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", input=data if isinstance(data, str) else type(data).__name__)
        return str(data)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        values = [str(choice) for choice in self.choices]
        if self.allow_blank and "" not in values:
            values.append("")
        return {"type": "string", "enum": values}


class StrictDateTimeField(Strict, serializers.DateTimeField):
    """RFC 3339 with an offset, years 1970 to 2099, in whole UTC; answers end in Z."""

    _enforced = compile_pattern(DATETIME_PATTERN)

    def to_internal_value(self, value: Any) -> datetime:
        parsed = parse_datetime(value) if isinstance(value, str) and self._enforced.match(value) else None
        if parsed is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss[.uuuuuu](Z|+hh:mm|-hh:mm)")
        return self.enforce_timezone(parsed)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return {"type": "string", **({"pattern": DATETIME_PATTERN} if request else {"format": "date-time"})}


class StrictDateField(Strict, serializers.DateField):
    """YYYY-MM-DD, years 1970 to 2099."""

    _enforced = compile_pattern(DATE_PATTERN)

    def to_internal_value(self, value: Any) -> date:
        parsed = parse_date(value) if isinstance(value, str) and self._enforced.match(value) else None
        if parsed is None:
            self.fail("invalid", format="YYYY-MM-DD")
        return parsed

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return {"type": "string", **({"pattern": DATE_PATTERN} if request else {"format": "date"})}


class RelatedIdField(Strict, serializers.PrimaryKeyRelatedField):
    """The id of another row in a body. An id that does not exist, or is not in what `get_queryset` shows the viewer, is
    422 `does_not_exist`: the two look alike. A model's own `visible_to(user)` is applied when its queryset has one."""

    @classmethod
    def many_init(cls, *args: Any, **kwargs: Any) -> StrictManyRelatedField:
        list_kwargs = {name: value for name, value in kwargs.items() if name in MANY_RELATION_KWARGS}
        return StrictManyRelatedField(child_relation=cls(*args, **kwargs), **list_kwargs)

    def get_queryset(self) -> Any:
        queryset = super().get_queryset()
        request = self.context.get("request")
        if queryset is not None and request is not None and hasattr(queryset, "visible_to"):
            return queryset.visible_to(request.user)
        return queryset

    def run_validation(self, data: Any = empty) -> Any:
        """As every field's; REST framework's relations take "" for null."""
        return serializers.Field.run_validation(self, data)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(IdField().run_validation(data))

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return IdField().json_schema(request=request)


class StrictManyRelatedField(Strict, serializers.ManyRelatedField):
    """A JSON array of ids, at most 50, looked up by one query."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if not self.allow_empty and not data:
            self.fail("empty")
        if len(data) > MAX_ITEMS:
            raise serializers.ValidationError(f"At most {MAX_ITEMS} ids are expected.", code="max_length")
        number = IdField()
        ids = [number.run_validation(item) for item in data]
        queryset: Any = self.child_relation.get_queryset()
        found = queryset.in_bulk(ids)
        missing: dict[Any, Any] = {
            index: [ErrorDetail(f'Invalid pk "{pk}" - object does not exist.', code="does_not_exist")]
            for index, pk in enumerate(ids)
            if pk not in found
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [found[pk] for pk in ids]

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": IdField().json_schema(request=request)}
        if request:
            schema |= {"maxItems": MAX_ITEMS} | ({} if self.allow_empty else {"minItems": 1})
        return schema


class StrictListField(Strict, serializers.ListField):
    """A JSON array, at most 50 long unless told otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": MAX_ITEMS} | kwargs))

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        value: list[Any] = super().to_internal_value(data)
        return value

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": _child_schema(self.child, request, nested)}
        if request:
            schema["maxItems"] = self.max_length
            minimum = self.min_length or (0 if self.allow_empty else 1)
            if minimum:
                schema["minItems"] = minimum
        return schema


class StrictDictField(Strict, serializers.DictField):
    """A JSON object with free keys (at most 100 characters; 50 of them, unless a class says otherwise). Without a child
    its values are free too: texts, numbers, true, false, null, and arrays of these."""

    key_length = 100
    max_items = MAX_ITEMS
    default_error_messages = {
        "too_many": "An object of at most {max_items} members is expected.",
        "key": "A key has 1 to {key_length} characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > self.max_items:
            self.fail("too_many", max_items=self.max_items)
        if any(not 1 <= len(key) <= self.key_length for key in data):
            self.fail("key", key_length=self.key_length)
        if self._is_free:
            return {key: _free_value(member) for key, member in data.items()}
        value: dict[str, Any] = super().to_internal_value(data)
        return value

    @property
    def _is_free(self) -> bool:
        return isinstance(self.child, _UnvalidatedField)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        free = FREE_VALUE if request else {}
        members = free if self._is_free else _child_schema(self.child, request, nested)
        schema: dict[str, Any] = {"type": "object", "additionalProperties": members}
        if request:
            schema["maxProperties"] = self.max_items
            schema["propertyNames"] = {"minLength": 1, "maxLength": self.key_length, "pattern": TEXT_PATTERN}
        return schema


class StrictJSONField(Strict, serializers.JSONField):
    """Any JSON in answers; in bodies a value as `StrictDictField` takes for a member."""

    def to_internal_value(self, data: Any) -> Any:
        return _free_value(data)

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return FREE_VALUE if request else {}


def _child_schema(child: Any, request: bool, nested: Describe) -> dict[str, Any]:
    if not isinstance(child, Strict):
        return nested(child)
    schema: dict[str, Any] = child.json_schema(request=request, nested=nested)
    return nullable(schema) if getattr(child, "allow_null", False) else schema


_FREE_SCALARS: list[dict[str, Any]] = [
    {"type": "string", "maxLength": 1000, "pattern": TEXT_PATTERN},
    {"type": "number", "minimum": -MAX_ID, "maximum": MAX_ID},
    {"type": "boolean"},
    {"type": "null"},
]
FREE_VALUE = {"anyOf": [*_FREE_SCALARS, {"type": "array", "items": {"anyOf": _FREE_SCALARS}, "maxItems": MAX_ITEMS}]}


def _free_value(value: Any) -> Any:
    if isinstance(value, list) and len(value) <= MAX_ITEMS:
        return [_free_scalar(item) for item in value]
    return _free_scalar(value)


def _free_scalar(value: Any) -> Any:
    """Fractions become floats, so that a JSON column can hold them."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= 1000):
        return value
    if isinstance(value, int | float | Decimal) and -MAX_ID <= value <= MAX_ID:
        return float(value) if isinstance(value, Decimal) else value
    raise serializers.ValidationError("A text, a number, true, false, null or an array of these is expected.")


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null (OpenAPI 3.1)."""
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    nulled = schema | {"type": [schema["type"], "null"]}
    return nulled | {"enum": [*schema["enum"], None]} if "enum" in schema else nulled
