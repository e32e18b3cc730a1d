"""Every answer of every operation, refusals included: its headers, what comes first, and what a stranger learns."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.permissions import TABLE
from tests.security.document import METHODS, operations
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
OPERATIONS = operations()
SECURED = [name for name, operation in OPERATIONS.items() if not operation.is_public]
ABSENT = {"make": "None", "vin": "1HGCM82633A004352", "name": "none", "token": "none"}
SHOWN_TYPES = ("application/json", "text/csv", "application/pdf", "image/jpeg")
NO_UUID = "00000000-0000-4000-8000-000000000000"
BODIES: dict[str, dict[str, Any]] = {
    "an empty body": {"data": "{}", "content_type": "application/json"},
    "what is no JSON": {"data": "{", "content_type": "application/json"},
    "unknown members": {"data": '{"is_staff": true}', "content_type": "application/json"},
    "a form": {"data": "a=1", "content_type": "application/x-www-form-urlencoded"},
    "an oversized body": {"data": '"' + "x" * 2**20 + '"', "content_type": "application/json"},
}


def path_of(name: str) -> str:
    """With ids that nothing has."""
    inside = {one["name"]: one["schema"] for one in OPERATIONS[name].spec.get("parameters", ()) if one["in"] == "path"}
    ids = {one: NO_UUID if schema.get("format") == "uuid" else 2**62 for one, schema in inside.items()}
    return OPERATIONS[name].path.format(**ids | ABSENT)


def assert_headers(answer: Any) -> None:
    """Row 21 of every answer; no answer of the API may be kept by anybody on the way."""
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] in ("no-store", "private, no-cache", "private, max-age=300")
    assert "X-Request-ID" in answer
    assert "Server" not in answer
    assert "Set-Cookie" not in answer
    assert answer.status_code in (204, 304) or answer["Content-Type"].startswith(SHOWN_TYPES)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_refusal_of_an_operation_carries_the_headers(api: APIClient, name: str) -> None:
    for body in BODIES.values():
        answer = api.generic(OPERATIONS[name].method.upper(), path_of(name), **body)
        assert answer.status_code in {200, 202, 204, *range(400, 430), 503}
        assert_headers(answer)


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS.values()}))
def test_a_method_that_is_not_offered_is_405_before_anybody_is_asked_who_they_are(api: APIClient, path: str) -> None:
    names = [name for name, operation in OPERATIONS.items() if operation.path == path]
    offered = {OPERATIONS[name].method for name in names}
    for method in {*METHODS, "trace"} - offered:
        answer = api.generic(method.upper(), path_of(names[0]), "{", content_type="application/json")
        assert answer.status_code == 405, method
        assert {one.lower() for one in answer["Allow"].split(", ")} >= offered
        assert_headers(answer)


@pytest.mark.parametrize("name", SECURED)
def test_a_stranger_gets_the_same_401_whatever_is_asked(api: APIClient, name: str, person_named: Any) -> None:
    method, row = OPERATIONS[name].method.upper(), TABLE[name]
    there = OPERATIONS[name].path.format(**TARGETS[row.target](person_named("owner")))
    answers = [api.generic(method, path_of(name) + "?unknown=1"), api.generic(method, there)]
    answers += [api.generic(method, there, **body) for kind, body in BODIES.items() if kind != "an oversized body"]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="api"'}
