"""Nobody assigns what is not theirs to assign: in the body of every operation, each member of its answer that may not
be written, and each column of each table, is refused by name before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from tests.permissions import TABLE
from tests.security.document import operations
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
COLUMNS = {
    name
    for app in ("accounts", "cars")
    for model in apps.get_app_config(app).get_models()
    for field in model._meta.concrete_fields
    for name in (field.name, field.attname)
}
REFUSALS = ("read_only", "unknown_field")
WRITES = ("INSERT", "UPDATE", "DELETE")
CLAIMS = {"role", "roles", "permissions", "is_admin", "admin", "pk", "balance", "seller", "price", "user_permissions"}


@pytest.mark.parametrize("name", [name for name, one in operations().items() if one.writable() is not None])
def test_what_may_not_be_written_is_refused_by_name(
    name: str, person_named: Callable[[str], User], as_user: Callable[[User], APIClient]
) -> None:
    operation, row = operations()[name], TABLE[name]
    facts: dict[str, Any] = TARGETS[row.target](person_named("owner"))
    client = as_user(person_named("administrator" if row.status("owner") >= 403 else "owner"))
    forbidden = (operation.readable() | COLUMNS | CLAIMS) - (operation.writable() or set())
    body = {**dict.fromkeys(forbidden, 1), **dict.fromkeys(row.body or {}, 1)}
    with CaptureQueriesContext(connection) as asked:
        answer = getattr(client, operation.method)(operation.path.format(**facts), body, format="json")
    assert answer.status_code == 400, answer.content[:500]
    refused = {error["attr"]: error["code"] for error in answer.json()["errors"]}
    assert {attr: refused.get(attr) for attr in forbidden if refused.get(attr) not in REFUSALS} == {}
    assert [query["sql"] for query in asked if str(query["sql"]).startswith(WRITES)] == []
