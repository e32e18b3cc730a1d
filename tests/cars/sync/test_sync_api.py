"""The HTTP side: who may ask, what is answered, and to whom a run is visible."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import SyncRun, SyncSource
from cars.sync import engine
from tests.cars.sync.conftest import Sync
from tests.standins.parse import ParseServer

SignIn = Callable[[User], APIClient]


@pytest.fixture
def staff(make_user: Any, as_user: SignIn) -> APIClient:
    return as_user(make_user(perms=["cars.sync_cars"]))


# --- POST /cars/sync-cars


def test_anybody_signed_in_may_ask_for_a_sync(as_user: SignIn, user: User) -> None:
    answer = as_user(user).post("/api/cars/sync-cars")
    run = SyncRun.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "run_id": run.pk,
        "status": "queued",
        "status_url": f"http://testserver/api/sync/runs/{run.pk}",
        "coalesced": False,
    }
    assert (run.trigger, run.triggered_by) == ("user", user)


def test_a_second_request_gets_the_same_run(as_user: SignIn, user: User, other_user: User) -> None:
    first, second = as_user(user).post("/api/cars/sync-cars"), as_user(other_user).post("/api/cars/sync-cars", {})
    assert first.json()["run_id"] == second.json()["run_id"]
    assert (first.json()["coalesced"], second.json()["coalesced"]) == (False, True)


def test_nobody_may_not(api: APIClient) -> None:
    assert api.post("/api/cars/sync-cars").status_code == 401


def test_a_body_with_something_in_it_is_refused(as_user: SignIn, user: User, staff: APIClient) -> None:
    run_id = staff.post("/api/sync/trigger").json()["runs"][0]["run_id"]
    assert as_user(user).post("/api/cars/sync-cars", {"full": True}).status_code == 400
    assert staff.post(f"/api/sync/runs/{run_id}/cancel", {"why": 1}).status_code == 400
    assert staff.post("/api/sync/sources/cars/reset-breaker", {"why": 1}).status_code == 400


def test_requests_are_limited(as_user: SignIn, user: User, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"sync": "2/minute"}
    client = as_user(user)
    statuses = [client.post("/api/cars/sync-cars").status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


def test_a_provider_without_its_settings_is_409_and_names_them(as_user: SignIn, user: User, settings: Any) -> None:
    settings.CAR_PROVIDER = "parse"
    answer = as_user(user).post("/api/cars/sync-cars")
    assert answer.status_code == 409
    error = answer.json()["errors"][0]
    assert error["code"] == "provider_not_configured"
    assert error["meta"] == {"missing": ["CAR_API_URL", "CAR_API_ID", "CAR_API_KEY"]}


# --- /sync/trigger


@pytest.mark.parametrize(
    ("body", "sources"),
    [
        (None, ["cars", "products"]),
        ({}, ["cars", "products"]),
        ({"source": "cars"}, ["cars"]),
        ({"source": "products", "full": True}, ["products"]),
    ],
)
def test_staff_trigger_runs(staff: APIClient, body: Any, sources: list[str]) -> None:
    answer = staff.post("/api/sync/trigger", body)
    runs = list(SyncRun.objects.order_by("source"))
    assert (answer.status_code, [run.source for run in runs]) == (202, sources)
    assert {entry["run_id"] for entry in answer.json()["runs"]} == {run.pk for run in runs}


def test_without_a_source_only_configured_ones_are_triggered(staff: APIClient, settings: Any) -> None:
    settings.CAR_PROVIDER = "parse"
    answer = staff.post("/api/sync/trigger")
    assert answer.status_code == 202
    assert [entry["run_id"] for entry in answer.json()["runs"]] == [SyncRun.objects.get(source="products").pk]


@pytest.mark.parametrize("body", [{"source": "boats"}, {"full": "yes"}, {"sauce": "cars"}, [1]])
def test_a_body_beside_the_schema_is_400(staff: APIClient, body: Any) -> None:
    assert staff.post("/api/sync/trigger", body).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/api/sync/trigger"),
        ("get", "/api/sync/status"),
        ("get", "/api/sync/runs"),
        ("post", "/api/sync/runs/1/cancel"),
        ("get", "/api/sync/sources"),
        ("post", "/api/sync/sources/cars/reset-breaker"),
    ],
)
def test_the_rest_is_for_staff(api: APIClient, as_user: SignIn, user: User, method: str, path: str) -> None:
    assert getattr(api, method)(path).status_code == 401
    assert getattr(as_user(user), method)(path).status_code == 403


# --- Runs


def test_a_run_is_visible_to_whoever_asked_or_joined(
    as_user: SignIn, user: User, other_user: User, make_user: Any, staff: APIClient
) -> None:
    url = as_user(user).post("/api/cars/sync-cars").json()["status_url"]
    as_user(other_user).post("/api/cars/sync-cars")
    statuses = [client.get(url).status_code for client in (as_user(user), as_user(other_user), staff)]
    assert statuses == [200, 200, 200]
    stranger = as_user(make_user())
    hidden, missing = stranger.get(url), stranger.get("/api/sync/runs/987654321")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.content == missing.content


def test_a_run_shows_its_counts(parse: ParseServer, sync: Sync, staff: APIClient) -> None:
    run = sync()
    shown = staff.get(f"/api/sync/runs/{run.pk}").json()
    assert shown["counts"] == {
        "fetched": 30, "created": 30, "updated": 0, "unchanged": 0, "rejected": 0, "duplicate": 0, "withdrawn": 0,
    }  # fmt: skip
    shown_rest = {name: shown[name] for name in ("id", "source", "trigger", "status", "retries", "error")}
    assert shown_rest == {
        "id": run.pk, "source": "cars", "trigger": "user", "status": "succeeded", "retries": 0, "error": "",
    }  # fmt: skip
    assert shown["started_at"].endswith("Z")
    assert shown["finished_at"].endswith("Z")


def test_runs_are_listed_newest_first_and_filtered(sync: Sync, parse: ParseServer, staff: APIClient) -> None:
    ids = [sync().pk for _ in range(3)]
    SyncRun.objects.filter(pk=ids[0]).update(status="failed")
    assert [run["id"] for run in staff.get("/api/sync/runs").json()["results"]] == ids[::-1]
    assert [run["id"] for run in staff.get("/api/sync/runs?status=failed&source=cars").json()["results"]] == ids[:1]
    assert staff.get("/api/sync/runs?status=fine").status_code == 400


def test_staff_cancel_a_run(staff: APIClient) -> None:
    run_id = staff.post("/api/sync/trigger").json()["runs"][0]["run_id"]
    answer = staff.post(f"/api/sync/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = staff.post(f"/api/sync/runs/{run_id}/cancel")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "sync_run_ended")
    assert engine.execute_run(run_id) is None


# --- Status and sources


def test_status_tells_everything_about_each_source(parse: ParseServer, sync: Sync, staff: APIClient) -> None:
    done = sync()
    active = staff.post("/api/sync/trigger").json()["runs"][0]["run_id"]
    (source,) = [source for source in staff.get("/api/sync/status").json()["sources"] if source["name"] == "cars"]
    assert (source["provider"], source["ready"], source["missing"]) == ("parse", True, [])
    assert source["cursor"] == SyncSource.objects.get(name="cars").cursor
    assert source["active_run"]["id"] == active
    assert [run["id"] for run in source["last_runs"]] == [active, done.pk]
    assert source["breaker"] == {"state": "closed", "consecutive_failures": 0, "open_until": None, "reason": ""}
    assert source["next_run_at"] is not None


def test_sources_are_listed_before_their_first_run(staff: APIClient, settings: Any) -> None:
    settings.CAR_PROVIDER, settings.CAR_API_URL = "parse", "https://parse.example/classes/Cars"
    page = staff.get("/api/sync/sources").json()
    (source,) = [source for source in page["results"] if source["name"] == "cars"]
    assert (source["ready"], source["missing"]) == (False, ["CAR_API_ID", "CAR_API_KEY"])


def test_staff_reset_the_breaker(staff: APIClient) -> None:
    later = timezone.now() + timedelta(hours=1)
    SyncSource.objects.create(name="cars", breaker_open_until=later, breaker_opened_count=3, not_before=later)
    assert staff.post("/api/sync/trigger").json()["runs"][0]["status"] == "skipped"
    answer = staff.post("/api/sync/sources/cars/reset-breaker")
    assert (answer.status_code, answer.json()["breaker"]["state"]) == (200, "closed")
    assert staff.post("/api/sync/trigger").json()["runs"][0]["status"] == "queued"
    assert staff.post("/api/sync/sources/boats/reset-breaker").status_code == 404


def test_the_next_tick_is_the_schedules(staff: APIClient) -> None:
    def next_run() -> datetime | None:
        shown = staff.get("/api/sync/sources").json()["results"][0]["next_run_at"]
        return datetime.fromisoformat(shown) if shown else None

    now = timezone.now()
    PeriodicTask.objects.filter(name="cars: Sync cars").update(last_run_at=now)
    soon = next_run()
    assert soon is not None
    assert timedelta(seconds=298) < soon - now < timedelta(seconds=302)
    PeriodicTask.objects.filter(name="cars: Sync cars").update(enabled=False)
    nightly = next_run()
    assert nightly is not None
    assert (nightly.hour, nightly.minute, nightly.second) == (2, 15, 0)
    PeriodicTask.objects.filter(task="cars.tasks.sync_source").update(enabled=False)
    assert next_run() is None
