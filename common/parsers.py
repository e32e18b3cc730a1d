"""The one request format: JSON in UTF-8, bounded, without the freedoms that JSON leaves to its readers."""

from __future__ import annotations

import codecs
import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from common.errors import DomainError
from common.renderers import BodyRenderer

MAX_DEPTH = 32
# A string without an end is taken to the end: to try again from each of its quotes costs the square of its length.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")


class PayloadTooLarge(DomainError):
    """413."""

    status, code, detail = 413, "payload_too_large", "The request body is too large."


class StrictJSONParser(BaseParser):
    """Fractions become Decimal. Refused with 400: nesting beyond 32, duplicate keys, NUL, lone surrogates, NaN,
    Infinity; with 413 more than 1 MiB; with 415 any charset but UTF-8."""

    media_type = "application/json"
    renderer_class = BodyRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        charset = _charset(media_type or "")
        if charset not in ("", "utf-8"):
            raise UnsupportedMediaType(media_type or "", detail="Only UTF-8 is understood.")
        limit = getattr((parser_context or {}).get("view"), "body_limit", settings.API_BODY_LIMIT)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise PayloadTooLarge
        return load_json(raw)


def load_json(raw: bytes) -> Any:
    """Raises ParseError for whatever is not strict JSON."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_members, parse_float=Decimal, parse_constant=_refuse_constant
        )
    except (
        ValueError,
        ArithmeticError,
    ):  # Also an integer of more digits than Python reads, an exponent beyond Decimal.
        raise ParseError("The body is not valid JSON.") from None
    if _SUSPECT_ESCAPE.search(text):
        _check_strings(value)
    return value


def _charset(media_type: str) -> str:
    match = re.search(r';\s*charset\s*=\s*"?([^";\s]*)', media_type, re.IGNORECASE)
    if match is None:
        return ""
    try:
        return codecs.lookup(match[1]).name
    except LookupError:
        return match[1]


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"The body is nested more than {MAX_DEPTH} deep.")
        elif token[0] in "]}":
            depth -= 1


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ParseError("An object names a member twice.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON.")


def _check_strings(value: Any) -> None:
    if isinstance(value, str):
        if _NUL_OR_SURROGATE.search(value):
            raise ParseError("The body holds a null character or half a surrogate pair.")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_strings(key)
            _check_strings(member)
    elif isinstance(value, list):
        for member in value:
            _check_strings(member)
