"""Text that is meant for the database: in every text parameter of the query and the path it is only text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.permissions import TABLE
from tests.security.document import operations
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
SLEEP_S = 5
BENIGN = "abc"
_PREFIXES = ("'", '"', "')", "1", "1)", "%'", "\\'", "abc'")
_ATTACKS = (
    " OR 1=1--",
    " OR 'a'='a",
    "; DROP TABLE cars_car;--",
    " UNION SELECT NULL,NULL--",
    f"||pg_sleep({SLEEP_S})--",
    f";SELECT pg_sleep({SLEEP_S})--",
    " AND 1=(SELECT 1/0)--",
)
INJECTIONS = (
    *(prefix + attack for prefix in _PREFIXES for attack in _ATTACKS),
    "'",
    "%s",
    "{0}",
    "%(id)s",
    "/**/",
    "--",
    "#",
    "$1",
)
PARAMETERS = [
    (name, place, parameter)
    for name, operation in operations().items()
    for place, parameter, _ in operation.texts()
    if operation.method == "get"
]


def is_published(text: str, schema: dict[str, Any]) -> bool:
    if "enum" in schema:
        return text in schema["enum"]
    fits = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 10_000)
    return fits and schema.get("format") is None and bool(re.search(schema.get("pattern", ""), text))


def test_there_are_sixty_of_them() -> None:
    assert len(set(INJECTIONS)) >= 60


@pytest.mark.parametrize(("name", "place", "parameter"), PARAMETERS)
def test_an_injection_is_answered_like_any_text(
    name: str,
    place: str,
    parameter: str,
    person_named: Callable[[str], User],
    as_user: Callable[[User], APIClient],
) -> None:
    operation, row = operations()[name], TABLE[name]
    facts = TARGETS[row.target](person_named("administrator"))
    schema = next(schema for *where, schema in operation.texts() if where == [place, parameter])
    client = as_user(person_named("administrator"))

    def ask(text: str) -> int:
        path = operation.path.format(**facts | ({parameter: quote(text, safe="")} if place == "path" else {}))
        given = {parameter: text} if place == "query" else None
        started = time.monotonic()
        status = client.get(path, given).status_code
        took = time.monotonic() - started
        if took >= SLEEP_S:  # The machine may stop once for so long; a sleep that was carried out is so every time.
            client.get(path, given)
            took = min(took, time.monotonic() - started - took)
        assert took < SLEEP_S, text
        return int(status)

    usual = ask(BENIGN)
    for text in INJECTIONS:
        text = text[: schema.get("maxLength", 100)]
        is_text = is_published(text, schema) and not (place == "path" and "/" in text)  # Which ends a segment.
        expected = {usual} if is_text else {400, 404, 422}
        assert ask(text) in expected, text
