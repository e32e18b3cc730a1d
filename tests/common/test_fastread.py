"""The fast path of one resource gives the very bytes of the plain one, by one statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car
from common import fastread

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
NAMES = ("Content-Type", "ETag", "Allow", "Cache-Control")


@pytest.fixture(autouse=True)
def _fresh_statements() -> None:
    fastread._statements.clear()


@pytest.fixture
def client(as_user: Callable[[User], APIClient], user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def car(user: User) -> Car:
    moment = datetime(2025, 1, 2, 3, 4, 5, 67_800, tzinfo=UTC)
    return Car.objects.create(
        make='\u0160koda "\\%s', model="x", year=2000, source_updated_at=moment, created_by=user,
        locked_fields=["make", "year"],
    )  # fmt: skip


def both(client: APIClient, pk: int, **headers: str) -> list[tuple[Any, ...]]:
    answers = [client.get(f"/api/{kind}-cars/{pk}", headers=headers) for kind in ("fast", "plain")]
    return [(a.status_code, a.content, *(a.get(name) for name in NAMES)) for a in answers]


def test_both_paths_give_the_same_answer(client, car):
    for _ in range(2):  # Compiled, then bound.
        fast, plain = both(client, car.pk)
        assert fast == plain
        assert fast[0] == 200


def test_every_kind_of_column(client, make_user):
    person = make_user(bid_limit=Decimal("12.50"))
    fast, plain = (client.get(f"/api/{kind}-anything/{person.pk}") for kind in ("fast", "plain"))
    assert (fast.content, fast["ETag"]) == (plain.content, plain["ETag"])


def test_what_the_caller_has_is_304_on_both(client, car):
    etag = client.get(f"/api/fast-cars/{car.pk}")["ETag"]
    fast, plain = both(client, car.pk, if_none_match=etag)
    assert fast == plain
    assert fast[0] == 304


@pytest.mark.parametrize("pk", [1, 2**63 - 1])
def test_what_is_not_there_is_the_same_404(client, car, pk):
    fast, plain = both(client, pk + car.pk if pk == 1 else pk)
    assert fast == plain
    assert fast[0] == 404


def test_it_takes_one_statement_beside_the_users(client, car, connection_queries: Callable[[], CaptureQueriesContext]):
    client.get(f"/api/fast-cars/{car.pk}")
    with connection_queries() as queries:
        client.get(f"/api/fast-cars/{car.pk}")
    assert len(queries) == 2


def test_a_permission_that_looks_at_the_object_is_asked(as_user, other_user, client, car):
    assert client.get(f"/api/guarded-cars/{car.pk}").status_code == 200
    assert as_user(other_user).get(f"/api/guarded-cars/{car.pk}").status_code == 403
    assert fastread._statements.popitem()[1] is None


def test_a_query_parameter_is_refused(client, car):
    assert client.get(f"/api/fast-cars/{car.pk}?expand=1").status_code == 400
