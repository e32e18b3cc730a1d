"""The JSON lines of the sync: one per page and one per run, to the log and to `DATA_DIR/logs/sync_cars.log` (the
handlers hang on the logger `cars.sync`, see common.logs). They name counts and codes, never addresses or keys."""

from __future__ import annotations

import structlog

from cars.models import SyncRun

COUNTS = ("fetched", "created", "updated", "unchanged", "rejected", "duplicate", "withdrawn")

log = structlog.get_logger("cars.sync")


def log_page(run: SyncRun, *, page: int, counts: dict[str, int], seconds: float) -> None:
    log.info("sync_page", source=run.source, provider=run.provider, run=run.pk, page=page, **counts, ms=_ms(seconds))


def log_run(run: SyncRun) -> None:
    """The figures are those of the row."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0.0
    write = log.info if run.status in {SyncRun.Status.SUCCEEDED, SyncRun.Status.SKIPPED} else log.warning
    write(
        "sync_run",
        source=run.source,
        provider=run.provider,
        run=run.pk,
        trigger=run.trigger,
        full=run.full,
        status=run.status,
        reason=run.reason,
        error=run.error,
        pages=run.pages,
        retries=run.retries,
        **{name: getattr(run, name) for name in COUNTS},
        ms=_ms(seconds),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
