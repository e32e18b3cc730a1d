"""Carrying a run out: fetch page by page, write each in a transaction of its own, withdraw what is gone.

A crash in page 7 keeps pages 1 to 6; the next run repeats them harmlessly, because the cursor moves last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn, Self

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from cars.models import RUN_REASON_PREFIX, SyncIssue, SyncRun
from cars.sync import runs
from cars.sync.log import COUNTS, log_page, log_run
from cars.sync.pages import CheckedPage, Checker, Refused, refuse
from cars.sync.providers.base import Page, ProviderError
from cars.sync.registry import SOURCES, SourceDefinition
from cars.sync.runs import Outcome, Status
from cars.sync.seen import Seen
from cars.sync.statements import Statements, Values
from cars.sync.upsert import PageResult, PageWriter
from cars.sync.withdraw import find_missing, withdraw
from common import clock, stopping
from common.http import OutsideClient, OutsideError, RetryLater

LONGEST_RUN_S = 600.0
MOST_PAGES = 1000
MOST_ISSUES = 200  # Kept per run; `rejected` goes on counting.
RUNS_WITH_ISSUES = 50  # The issues of older runs of the source are deleted.
HEARTBEAT_S = 10.0
WAIT_SLICE_S = 2.0  # How soon a wait for upstream hears that the run was cancelled.

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The run must end here: cancelled, out of time, no longer this worker's, or the worker has to end."""

    def __init__(self, status: str, reason: str, error: str = "") -> None:
        super().__init__(reason)
        self.outcome = Outcome(status, reason, error)


def execute_run(run_id: int) -> SyncRun | None:
    """Carry out a queued run and answer it as it ended; None when there was nothing to do (another worker has it). A
    worker that has to end gives the run back at its next page: it is queued again.

    Never raises for what upstream does; an error of the program ends the run as failed and is logged.
    """
    run = runs.claim(run_id, now=clock.now())
    if run is None:
        return None
    with Heartbeat(run.pk), Seen() as seen:
        try:
            outcome = Work(run, SOURCES[run.source], seen).outcome()
        except (KeyboardInterrupt, SystemExit):
            runs.finish(run, Outcome(Status.CANCELLED, "interrupted"), now=clock.now())
            raise
    if not connection.is_usable():  # The work may have ended because the database went away.
        connection.close()
    if outcome.status == Status.QUEUED:
        runs.give_back(run)
    else:
        runs.finish(run, outcome, now=clock.now())
    run.refresh_from_db()
    log_run(run)
    return run


class Heartbeat:
    """Beats for a run from a thread of its own, since a page or a wait for upstream may last longer than the lease."""

    def __init__(self, run_id: int) -> None:
        self._run_id = run_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"sync-heartbeat-{run_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                runs.beat(self._run_id)
            except DatabaseError as error:
                log.warning("sync_heartbeat_failed", run=self._run_id, error=type(error).__name__)
            finally:
                connection.close()


class Work:
    """One run in one process."""

    def __init__(self, run: SyncRun, definition: SourceDefinition, seen: Seen) -> None:
        self._run = run
        self._definition = definition
        self._target = definition.target
        self._seen = seen
        self._checker = Checker(definition.target, seen)
        self._writer = PageWriter(Statements(definition.target, connection))
        self._counts = dict.fromkeys(COUNTS, 0)
        self._pages = self._issues = 0
        self._deadline = time.monotonic() + LONGEST_RUN_S

    def outcome(self) -> Outcome:
        """Do the work, and answer how it ended."""
        try:
            self._begin()
            return self._end(self._walk())
        except Stopped as stop:
            return stop.outcome
        except OutsideError as error:
            self._keep([refuse("", error.code, error.sample)] if error.sample else [])
            return _outside_failure(error)
        except ProviderError as error:
            return Outcome(Status.FAILED, error.code, error.detail)
        except Exception as error:
            log.exception("sync_run_crashed", run=self._run.pk)
            return Outcome(Status.FAILED, "internal_error", type(error).__name__)

    def _begin(self) -> None:
        """Fix where the run starts: at the cursor, or from nothing when it is full or the provider has changed."""
        state = runs.source_state(self._run.source)
        self._run.provider = self._definition.provider_name()
        self._run.full = self._run.full or runs.starts_over(state, self._run.provider)
        self._run.cursor_before = None if self._run.full else state.cursor
        self._run.save(update_fields=["provider", "full", "cursor_before"])

    def _walk(self) -> Any:
        """Commit page after page; the cursor of the last one."""
        cursor = None
        for page in self._definition.provider(self._connect).pages(self._run.cursor_before):
            if self._pages >= MOST_PAGES:
                raise Stopped(Status.FAILED, "too_many_pages", f"More than {MOST_PAGES} pages.")
            self._check_limits()
            self._commit(page)
            cursor = page.cursor
        if not self._pages:
            raise ProviderError("no_pages", "The provider yielded no page.")
        return cursor

    def _commit(self, page: Page) -> None:
        """Check and write one page and book it, in one transaction."""
        started = time.monotonic()
        values = self._values()
        checked = self._checker.check(page.records, now=values.now)
        with transaction.atomic():
            written = self._writer.write(checked.rows, values)
            checked.refused += [refuse(row["external_id"], reason, row) for row, reason in written.refused]
            counts = _counts(len(page.records), checked, written)
            self._book(counts, pages=1)
            self._keep(checked.refused)
            changes = written.changes(self._run.pk)
            if changes and self._target.changed:
                self._target.changed(changes)
        self._checker.remember(checked)
        log_page(self._run, page=self._pages, counts=counts, seconds=time.monotonic() - started)

    def _book(self, counts: Mapping[str, int], *, pages: int = 0) -> None:
        """Add to the run's row, in the caller's transaction. The same statement proves that the run is still ours; if
        not, Stopped rolls the caller's work back."""
        for name, count in counts.items():
            self._counts[name] += count
        self._pages += pages
        own = SyncRun.objects.filter(pk=self._run.pk, status=Status.RUNNING, cancel_requested_at=None)
        if not own.update(**self._counts, pages=self._pages, retries=self._run.retries, heartbeat_at=Now()):
            self._stop()

    def _keep(self, refused: Sequence[Refused]) -> None:
        room = max(0, MOST_ISSUES - self._issues)
        SyncIssue.objects.bulk_create(
            SyncIssue(run=self._run, external_id=one.external_id, reason=one.reason, detail=one.detail, raw=one.raw)
            for one in refused[:room]
        )
        self._issues += len(refused)

    def _values(self) -> Values:
        reason = f"{RUN_REASON_PREFIX}{self._run.pk}"
        return Values(self._definition.name, self._run.provider, self._run.pk, reason, clock.now())

    # --- The end ---------------------------------------------------------------------------------------------------

    def _end(self, cursor: Any) -> Outcome:
        self._prune_issues()
        if self._run.full:
            missing = find_missing(self._target, self._seen, provider=self._run.provider)
            if not missing.is_plausible:
                text = f"{missing.missing} of {missing.rows} rows are no longer upstream; none was withdrawn."
                runs.alert(
                    f"The sync of {self._run.source} found too much missing",
                    text,
                    dedupe_key=f"{self._run.source}:missing:{self._run.pk}",
                )
                return Outcome(Status.PARTIAL, "too_many_withdrawals", text, reached_upstream=True)
            withdraw(self._target, self._seen, self._values(), book=lambda count: self._book({"withdrawn": count}))
        if self._counts["rejected"]:
            return Outcome(Status.PARTIAL, "bad_rows", cursor=cursor, moves_cursor=True, reached_upstream=True)
        return Outcome(Status.SUCCEEDED, cursor=cursor, moves_cursor=True, reached_upstream=True)

    def _prune_issues(self) -> None:
        kept = SyncRun.objects.filter(source=self._run.source)[RUNS_WITH_ISSUES : RUNS_WITH_ISSUES + 1]
        for oldest in kept:
            SyncIssue.objects.filter(run__source=self._run.source, run_id__lte=oldest.pk).delete()

    # --- Limits ----------------------------------------------------------------------------------------------------

    def _connect(self, *, headers: Mapping[str, str] | None = None) -> OutsideClient:
        left = self._deadline - time.monotonic()
        name = self._run.provider
        return OutsideClient(provider=name, headers=headers, budget_s=left, wait=self._wait, on_retry=self._count_retry)

    def _count_retry(self, _error: OutsideError, _delay: float) -> None:
        self._run.retries += 1

    def _wait(self, seconds: float) -> None:
        """Sleep between two tries, a slice at a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check_limits()
            if not SyncRun.objects.filter(pk=self._run.pk, status=Status.RUNNING, cancel_requested_at=None).exists():
                self._stop()
            time.sleep(min(left, WAIT_SLICE_S))

    def _check_limits(self) -> None:
        if stopping.is_asked_to_stop():
            raise Stopped(Status.QUEUED, "")
        if time.monotonic() > self._deadline:
            raise Stopped(Status.FAILED, "time_limit", f"Not finished within {LONGEST_RUN_S / 60:.0f} minutes.")

    def _stop(self) -> NoReturn:
        """Somebody cancelled the run or buried it; in the latter case the row stays as it is."""
        raise Stopped(Status.CANCELLED, "cancelled")


def _counts(fetched: int, page: CheckedPage, written: PageResult) -> dict[str, int]:
    """fetched = created + updated + unchanged + rejected + duplicate, always."""
    counts = {
        "created": len(written.created),
        "updated": len(written.updated),
        "rejected": len(page.refused),
        "duplicate": page.duplicate + written.duplicate,
    }
    return counts | {"unchanged": fetched - sum(counts.values()), "fetched": fetched}


def _outside_failure(error: OutsideError) -> Outcome:
    not_before = None
    if isinstance(error, RetryLater):
        not_before = error.moment
    elif error.retry_after is not None:
        not_before = clock.now() + timedelta(seconds=error.retry_after)
    return Outcome(Status.FAILED, error.code, str(error), refused_key=error.code == "auth", not_before=not_before)
