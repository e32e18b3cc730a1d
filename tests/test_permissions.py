"""Walks the permission table: every operation of the schema, called by every kind of person."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import Export, Notification, SellerProfile, User
from cars.models import SyncRun, SyncSource
from tests.conftest import MakeUser
from tests.factories import CarFactory, VehicleFactory
from tests.permissions import PEOPLE, ROLES, TABLE, Row

pytestmark = pytest.mark.django_db
METHODS = {"get", "post", "put", "patch", "delete"}


def _notification(owner: User) -> dict[str, Any]:
    return {"id": Notification.objects.create(user=owner, kind="security", title="Hello").pk}


def _export(owner: User) -> dict[str, Any]:
    now = timezone.now()
    export = Export.objects.create(
        owner=owner, kind="cars", status=Export.Status.READY, file_name="cars.csv", finished_at=now, expires_at=now
    )
    Export.objects.filter(pk=export.pk).update(expires_at=now.replace(year=now.year + 1))
    Path(settings.EXPORT_FOLDER).mkdir(parents=True, exist_ok=True)
    (Path(settings.EXPORT_FOLDER) / f"{export.pk}.csv").write_text("make\r\n")
    return {"id": str(export.pk)}


def _seller_profile(owner: User) -> dict[str, Any]:
    profile = SellerProfile.objects.create(user=owner, business_name="Cars", dealer_license_number="1", tax_id="2")
    return {"id": profile.pk}


def _sync_run(owner: User) -> dict[str, Any]:
    run = SyncRun.objects.create(source="cars", provider="file", trigger=SyncRun.Trigger.USER, triggered_by=owner)
    return {"id": run.pk}


def _source(owner: User) -> dict[str, Any]:
    return {"name": SyncSource.objects.get_or_create(name="cars")[0].name}


TARGETS: dict[str, Callable[[User], dict[str, Any]]] = {
    "": lambda owner: {},
    "owner": lambda owner: {"id": owner.pk},
    "car": lambda owner: {"id": CarFactory(created_by=owner).pk},
    "make": lambda owner: {"make": CarFactory().make},
    "vin": lambda owner: {"vin": "1HGCM82633A004352"},
    "vehicle": lambda owner: {"id": VehicleFactory(owner=owner).pk},
    "notification": _notification,
    "export": _export,
    "seller_profile": _seller_profile,
    "sync_run": _sync_run,
    "source": _source,
}


def schema_operations() -> set[str]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method in METHODS}


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert schema_operations() == set(TABLE)


@pytest.fixture
def person_named(make_user: MakeUser) -> Callable[[str], User]:
    """One of each kind, made when asked for; the owner is a plain customer too."""

    @cache
    def make(name: str) -> User:
        roles = [name] if name in ROLES else []
        return make_user(email=f"{name}@example.com", roles=roles, is_superuser=name == "administrator")

    return make


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
    answer = getattr(client, method.lower())(path.format(**facts), _body(row, facts), format="json")
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
    missing = dict.fromkeys(facts, "00000000-0000-4000-8000-000000000000" if row.target == "export" else 2**62)
    call = getattr(as_user(person_named("customer")), method.lower())
    hidden = call(path.format(**facts), _body(row, facts), format="json")
    absent = call(path.format(**missing), _body(row, facts), format="json")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    varying = {"X-Request-ID", "Date", "RateLimit-Remaining", "RateLimit-Reset"}
    assert {k: v for k, v in hidden.items() if k not in varying} == {
        k: v for k, v in absent.items() if k not in varying
    }
