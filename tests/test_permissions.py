"""Walks the permission table: every operation of the schema, called by every kind of person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.transaction import atomic, set_rollback
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import User
from tests.permissions import PEOPLE, TABLE, Row
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
NO_UUID = "00000000-0000-4000-8000-000000000000"
METHODS = {"get", "post", "put", "patch", "delete"}


def schema_operations() -> set[str]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method in METHODS}


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert schema_operations() == set(TABLE)


@pytest.mark.parametrize("operation", TABLE)
def test_permission(
    operation: str,
    person_named: Callable[[str], User],
    api: APIClient,
    as_user: Callable[[User], APIClient],
) -> None:
    """Everybody meets the same rows: what one did is rolled back before the next one comes."""
    row = TABLE[operation]
    method, path = operation.split(" ")
    facts = TARGETS[row.target](person_named("owner")) | {"customer": person_named("customer").pk}
    clients = {name: api if name == "anonymous" else as_user(person_named(name)) for name in PEOPLE}
    url = path.format(**facts) + (f"?{row.query}" if row.query else "")
    answers = {}
    for person, client in clients.items():
        with rolled_back():
            answer = getattr(client, method.lower())(url, _body(row, facts), format="json")
            if answer.streaming:
                for close in answer._resource_closers:  # Its own `close` would drop the database connection too.
                    close()
        answers[person] = (answer.status_code, b"" if answer.streaming else answer.content[:300])
    wrong = {person: answer for person, answer in answers.items() if answer[0] != row.status(person)}
    assert wrong == {}


@contextmanager
def rolled_back() -> Iterator[None]:
    """As a test's own transaction, inside of it: a view may open its outermost one within."""
    transaction = atomic()
    transaction._from_testcase = True
    with transaction:
        yield
        set_rollback(True)


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
    missing = {name: 2**62 if isinstance(fact, int) else NO_UUID for name, fact in facts.items()}
    call = getattr(as_user(person_named("customer")), method.lower())
    hidden = call(path.format(**facts), _body(row, facts), format="json")
    absent = call(path.format(**missing), _body(row, facts), format="json")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    varying = {"X-Request-ID", "Date", "RateLimit-Remaining", "RateLimit-Reset"}
    assert {k: v for k, v in hidden.items() if k not in varying} == {
        k: v for k, v in absent.items() if k not in varying
    }
