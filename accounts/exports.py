"""Exports: files that a worker writes for one owner.

The row is the truth of the job. A worker claims it by a guarded UPDATE with a lease, writes a temporary
file, renews the lease and the progress from a thread with a connection of its own (the writing one is busy
with COPY), puts the file in its place by `os.replace` and then, under the row's lock, lets it count. A worker
that dies loses its lease, and the sweep lets another one start over; one that only was slow finds its claim
gone and throws its file away.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.models import F, Q, QuerySet

from accounts.csvfile import Column, safe_cell, write_csv
from accounts.models import Export, User
from accounts.notifications import notify
from accounts.registry import NotificationKind, exports, notification_kinds
from accounts.services import lock_user
from common.clock import database_now
from common.doorbell import ring_on_commit
from common.errors import Conflict, Forbidden, NotFound, Unprocessable

__all__ = ["Exporter", "request_export", "run_export", "safe_cell"]

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
RENEW_EVERY_S = 2.0
RING_AGAIN_AFTER = timedelta(seconds=30)
MOST_ATTEMPTS = 5
NO_SPACE = "no space"
READY_KIND, FAILED_KIND = "export_ready", "export_failed"
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ORPHANED_AFTER_S = 3600
Status = Export.Status


class UnknownExport(Unprocessable):
    code = "unknown_kind"
    detail = "There is no such kind of export."


class ExportRunning(Conflict):
    """`meta.existing_id` names the export that has to end first."""

    code = "export_running"
    detail = "Another export of this kind is still being written."


class ExportNotReady(Conflict):
    code = "export_not_ready"
    detail = "There is no file yet."


class ExportExpired(Conflict):
    code = "export_expired"
    detail = "The file was deleted. Ask for a new one."


def _everybody(_user: User) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Exporter:
    """One kind of export, as its app registers it in `accounts.registry.exports`. `rows(owner, params)` answers the
    queryset, in its order and with only what the owner may see; it is called in the worker. `may_request` is asked at
    the request, again in the worker, and once more at each download: for permissions, of which the caller's API key may
    allow fewer than the owner has, and the owner may have fewer than before."""

    label: str
    columns: Sequence[Column]
    rows: Callable[[User, Mapping[str, Any]], QuerySet[Any]]
    may_request: Callable[[User], bool] = _everybody


def register_kinds() -> None:
    """Called once the apps are ready."""
    notification_kinds.register(READY_KIND, NotificationKind(label="An export is ready"))
    notification_kinds.register(FAILED_KIND, NotificationKind(label="An export failed"))


# --- Asking -----------------------------------------------------------------------------------------------------------


def request_export(
    *, owner: User, kind: str, now: datetime, params: Mapping[str, Any] | None = None, bom: bool = False
) -> Export:
    """A new export, or the one that is being written for the same request. `params` is JSON for the kind's `rows`,
    checked by the caller; `bom` puts a byte order mark in front.

    Raises UnknownExport, Forbidden, and ExportRunning: a person has one export of a kind at a time.
    """
    exporter = exports.get(kind)
    if exporter is None:
        raise UnknownExport(attr="kind")
    if not exporter.may_request(owner):
        raise Forbidden
    stored = dict(params or {}) | ({"bom": True} if bom else {})
    with transaction.atomic():
        lock_user(owner.pk)
        running = Export.objects.filter(owner=owner, kind=kind, status__in=Export.ACTIVE).first()
        if running is not None and running.params != stored:
            raise ExportRunning(meta={"existing_id": str(running.pk)})
        if running is not None:
            return running
        export = Export.objects.create(
            owner=owner, kind=kind, params=stored, created_at=now, lease_until=now + RING_AGAIN_AFTER
        )
        ring_on_commit("accounts.tasks.run_export", str(export.pk))
    return export


def open_export(*, export: Export, caller: User, now: datetime) -> BinaryIO:
    """The finished file for its owner, as the owner signed in, to be streamed and closed. Its name comes from the row,
    never from a request, and it is opened below the folder without following links.

    Raises Forbidden, ExportNotReady, ExportExpired, and NotFound when the file is gone."""
    exporter = exports.get(export.kind)
    if exporter is None or not exporter.may_request(caller):
        raise Forbidden
    if export.status == Status.EXPIRED or (export.expires_at is not None and export.expires_at <= now):
        raise ExportExpired
    if export.status != Status.READY:
        raise ExportNotReady(meta={"status": export.status})
    with _folder() as folder:
        try:
            descriptor = os.open(_name(export), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            raise NotFound from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFound
    return os.fdopen(descriptor, "rb")


# --- Writing ----------------------------------------------------------------------------------------------------------


class _ClaimLostError(Exception):
    """Another worker has the row, or it is gone."""


def run_export(*, export_id: UUID | str, now: datetime) -> bool:
    """Writes the file if the row is free; True when this call finished it. `now` is the database's. A full disk fails
    the export at once; a lost database leaves it to its lease; anything else is tried again, five times in all."""
    export = _claim(export_id, now)
    if export is None:
        return False
    try:
        with _folder() as folder:
            _remove_files(folder, export.pk)  # What a worker left behind that was killed at an earlier attempt.
            _write_and_publish(export, folder)
    except _ClaimLostError:
        return False
    except (OperationalError, InterfaceError):
        log.warning("export_interrupted", export=str(export.pk), exc_info=True)
        return False
    except Exception as error:
        _give_back(export, error)
        return False
    return True


def _write_and_publish(export: Export, folder: int) -> None:
    """Leaves the whole file or none, and a file that counts only when this returns."""
    temporary, final = f"{export.pk}.{export.attempts}.part", _name(export)
    try:
        with _Renewal(export) as renewal:
            rows, size = _write(export, folder, temporary, renewal)
        os.replace(temporary, final, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        _publish(export, rows, size)
    except BaseException as error:
        # Nobody knows here whether a commit counts whose answer was lost. Its file stays; if it does not count, the
        # next attempt removes it.
        unknown = isinstance(error, OperationalError | InterfaceError)
        for name in (temporary,) if unknown else (temporary, final):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        raise


def due_exports(*, now: datetime, limit: int = 200) -> list[UUID]:
    """The exports to ring for: asked for a while ago and still waiting, or left by a worker that died. Each
    is named again only after 30 s, so that a busy worker's queue does not fill up. Gives up on those that
    used up their attempts."""
    lapsed = Export.objects.filter(status__in=Export.ACTIVE, lease_until__lte=now)
    for export in lapsed.filter(status=Status.RUNNING, attempts__gte=MOST_ATTEMPTS)[:limit]:
        with suppress(_ClaimLostError):
            _fail(export, "The worker stopped at every attempt.")
    ids = list(lapsed.filter(_free(now)).order_by("lease_until").values_list("pk", flat=True)[:limit])
    Export.objects.filter(_free(now), pk__in=ids, status=Status.QUEUED).update(lease_until=now + RING_AGAIN_AFTER)
    return ids


def _free(now: datetime) -> Q:
    lapsed = Q(status=Status.RUNNING, lease_until__lte=now)
    return (Q(status=Status.QUEUED) | lapsed) & Q(attempts__lt=MOST_ATTEMPTS)


def _claim(export_id: UUID | str, now: datetime) -> Export | None:
    taken = Export.objects.filter(_free(now), pk=export_id).update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        lease_until=now + LEASE,
        started_at=now,
        rows=0,
        total_rows=None,
    )
    return Export.objects.select_related("owner").filter(pk=export_id).first() if taken else None


def _mine(export: Export) -> QuerySet[Export]:
    """The row as long as this worker's claim holds: each claim has a number of attempts of its own."""
    return Export.objects.filter(pk=export.pk, status=Status.RUNNING, attempts=export.attempts)


class _Renewal:
    """Renews the lease and stores the progress every two seconds. Called with the rows so far by the
    writer; raises there once the claim is lost."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._rows = 0
        self._end = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"export-{export.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def __call__(self, rows: int) -> None:
        self._rows = rows
        if self._lost.is_set():
            raise _ClaimLostError

    def _run(self) -> None:
        try:
            while not self._end.wait(RENEW_EVERY_S):
                self._renew()
        finally:
            connections.close_all()

    def _renew(self) -> None:
        try:
            if not _mine(self._export).update(rows=self._rows, lease_until=database_now() + LEASE):
                self._lost.set()
        except DatabaseError:  # The next turn may succeed; if none does, the lease decides.
            log.warning("export_renewal_failed", export=str(self._export.pk), exc_info=True)
            connections.close_all()


def _write(export: Export, folder: int, name: str, renewal: _Renewal) -> tuple[int, int]:
    """Rows and bytes of the temporary file, which is on the disk when this returns."""
    exporter = exports.get(export.kind)
    if exporter is None or not export.owner.is_active or not exporter.may_request(export.owner):
        raise Forbidden("The owner may not have this export any more.")
    params = {key: value for key, value in export.params.items() if key != "bom"}
    queryset = exporter.rows(export.owner, params)
    _mine(export).update(total_rows=queryset.order_by().count())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        rows = write_csv(queryset, exporter.columns, file, renewal, bom=export.params.get("bom", False))
        file.flush()
        os.fsync(file.fileno())
        return rows, file.tell()


def _publish(export: Export, rows: int, size: int) -> None:
    """The file is whole and in its place; from this commit on it counts."""
    with transaction.atomic():
        owner = lock_user(export.owner_id)
        _lock_claim(export)
        now = database_now()
        _mine(export).update(
            status=Status.READY,
            rows=rows,
            total_rows=rows,
            bytes=size,
            file_name=f"{export.kind}-{now:%Y-%m-%d}.csv",
            error="",
            lease_until=None,
            finished_at=now,
            expires_at=now + timedelta(days=settings.EXPORT_KEEP_DAYS),
        )
        label = exports[export.kind].label
        notify(
            user=owner,
            kind=READY_KIND,
            title=f"Your export is ready: {label}",
            body=(
                f"Rows: {rows}. The file can be downloaded for {settings.EXPORT_KEEP_DAYS} days:"
                f"\n\n{settings.BACKEND_URL}/api/exports/{export.pk}/download"
            ),
            data={"export": str(export.pk)},
            dedupe_key=str(export.pk),
            now=now,
        )


def _lock_claim(export: Export) -> None:
    if not _mine(export).select_for_update().exists():
        raise _ClaimLostError


def _give_back(export: Export, error: Exception) -> None:
    """Fails what cannot be mended by trying again, and the rest after the last attempt."""
    full = isinstance(error, OSError) and error.errno in _DISK_IS_FULL
    log.error("export_failed", export=str(export.pk), attempt=export.attempts, full=full, exc_info=error)
    with suppress(_ClaimLostError):
        if full:
            _fail(export, NO_SPACE)
        elif isinstance(error, Forbidden):
            _fail(export, error.detail)
        elif export.attempts >= MOST_ATTEMPTS:
            _fail(export, "The export could not be written.")
        else:
            _mine(export).update(lease_until=database_now())


def _fail(export: Export, reason: str) -> None:
    with transaction.atomic():
        owner = lock_user(export.owner_id)
        _lock_claim(export)
        now = database_now()
        _mine(export).update(status=Status.FAILED, error=reason, lease_until=None, finished_at=now)
        entry = exports.get(export.kind)
        notify(
            user=owner,
            kind=FAILED_KIND,
            title=f"Your export failed: {entry.label if entry else export.kind}",
            body=f"The reason: {reason}",
            data={"export": str(export.pk)},
            dedupe_key=str(export.pk),
            now=now,
        )


# --- Deleting ---------------------------------------------------------------------------------------------------------


def expired_exports(*, now: datetime) -> QuerySet[Export]:
    return Export.objects.filter(status=Status.READY, expires_at__lte=now)


def expire_export(export: Export, *, now: datetime) -> None:  # noqa: ARG001
    """For `common.sweeps.sweep`, with the row locked: the row stays and says that the file is gone."""
    export.status = Status.EXPIRED
    export.save(update_fields=["status"])
    transaction.on_commit(lambda: delete_file(export.pk))


def delete_file(export_id: UUID) -> None:
    with _folder() as folder:
        _remove_files(folder, export_id)


def delete_orphans(*, now: datetime) -> int:
    """Removes files that no row knows: of deleted users, or of a worker that died between the file and the
    commit. An hour's grace keeps it off files that are being written."""
    removed = 0
    with _folder() as folder, os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError, ValueError):
                export_id = UUID(entry.name.partition(".")[0])
                age = now.timestamp() - entry.stat(follow_symlinks=False).st_mtime
                known = Export.objects.filter(pk=export_id, status__in=[*Export.ACTIVE, Status.READY])
                if age > _ORPHANED_AFTER_S and not known.exists():
                    os.unlink(entry.name, dir_fd=folder)
                    removed += 1
    return removed


# --- The folder -------------------------------------------------------------------------------------------------------


def _name(export: Export) -> str:
    """Of this attempt: a slow worker of an earlier one cannot put its file in the place of the one that counts."""
    return f"{export.pk}.{export.attempts}.csv"


@contextmanager
def _folder() -> Iterator[int]:
    """The export folder's descriptor; everything is opened relative to it."""
    Path(settings.EXPORT_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(settings.EXPORT_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_files(folder: int, export_id: UUID) -> None:
    for name in os.listdir(folder):
        if name.startswith(f"{export_id}."):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
