"""Writing exports: full disks, dead workers, slow workers, two workers. A file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts import exports
from accounts.exports import LEASE, MOST_ATTEMPTS, NO_SPACE, due_exports, expire_export, expired_exports, run_export
from accounts.models import Export, Notification, User
from common.clock import database_now
from common.sweeps import sweep
from tests.accounts.exporters import KIND
from tests.accounts.killed_worker import kill_worker
from tests.concurrency.race import race

pytestmark = pytest.mark.django_db(transaction=True)
Status = Export.Status
ROWS = 5


@pytest.fixture(autouse=True)
def folder(tmp_path, settings) -> Path:
    settings.EXPORT_FOLDER = tmp_path / "exports"
    settings.EXPORT_FOLDER.mkdir()
    return settings.EXPORT_FOLDER


@pytest.fixture
def export(user) -> Export:
    Notification.objects.bulk_create([Notification(user=user, kind="row", title=f"No {n}") for n in range(ROWS)])
    return Export.objects.create(owner=user, kind=KIND, params={"kind": "row"})


def run(export: Export, *, after: timedelta = timedelta()) -> bool:
    finished = run_export(export_id=export.pk, now=database_now() + after)
    export.refresh_from_db()
    return finished


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines(folder: Path, export: Export) -> int:
    return (folder / f"{export.pk}.{export.attempts}.csv").read_bytes().count(b"\r\n")


def test_a_finished_export_is_not_written_again(export, folder):
    assert run(export)
    assert not run(export, after=LEASE * 2)
    assert lines(folder, export) == ROWS + 1
    assert (export.status, export.rows, export.attempts, export.lease_until) == (Status.READY, ROWS, 1, None)


def test_four_workers_finish_it_once(export, folder):
    now = database_now()
    results = race([lambda: run_export(export_id=export.pk, now=now)] * 4)
    assert sorted(map(str, results)) == ["False", "False", "False", "True"]
    assert files(folder) == [f"{export.pk}.1.csv"]
    assert Notification.objects.filter(kind="export_ready").count() == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.fault(
    "F21",
    "ENOSPC, EDQUOT, EFBIG when the file is made sure of",
    expected="`no space`, no part left, the next export works",
)
def test_a_full_disk_fails_the_export_and_leaves_nothing(number, export, folder, user):
    with mock.patch("os.fsync", side_effect=OSError(number, os.strerror(number))):
        assert not run(export)
    assert (export.status, export.error) == (Status.FAILED, NO_SPACE)
    assert files(folder) == []
    assert Notification.objects.filter(user=user, kind="export_failed").count() == 1
    other = Export.objects.create(owner=user, kind=KIND, params={})
    assert run(other)


def test_an_unexpected_error_is_tried_again_and_then_given_up(export, folder):
    with mock.patch("accounts.exports.write_csv", side_effect=ValueError("bug")):
        for attempt in range(1, MOST_ATTEMPTS):
            assert not run(export)
            assert (export.status, export.attempts) == (Status.RUNNING, attempt)
            assert due_exports(now=database_now()) == [export.pk]
        assert not run(export)
    assert (export.status, export.error) == (Status.FAILED, "The export could not be written.")
    assert files(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["claimed", "1", "3", "5", "replaced"])
@pytest.mark.fault(
    "F18", "SIGKILL at each step of an export", expected="the next worker writes one whole file, mailed once"
)
def test_a_worker_killed_anywhere_is_followed_by_one_that_finishes(where, export, folder):
    kill_worker(export, where, folder=folder)
    assert not run(export)  # Its lease still runs.
    assert due_exports(now=database_now()) == []
    later = database_now() + LEASE
    assert due_exports(now=later) == [export.pk]
    assert run(export, after=LEASE)
    assert files(folder) == [f"{export.pk}.2.csv"]
    assert lines(folder, export) == ROWS + 1
    assert export.attempts == 2
    assert Notification.objects.filter(kind="export_ready").count() == 1


@pytest.mark.fault("F32", "an export whose worker dies each time", expected="failed after five attempts")
def test_an_export_that_kills_every_worker_is_given_up(export, user):
    Export.objects.update(status=Status.RUNNING, attempts=MOST_ATTEMPTS, lease_until=timezone.now())
    assert due_exports(now=database_now() + LEASE) == []
    export.refresh_from_db()
    assert export.status == Status.FAILED
    assert Notification.objects.filter(user=user, kind="export_failed").exists()


def test_an_export_nobody_was_rung_for_is_named_every_half_minute(export):
    asked = exports.request_export(owner=export.owner, kind=KIND, params={"kind": "row"}, now=timezone.now())
    assert asked == export
    Export.objects.update(lease_until=timezone.now())
    now = database_now() + timedelta(seconds=1)
    assert due_exports(now=now) == [export.pk]
    assert due_exports(now=now + timedelta(seconds=29)) == []
    assert due_exports(now=now + timedelta(seconds=30)) == [export.pk]


def while_writing(action: Callable[[Any], None]) -> Any:
    """Runs `action(progress)` in place of the writing, after which the writer goes on as usual."""
    original = exports.write_csv

    def write(queryset: Any, columns: Any, file: Any, progress: Any, **options: Any) -> int:
        action(progress)
        return original(queryset, columns, file, progress, **options)

    return mock.patch("accounts.exports.write_csv", write)


def test_progress_and_lease_are_there_for_all_to_see_while_it_runs(export, monkeypatch):
    monkeypatch.setattr(exports, "RENEW_EVERY_S", 0.01)
    seen: list[Export] = []

    def look(progress: Any) -> None:
        first = Export.objects.get(pk=export.pk)
        progress(3)
        seen.extend((first, eventually(lambda: Export.objects.get(pk=export.pk, rows=3))))

    with while_writing(look):
        assert run(export)
    first, second = seen
    assert (second.status, second.percent, second.total_rows) == (Status.RUNNING, 60, ROWS)
    assert second.lease_until > first.lease_until


def eventually(look: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(500):
        try:
            return look()
        except Export.DoesNotExist:
            pause.wait(0.01)
    return look()


def test_a_slow_worker_that_lost_its_claim_throws_its_file_away(export, folder, monkeypatch):
    def overtaken(_: Any) -> None:
        Export.objects.update(attempts=2)

    with while_writing(overtaken):
        assert not run(export)
    assert files(folder) == []
    assert export.status == Status.RUNNING
    assert not Notification.objects.filter(kind="export_ready").exists()


def test_the_writing_stops_when_the_claim_is_lost(export, monkeypatch):
    monkeypatch.setattr(exports, "RENEW_EVERY_S", 0.01)

    def overtaken(progress: Any) -> None:
        Export.objects.update(attempts=2)
        pause = threading.Event()
        for _ in range(500):
            progress(1)
            pause.wait(0.01)

    with while_writing(overtaken), mock.patch("accounts.exports._publish") as publish:
        assert not run(export)
    publish.assert_not_called()


def test_a_commit_whose_answer_was_lost_keeps_its_file(export, folder):
    publish = exports._publish

    def lose_the_answer(*args: Any) -> None:
        publish(*args)
        raise OperationalError("server closed the connection")

    with mock.patch("accounts.exports._publish", lose_the_answer):
        assert not run(export)
    assert export.status == Status.READY
    assert lines(folder, export) == ROWS + 1


def test_a_deactivated_owner_gets_no_file(export, user, folder):
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not run(export)
    assert export.status == Status.FAILED
    assert files(folder) == []


def test_files_are_deleted_after_their_time_and_the_row_says_so(export, folder, user):
    assert run(export)
    kept = Export.objects.create(owner=user, kind=KIND)
    assert run(kept)
    now = export.expires_at
    Export.objects.filter(pk=kept.pk).update(expires_at=now + timedelta(seconds=1))
    assert sweep(expired_exports(now=now), expire_export, now=now).done == 1
    export.refresh_from_db()
    assert export.status == Status.EXPIRED
    assert files(folder) == [f"{kept.pk}.1.csv"]


def test_files_that_no_row_knows_are_removed_after_an_hour(export, folder):
    assert run(export)
    orphans = ["0b9e7c1e-8f54-4c39-9f0e-6a1f0a8f6f1a.1.csv", "0b9e7c1e-8f54-4c39-9f0e-6a1f0a8f6f1b.1.part"]
    for name in [*orphans, "README"]:
        (folder / name).write_bytes(b"")
    assert exports.delete_orphans(now=timezone.now()) == 0
    assert exports.delete_orphans(now=timezone.now() + timedelta(hours=2)) == 2
    assert files(folder) == sorted([f"{export.pk}.1.csv", "README"])
