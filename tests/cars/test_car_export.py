"""The registry as a file, for everybody who may see it: all who are signed in."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from accounts.exports import run_export
from common.clock import database_now
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(tmp_path, settings) -> None:
    settings.EXPORT_FOLDER = tmp_path


def test_a_customer_gets_the_current_cars_as_a_file(user, as_user):
    car = CarFactory(make="@Toyota", model="Corolla", year=2020)
    CarFactory(withdrawn_at=timezone.now())
    client = as_user(user)
    asked = client.post("/api/exports", {"kind": "cars"})
    assert asked.status_code == 202
    assert run_export(export_id=asked.json()["id"], now=database_now())
    answer = client.get(f"/api/exports/{asked.json()['id']}/download")
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == [str(car.pk)]
    assert rows[0]["make"] == "'@Toyota"
    assert rows[0]["year"] == "2020"
    assert client.get(f"/api/exports/{asked.json()['id']}").json()["rows"] == 1


def test_strangers_get_none(api):
    assert api.post("/api/exports", {"kind": "cars"}).status_code == 401
