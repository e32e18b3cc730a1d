"""Sync x sync, and sync x people, on real connections."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cars.models import Car, SyncRun, SyncSource
from cars.sync import engine, runs
from tests.cars.sync.conftest import use_parse
from tests.concurrency.race import race
from tests.factories import CarFactory
from tests.standins.parse import ParseServer, sample_rows

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 8


def ask() -> runs.Requested:
    return runs.request_run(source="cars", trigger="user", now=timezone.now(), ring=False)


def test_requests_at_the_same_moment_get_one_run() -> None:
    requested = race([ask] * MANY)
    assert not [result for result in requested if isinstance(result, Exception)]
    assert {result.run.pk for result in requested} == {SyncRun.objects.get().pk}  # type: ignore[union-attr]
    assert [result.coalesced for result in requested].count(False) == 1  # type: ignore[union-attr]


def test_control_without_the_lock_the_constraint_stops_the_others() -> None:
    """What the lock of the source's row is for: looking first and then inserting, each finds nobody there."""
    looked = threading.Barrier(MANY)

    def naive() -> SyncRun:
        active = SyncRun.objects.filter(source="cars", status__in=SyncRun.ACTIVE).first()
        looked.wait(timeout=30)
        return active or SyncRun.objects.create(source="cars", provider="file", trigger="user")

    results = race([naive] * MANY)
    assert len([result for result in results if isinstance(result, IntegrityError)]) == MANY - 1


def test_a_queued_run_is_claimed_by_one_worker() -> None:
    run_id = ask().run.pk
    claimed = race([lambda: runs.claim(run_id, now=timezone.now())] * MANY)
    assert len([run for run in claimed if run is not None]) == 1


def test_two_workers_rung_for_one_run_load_it_once(settings: Any) -> None:
    with ParseServer(sample_rows(300)) as server:
        use_parse(settings, server)
        run_id = ask().run.pk
        done = race([lambda: engine.execute_run(run_id)] * 4)
    (run,) = [result for result in done if result is not None]
    assert isinstance(run, SyncRun)
    assert (run.status, run.created, Car.objects.count()) == ("succeeded", 300, 300)
    assert SyncSource.objects.get().cursor is not None


@pytest.mark.postgres
def test_a_car_that_somebody_adds_while_its_page_is_written_costs_only_its_own_record(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's statement waits for the other's uncommitted row, fails on its key, and goes on row by row."""
    rows = sample_rows(20)
    inserted, waiting = threading.Event(), threading.Event()

    def add_a_car() -> Car:
        with transaction.atomic():
            car: Car = CarFactory(make=rows[7]["Make"], model=rows[7]["Model"], year=rows[7]["Year"])
            inserted.set()
            waiting.wait(timeout=30)
            _until_somebody_waits()
        return car

    def sync() -> SyncRun | None:
        inserted.wait(timeout=30)
        waiting.set()
        return engine.execute_run(ask().run.pk)

    with ParseServer(rows) as server:
        use_parse(settings, server)
        car, run = race([add_a_car, sync])
    assert isinstance(run, SyncRun), run
    assert (run.status, run.created, run.duplicate) == ("succeeded", 19, 1)
    assert isinstance(car, Car)
    assert Car.objects.get(pk=car.pk).source == "manual"


def _until_somebody_waits() -> None:
    """Return once another session waits for this one's transaction."""
    pause = threading.Event()
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
            )
            if cursor.fetchone()[0]:
                return
        pause.wait(0.02)
    raise AssertionError("nobody waited")


def test_a_cancellation_and_the_end_of_a_run_agree_on_one_ending(settings: Any) -> None:
    with ParseServer(sample_rows(50)) as server:
        use_parse(settings, server)
        run = ask().run
        race([lambda: engine.execute_run(run.pk), lambda: runs.cancel_run(run=run, now=timezone.now())])
    run.refresh_from_db()
    assert run.status in {"succeeded", "cancelled"}
    assert run.finished_at is not None
