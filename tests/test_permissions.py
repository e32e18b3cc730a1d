"""Walks the permission table: every operation of the schema, called by every kind of person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import User
from tests.permissions import PEOPLE, TABLE, Row
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
METHODS = {"get", "post", "put", "patch", "delete"}


def schema_operations() -> set[str]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method in METHODS}


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert schema_operations() == set(TABLE)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("operation", TABLE)
def test_permission(
    operation: str,
    person: str,
    person_named: Callable[[str], User],
    api: APIClient,
    as_user: Callable[[User], APIClient],
) -> None:
    row = TABLE[operation]
    method, path = operation.split(" ")
    facts = TARGETS[row.target](person_named("owner")) | {"customer": person_named("customer").pk}
    client = api if person == "anonymous" else as_user(person_named(person))
    url = path.format(**facts) + (f"?{row.query}" if row.query else "")
    answer = getattr(client, method.lower())(url, _body(row, facts), format="json")
    if answer.streaming:
        answer.close()
    assert answer.status_code == row.status(person), answer.content[:500]


def _body(row: Row, facts: dict[str, Any]) -> dict[str, Any] | None:
    if row.body is None:
        return None
    return {
        name: facts[value[1:]] if isinstance(value, str) and value.startswith("$") else value
        for name, value in row.body.items()
    }


@pytest.mark.parametrize("operation", [name for name, row in TABLE.items() if row.others == 404])
def test_what_is_not_ones_own_answers_like_what_is_not_there(
    operation: str, person_named: Callable[[str], User], as_user: Callable[[User], APIClient]
) -> None:
    row = TABLE[operation]
    method, path = operation.split(" ")
    facts = TARGETS[row.target](person_named("owner"))
    missing = dict.fromkeys(facts, "00000000-0000-4000-8000-000000000000" if row.target.endswith("export") else 2**62)
    call = getattr(as_user(person_named("customer")), method.lower())
    hidden = call(path.format(**facts), _body(row, facts), format="json")
    absent = call(path.format(**missing), _body(row, facts), format="json")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    varying = {"X-Request-ID", "Date", "RateLimit-Remaining", "RateLimit-Reset"}
    assert {k: v for k, v in hidden.items() if k not in varying} == {
        k: v for k, v in absent.items() if k not in varying
    }
