"""The main job with everything real: somebody registers and finds the cars that the scheduled sync brought; staff edit
the schedule and beat follows. Once as embedded by default, once on PostgreSQL and Redis."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin import AdminVisitor
from tests.e2e.processes import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    EMBEDDED,
    ROOT,
    SERVERS,
    Platform,
    real_servers,
    running_platform,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]
PERSON = {"email": "carla@example.com", "password": "a long customer word 7"}


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("servers", marks=[pytest.mark.postgres, pytest.mark.redis])]
)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with running_platform(folder, EMBEDDED) as running:
            yield running
    else:
        with real_servers() as environment, running_platform(folder, SERVERS, **environment) as running:
            yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    with platform.client() as client:
        assert client.post("/api/auth/register", json=PERSON).status_code == 201
        answer = client.post("/api/auth/login", json=PERSON)
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


def bundled_rows() -> list[dict[str, str]]:
    packed = (ROOT / "cars" / "data" / "cars.csv.gz").read_bytes()
    return list(csv.DictReader(io.StringIO(gzip.decompress(packed).decode())))


def test_the_scheduled_sync_fills_the_registry_within_a_minute(platform: Platform, token: str) -> None:
    rows = bundled_rows()
    with platform.client(token) as client:
        platform.until(
            "the registry is full",
            lambda: client.get("/api/cars", params={"limit": 1}).json()["count"] >= len(rows),
            within=90,
        )
        page = client.get("/api/cars", params={"make": "Toyota", "year": 2020, "page": 1, "limit": 20}).json()
        following = client.get(page["next"]).json()
    expected = [row["model"] for row in rows if (row["make"], row["year"]) == ("Toyota", "2020")]
    listed = [car["model"] for car in page["results"] + following["results"]]
    assert len(page["results"]) == 20
    assert sorted(listed) == sorted(expected)
    assert page["count"] == len(expected)


def test_beat_follows_an_edited_schedule(platform: Platform) -> None:
    with platform.client() as client:
        body = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        bearer = {"Authorization": f"Bearer {client.post('/api/auth/login', json=body).json()['access_token']}"}
        admin = AdminVisitor(client)
        admin.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)

        def scheduled_runs() -> list[dict[str, Any]]:
            runs = client.get("/api/sync/runs", headers=bearer, params={"limit": 100}).json()["results"]
            return [run for run in runs if run["trigger"] == "schedule"]

        before = platform.until("the first scheduled run", scheduled_runs, within=90)
        admin.submit("/django_celery_beat/intervalschedule/add/", every="2", period="seconds")
        task = admin.find("/django_celery_beat/periodictask/", "cars: Sync cars")
        admin.submit(task, choose={"interval": "every 2 seconds"})
        platform.until("two runs more", lambda: len(scheduled_runs()) >= len(before) + 2, within=60)


def test_everything_ends_by_itself_when_asked(platform: Platform) -> None:
    platform.until("the worker is ready", lambda: "ready." in platform.log("worker"), within=60)
    assert set(platform.stop().values()) == {0}, platform.logs()
