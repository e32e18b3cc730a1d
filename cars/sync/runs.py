"""Runs as rows: asked for, joined, claimed, cancelled, found dead, finished. The row is the job.

Whoever decides about a source's runs holds the lock of its `SyncSource` row first, then touches the run; the
constraint `sync_run_one_active` is the judge behind it. Heartbeats are written and compared by the database's clock,
since those of two workers may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from accounts.notifications import notify
from cars.models import SyncRun, SyncSource
from cars.sync import breaker
from cars.sync.log import log_run
from cars.sync.registry import SOURCES
from common.doorbell import ring_on_commit
from common.errors import Conflict

LEASE = timedelta(seconds=45)  # A running run whose heart has been still for so long is dead.
RING_AGAIN_AFTER = timedelta(seconds=30)
ALERT_KIND = "sync_alert"

Status = SyncRun.Status


class ProviderNotConfigured(Conflict):
    """The provider of the source lacks settings; `meta.missing` names them."""

    code = "provider_not_configured"
    detail = "The provider of this source is not configured."


class Requested(NamedTuple):
    """The run that serves a request; `coalesced` when it was there already."""

    run: SyncRun
    coalesced: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `moves_cursor`: the next run may go on from `cursor`. `reached_upstream`: the breaker closes.
    `refused_key`: it opens at once. `not_before`: no run may start earlier."""

    status: str
    reason: str = ""
    error: str = ""
    cursor: Any = None
    moves_cursor: bool = False
    reached_upstream: bool = False
    refused_key: bool = False
    not_before: datetime | None = None


def request_run(
    *,
    source: str,
    trigger: str,
    now: datetime,
    user: User | None = None,
    full: bool = False,
    ring: bool = True,
) -> Requested:
    """Ask for a run of a source. People join the one that is active; the schedule passes it by (`skipped`, locked).
    While the breaker is open, or upstream asked for silence, the answer is a `skipped` run (circuit_open).

    `full` reads everything and withdraws what is gone; so does a first run, and the next one after a request for a full
    run joined another. Raises ProviderNotConfigured to people; the schedule gets a failed run. `ring` false: the caller
    runs it itself.
    """
    with transaction.atomic():
        state = lock_source(source)
        active = _active_run(state, now=now)
        if active is not None:
            return _meet(active, state, trigger=trigger, user=user, full=full, now=now)
        missing = SOURCES[source].missing()
        if missing and trigger == SyncRun.Trigger.USER:
            raise ProviderNotConfigured(meta={"missing": missing})
        run = SyncRun(source=source, trigger=trigger, triggered_by=user, queued_at=now)
        run.provider = SOURCES[source].provider_name()
        until = breaker.blocked_until(state, now=now)
        if missing:
            _end(run, Status.FAILED, "not_configured", f"Missing settings: {', '.join(missing)}.", now)
        elif until is not None:
            _end(run, Status.SKIPPED, "circuit_open", f"No run before {until.isoformat(timespec='seconds')}.", now)
        else:
            run.full = full or state.full_due or starts_over(state, run.provider)
        run.save()
        if ring and run.status == Status.QUEUED:
            ring_on_commit("cars.tasks.run_sync", run.pk)
    return Requested(run, coalesced=False)


def request_all(*, user: User, full: bool = False, now: datetime) -> list[Requested]:
    """Ask for a run of every source whose provider is configured."""
    names = [name for name, definition in SOURCES.items() if not definition.missing()]
    return [request_run(source=name, trigger=SyncRun.Trigger.USER, user=user, full=full, now=now) for name in names]


def cancel_run(*, run: SyncRun, now: datetime) -> SyncRun:
    """Cancel a run: at once when it is queued; a running one stops at its next page or wait. Raises Conflict
    (`sync_run_ended`) for one that has ended."""
    own = SyncRun.objects.filter(pk=run.pk)
    if not own.filter(status=Status.QUEUED).update(
        status=Status.CANCELLED, cancel_requested_at=now, finished_at=now
    ) and not own.filter(status=Status.RUNNING).update(cancel_requested_at=now):
        raise Conflict("The run has ended.", code="sync_run_ended")
    run.refresh_from_db()
    return run


def sweep(*, now: datetime) -> None:
    """Bury dead runs and queue their successors; ring again for runs that nobody took."""
    dead = _dead_runs().order_by("source").values_list("source", flat=True)
    for source in list(dead):
        _replace_dead_run(source, now=now)
    waiting = SyncRun.objects.filter(status=Status.QUEUED, queued_at__lt=now - RING_AGAIN_AFTER)
    for pk in waiting.values_list("pk", flat=True):
        ring_on_commit("cars.tasks.run_sync", pk)


def lock_source(name: str) -> SyncSource:
    """The source's row under its lock; inside a transaction."""
    SyncSource.objects.get_or_create(name=name)
    return SyncSource.objects.select_for_update(no_key=True).get(name=name)


def source_state(name: str) -> SyncSource:
    """The source's row as it is, without a lock."""
    return SyncSource.objects.get_or_create(name=name)[0]


def starts_over(state: SyncSource, provider: str) -> bool:
    """Whether a run has no cursor to go on from: the first one, or the first of another provider."""
    return state.cursor is None or state.provider != provider


def claim(run_id: int, *, now: datetime) -> SyncRun | None:
    """Take a queued run. None when another worker has it, or it was cancelled."""
    claimed = SyncRun.objects.filter(pk=run_id, status=Status.QUEUED).update(
        status=Status.RUNNING, started_at=now, heartbeat_at=Now()
    )
    return SyncRun.objects.get(pk=run_id) if claimed else None


def beat(run_id: int) -> bool:
    """Show that the run is alive. False when it is no longer this worker's."""
    return bool(SyncRun.objects.filter(pk=run_id, status=Status.RUNNING).update(heartbeat_at=Now()))


def give_back(run: SyncRun) -> None:
    """Queue a run again whose worker has to end. The next one begins at the cursor anew; what was written is found
    unchanged."""
    with transaction.atomic():
        own = SyncRun.objects.filter(pk=run.pk, status=Status.RUNNING)
        if own.update(status=Status.QUEUED, started_at=None, heartbeat_at=None):
            ring_on_commit("cars.tasks.run_sync", run.pk)


def finish(run: SyncRun, outcome: Outcome, *, now: datetime) -> bool:
    """Write down how a run ended and what follows for its source. False when somebody buried it before."""
    with transaction.atomic():
        state = lock_source(run.source)
        ended = SyncRun.objects.filter(pk=run.pk, status=Status.RUNNING).update(
            status=outcome.status,
            reason=outcome.reason,
            error=outcome.error,
            retries=run.retries,
            cursor_after=outcome.cursor if outcome.moves_cursor else run.cursor_before,
            finished_at=now,
        )
        if not ended:
            return False
        if outcome.moves_cursor:
            state.cursor, state.provider, state.last_success_at = outcome.cursor, run.provider, now
            if run.full:
                state.last_full_at, state.full_due = now, False
        _remember(state, run, outcome, now=now)
        state.save()
    return True


def alert(title: str, body: str, *, dedupe_key: str) -> None:
    """Tell the administrators, in the app and by mail; the same key once."""
    for admin in User.objects.filter(is_superuser=True, is_active=True).order_by("pk"):
        notify(user=admin, kind=ALERT_KIND, title=title, body=body, dedupe_key=dedupe_key)


def visible_to(user: User) -> QuerySet[SyncRun]:
    """All runs for those who may run syncs; for others those they triggered or joined."""
    if user.has_perm("cars.sync_cars"):
        return SyncRun.objects.all()
    mine = SyncRun.joined_by.through.objects.filter(user_id=user.pk).values("syncrun_id")
    return SyncRun.objects.filter(Q(triggered_by=user) | Q(pk__in=mine))


def _remember(state: SyncSource, run: SyncRun, outcome: Outcome, *, now: datetime) -> None:
    """What the end of a run means for the next ones."""
    if outcome.reached_upstream:
        breaker.succeeded(state)
    elif outcome.status in {Status.FAILED, Status.ABANDONED}:
        _count_failure(state, run, outcome, now=now)
    if outcome.not_before is not None:
        state.not_before = outcome.not_before


def _count_failure(state: SyncSource, run: SyncRun, outcome: Outcome, *, now: datetime) -> None:
    if breaker.failed(state, reason=outcome.reason, at_once=outcome.refused_key, now=now):
        title = f"The sync of {run.source} is paused"
        body = f"Run {run.pk} failed ({outcome.reason}). The next try is at {state.breaker_open_until:%H:%M} UTC."
        alert(title, body, dedupe_key=f"{run.source}:breaker:{run.pk}")


def _active_run(state: SyncSource, *, now: datetime) -> SyncRun | None:
    """The source's active run; a dead one is buried first."""
    for run in _dead_runs().filter(source=state.name):
        _bury(run, state, now=now)
    return SyncRun.objects.filter(source=state.name, status__in=SyncRun.ACTIVE).first()


def _dead_runs() -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(status=Status.RUNNING, heartbeat_at__lt=Now() - LEASE)


def _bury(run: SyncRun, state: SyncSource, *, now: datetime) -> bool:
    outcome = Outcome(Status.ABANDONED, "worker_lost", "The worker of this run died.")
    buried = (
        _dead_runs()
        .filter(pk=run.pk)
        .update(status=outcome.status, reason=outcome.reason, error=outcome.error, finished_at=now)
    )
    if buried:
        _remember(state, run, outcome, now=now)
        state.save()
        log_run(SyncRun.objects.get(pk=run.pk))
    return bool(buried)


def _replace_dead_run(source: str, *, now: datetime) -> None:
    """Bury a dead run and queue one for those who wait for it, unless it was to be cancelled. Its failure counts, so a
    run that kills its worker each time ends with an open breaker."""
    with transaction.atomic():
        state = lock_source(source)
        for run in _dead_runs().filter(source=source):
            if _bury(run, state, now=now) and source in SOURCES and run.cancel_requested_at is None:
                again = request_run(source=source, trigger=run.trigger, user=run.triggered_by, full=run.full, now=now)
                again.run.joined_by.set(run.joined_by.all())


def _meet(
    active: SyncRun, state: SyncSource, *, trigger: str, user: User | None, full: bool, now: datetime
) -> Requested:
    """A request that finds an active run: it joins it, or is skipped when it comes from the schedule."""
    if full and not active.full:
        if not SyncRun.objects.filter(pk=active.pk, status=Status.QUEUED).update(full=True):
            SyncSource.objects.filter(pk=state.pk).update(full_due=True)
        active.refresh_from_db()
    if trigger == SyncRun.Trigger.USER:
        if user is not None and user.pk != active.triggered_by_id:
            active.joined_by.add(user)
        return Requested(active, coalesced=True)
    run = SyncRun(source=active.source, provider=active.provider, trigger=trigger, queued_at=now)
    _end(run, Status.SKIPPED, "locked", f"Run {active.pk} is active.", now)
    run.save()
    return Requested(run, coalesced=False)


def _end(run: SyncRun, status: str, reason: str, error: str, now: datetime) -> None:
    run.status, run.reason, run.error, run.finished_at = status, reason, error, now
