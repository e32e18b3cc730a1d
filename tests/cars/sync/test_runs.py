"""Runs as rows: joined, skipped, cancelled, found dead, limited; and the breaker of their source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notification, User
from cars.models import Car, SyncIssue, SyncRun, SyncSource
from cars.sync import breaker, engine, runs
from cars.sync.breaker import State
from common.errors import Conflict
from tests.cars.sync.conftest import Sync, counts
from tests.standins.base import Fault
from tests.standins.parse import ParseServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = timezone.now() - timedelta(minutes=5)


def ask(trigger: str = "user", *, now: datetime | None = None, **kwargs: Any) -> runs.Requested:
    return runs.request_run(source="cars", trigger=trigger, now=now or timezone.now(), **kwargs)


def source() -> SyncSource:
    return SyncSource.objects.get(name="cars")


# --- Joining and skipping


def test_a_second_request_joins_the_active_run(user: User, other_user: User) -> None:
    first = ask(user=user)
    second = ask(user=other_user)
    assert (first.coalesced, second.coalesced, second.run) == (False, True, first.run)
    assert list(first.run.joined_by.all()) == [other_user]
    assert set(runs.visible_to(other_user)) == set(runs.visible_to(user)) == {first.run}


def test_a_scheduled_run_that_finds_an_active_one_is_skipped(db: None) -> None:
    active = ask().run
    skipped = ask("schedule").run
    assert (skipped.status, skipped.reason) == ("skipped", "locked")
    assert SyncRun.objects.filter(status__in=SyncRun.ACTIVE).get() == active


def test_a_full_request_makes_a_waiting_run_full(db: None) -> None:
    SyncSource.objects.create(name="cars", provider="file", cursor={})
    assert ask().run.full is False
    assert ask("schedule", full=True).run.status == "skipped"
    assert SyncRun.objects.get(status="queued").full is True


def test_a_full_request_that_meets_a_running_run_makes_the_next_one_full(parse: ParseServer, sync: Sync) -> None:
    sync()
    running = runs.claim(ask().run.pk, now=timezone.now())
    assert running is not None
    ask("schedule", full=True)
    runs.finish(running, runs.Outcome("cancelled"), now=timezone.now())
    assert sync().full is True
    assert sync().full is False


def test_a_run_that_two_workers_are_rung_for_is_carried_out_once(parse: ParseServer, db: None) -> None:
    run = ask().run
    assert engine.execute_run(run.pk) is not None
    assert engine.execute_run(run.pk) is None


# --- Cancelling


def test_a_queued_run_is_cancelled_at_once(db: None) -> None:
    run = runs.cancel_run(run=ask().run, now=NOW)
    assert (run.status, run.finished_at) == ("cancelled", NOW)
    assert engine.execute_run(run.pk) is None
    with pytest.raises(Conflict):
        runs.cancel_run(run=run, now=NOW)


@pytest.mark.usefixtures("small_pages")
def test_a_running_run_stops_at_its_next_page_and_keeps_the_others(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = engine.Work._commit

    def commit_and_cancel(self: engine.Work, page: Any) -> None:
        commit(self, page)
        runs.cancel_run(run=SyncRun.objects.get(), now=NOW)

    monkeypatch.setattr(engine.Work, "_commit", commit_and_cancel)
    run = sync()
    assert (run.status, run.reason, run.created, run.cursor_after) == ("cancelled", "cancelled", 10, None)
    assert source().consecutive_failures == 0


@pytest.mark.usefixtures("small_pages")
def test_a_run_whose_worker_has_to_end_is_queued_again_and_completed_by_another(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, stop = engine.Work._commit, monkeypatch.context()

    def commit_and_end(self: engine.Work, page: Any) -> None:
        commit(self, page)
        patch.setattr("common.stopping.is_asked_to_stop", lambda: True)

    with stop as patch:
        patch.setattr(engine.Work, "_commit", commit_and_end)
        run = sync()
    assert (run.status, run.created, run.started_at, source().consecutive_failures) == ("queued", 10, None, 0)
    again = engine.execute_run(run.pk)
    assert again is not None
    assert (again.status, again.created, again.unchanged, Car.objects.count()) == ("succeeded", 20, 10, 30)


def test_a_wait_for_upstream_hears_the_cancellation(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse.faults.add(Fault.STATUS, code=503, retry_after=60)
    monkeypatch.setattr(
        "cars.sync.engine.time.sleep", lambda _: runs.cancel_run(run=SyncRun.objects.get(), now=timezone.now())
    )
    run = sync()
    assert (run.status, run.reason, len(parse.requests)) == ("cancelled", "cancelled", 1)


# --- Death


def kill(run: SyncRun) -> None:
    """Leave the run as a worker does that was killed a while ago."""
    runs.claim(run.pk, now=timezone.now())
    SyncRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=60))


def test_a_dead_run_is_abandoned_by_the_next(parse: ParseServer, sync: Sync) -> None:
    dead = ask().run
    kill(dead)
    assert sync().status == "succeeded"
    dead.refresh_from_db()
    assert (dead.status, dead.reason) == ("abandoned", "worker_lost")


def test_the_sweep_replaces_a_dead_run_for_those_who_wait(user: User, other_user: User) -> None:
    dead = ask(user=user, full=True).run
    ask(user=other_user)
    kill(dead)
    runs.sweep(now=timezone.now())
    successor = SyncRun.objects.get(status="queued")
    assert (successor.full, successor.triggered_by) == (True, user)
    assert list(successor.joined_by.all()) == [other_user]


def test_a_dead_run_that_was_to_be_cancelled_is_not_replaced(user: User) -> None:
    dead = ask(user=user).run
    runs.claim(dead.pk, now=timezone.now())
    runs.cancel_run(run=dead, now=timezone.now())
    kill(dead)
    runs.sweep(now=timezone.now())
    assert [(run.pk, run.status) for run in SyncRun.objects.all()] == [(dead.pk, "abandoned")]


def test_a_living_run_is_left_alone(db: None) -> None:
    run = ask().run
    runs.claim(run.pk, now=timezone.now())
    runs.sweep(now=timezone.now())
    assert SyncRun.objects.get().status == "running"
    assert runs.beat(run.pk)


def test_a_run_that_was_buried_while_its_worker_slept_writes_nothing_more(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = engine.Checker.check

    def sleep(*args: Any, **kwargs: Any) -> Any:
        SyncRun.objects.update(status="abandoned", reason="worker_lost")
        return check(*args, **kwargs)

    monkeypatch.setattr(engine.Checker, "check", sleep)
    run = sync()
    assert (run.status, counts(run), source().cursor) == ("abandoned", {}, None)


def test_runs_that_nobody_took_are_rung_for_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rings: list[tuple[str, int]] = []
    monkeypatch.setattr(runs, "ring_on_commit", lambda task, pk: rings.append((task, pk)))
    run = ask(now=LONG_AGO).run
    runs.sweep(now=timezone.now())
    assert rings == [("cars.tasks.run_sync", run.pk)] * 2


@pytest.mark.fault("F32", "a sync whose worker dies each time", expected="given up, the breaker opens")
def test_a_run_that_kills_its_worker_each_time_ends_with_an_open_breaker(db: None) -> None:
    ask()
    for _ in range(breaker.FAILURES_TO_OPEN):
        kill(SyncRun.objects.get(status="queued"))
        runs.sweep(now=timezone.now())
    assert not SyncRun.objects.filter(status="queued").exists()
    assert SyncRun.objects.filter(status="skipped", reason="circuit_open").count() == 1


# --- Limits


def test_a_run_lasts_ten_minutes_at_most(parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONGEST_RUN_S", 0.2)
    parse.faults.add(Fault.SLOW, seconds=0.3, from_request=2)
    run = sync()
    assert (run.status, run.created) == ("failed", 0)
    assert run.reason in {"time_limit", "timeout"}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.fault("F14", "pages without end", expected="the run ends at its bound of pages")
def test_an_endless_upstream_is_cut(parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_PAGES", 2)
    run = sync()
    assert (run.status, run.reason, run.created) == ("failed", "too_many_pages", 20)


def test_a_retry_after_beyond_the_remaining_time_ends_the_run_and_silences_the_source(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LONGEST_RUN_S", 100.0)
    parse.faults.add(Fault.STATUS, code=429, retry_after=120, times=1)
    run = sync()
    assert (run.status, run.reason, run.retries) == ("failed", "rate_limited", 0)
    until = source().not_before
    assert until is not None
    assert timedelta(seconds=100) < until - timezone.now() <= timedelta(seconds=120)
    early, late = ask(now=until - timedelta(seconds=1)).run, ask(now=until + timedelta(seconds=1)).run
    assert (early.status, early.reason, late.status) == ("skipped", "circuit_open", "queued")


def test_a_short_retry_after_is_waited_for(parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    parse.faults.add(Fault.STATUS, code=429, retry_after=3, times=1)
    waited: list[float] = []
    monkeypatch.setattr(engine.Work, "_wait", lambda self, seconds: waited.append(seconds))
    run = sync()
    assert (run.status, run.retries, waited) == ("succeeded", 1, [3.0])


# --- The breaker


def test_five_failed_runs_open_the_breaker_for_a_quarter_of_an_hour_then_longer() -> None:
    state = SyncSource(name="cars")
    opened = [breaker.failed(state, reason="timeout", at_once=False, now=NOW) for _ in range(5)]
    assert opened == [False] * 4 + [True]
    rests = []
    for _ in range(6):
        rests.append(state.breaker_open_until - NOW)  # type: ignore[operator]
        assert breaker.state_of(state, now=NOW) == State.OPEN
        breaker.failed(state, reason="timeout", at_once=False, now=NOW)
    assert [rest.total_seconds() / 60 for rest in rests] == [15, 30, 60, 120, 240, 240]


def test_after_the_rest_one_run_decides(parse: ParseServer, sync: Sync) -> None:
    SyncSource.objects.create(name="cars", consecutive_failures=5, breaker_opened_count=1, breaker_open_until=LONG_AGO)
    assert breaker.state_of(source(), now=timezone.now()) == State.HALF_OPEN
    assert sync().status == "succeeded"
    assert (breaker.state_of(source(), now=timezone.now()), source().consecutive_failures) == (State.CLOSED, 0)


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_opens_it_at_once_and_is_not_tried_again(
    parse: ParseServer, sync: Sync, admin_user: User, code: int
) -> None:
    parse.faults.add(Fault.STATUS, code=code)
    run = sync()
    assert (run.status, run.reason, run.retries, len(parse.requests)) == ("failed", "auth", 0, 1)
    assert sync().reason == "circuit_open"
    assert "paused" in Notification.objects.get(user=admin_user).title
    breaker.reset("cars")
    parse.faults.clear()
    assert sync().status == "succeeded"


def test_a_provider_without_its_settings_fails_the_schedule_and_refuses_people(db: None, settings: Any) -> None:
    settings.CAR_PROVIDER, settings.CAR_API_URL = "parse", "http://127.0.0.1:9/classes/Cars"
    run = ask("schedule").run
    assert (run.status, run.reason) == ("failed", "not_configured")
    assert run.error == "Missing settings: CAR_API_ID, CAR_API_KEY."
    with pytest.raises(runs.ProviderNotConfigured) as refusal:
        ask()
    assert refusal.value.meta == {"missing": ["CAR_API_ID", "CAR_API_KEY"]}
    assert not source().consecutive_failures


# --- What stays


def test_issues_are_kept_for_the_last_runs_only(
    parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RUNS_WITH_ISSUES", 2)
    monkeypatch.setattr(engine, "MOST_ISSUES", 3)
    parse.faults.add(Fault.BAD_ROWS)
    made = [sync(full=True).pk for _ in range(4)]
    assert list(SyncIssue.objects.order_by("pk").values_list("run_id", flat=True)) == [made[2]] * 3 + [made[3]] * 3
