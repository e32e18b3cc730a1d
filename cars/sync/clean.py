"""Checks of single values in records that nobody vouches for. Each raises BadRecord: a code and the field's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from cars.sync.registry import BadRecord

# Control characters (NUL among them), lone surrogates, and the brackets of markup.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff<>]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CENT = Decimal("0.01")
LONGEST_ID = 64


def text(data: Mapping[str, object], name: str, *, longest: int, required: bool = True) -> str:
    """One line of text, trimmed. Absent or null is "" when not `required`."""
    value = data.get(name)
    if value is None and not required:
        return ""
    if value is None:
        raise BadRecord("missing_field", name)
    if not isinstance(value, str):
        raise BadRecord("wrong_type", name)
    value = value.strip()
    if _FORBIDDEN.search(value):
        raise BadRecord("forbidden_characters", name)
    if required and not value:
        raise BadRecord("missing_field", name)
    if len(value) > longest:
        raise BadRecord("too_long", name)
    return value


def long_text(data: Mapping[str, object], name: str, *, longest: int) -> str:
    """Text of several lines, in which brackets are brackets; "" when it is absent or null."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecord("wrong_type", name)
    value = value.strip()
    if _CONTROL.search(value):
        raise BadRecord("forbidden_characters", name)
    if len(value) > longest:
        raise BadRecord("too_long", name)
    return value


def amount(data: Mapping[str, object], name: str, *, digits: int, required: bool = True) -> Decimal | None:
    """A number from 0 with two places and at most `digits` digits, rounded half up. None when absent or null and not
    `required`. Text is no number, nor is true, nor what is infinite or not a number at all."""
    value = data.get(name)
    if value is None and not required:
        return None
    if value is None:
        raise BadRecord("missing_field", name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadRecord("wrong_type", name)
    number = Decimal(value)
    # The bounds come first: to round a huge exponent would need as many digits.
    if not number.is_finite() or not 0 <= number <= Decimal(10) ** (digits - 2) - _CENT:
        raise BadRecord("out_of_range", name)
    return number.quantize(_CENT, rounding=ROUND_HALF_UP)


def whole_number(data: Mapping[str, object], name: str) -> int:
    """A number without a fraction; 2020.0 is one, "2020" and true are not."""
    value = data.get(name)
    if value is None:
        raise BadRecord("missing_field", name)
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < 10**18 and value == int(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRecord("wrong_type", name)
    return value


def moment_or_none(data: Mapping[str, object], name: str) -> datetime | None:
    """An ISO-8601 moment with a zone; None for anything else, since no row is worth losing over a time stamp."""
    value = data.get(name)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def external_id(value: object) -> str:
    """The id as text: 1 to 64 printable characters, or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else ""
    if not isinstance(value, str) or not value:
        raise BadRecord("missing_id")
    if len(value) > LONGEST_ID or _FORBIDDEN.search(value) or value != value.strip():
        raise BadRecord("bad_id")
    return value
