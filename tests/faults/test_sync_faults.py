"""An upstream that is slow, wrong, huge, hostile or gone (over real HTTP), and a sync that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from cars.models import Car, SyncIssue, SyncSource
from cars.sync import engine
from common import http
from tests.cars.sync.conftest import counts, run_now, stored, upstream, use_parse
from tests.e2e.processes import migrated_file
from tests.standins.base import Fault, Request
from tests.standins.parse import ParseServer, sample_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(http, "_LONGEST_BACKOFF_S", 0.001)
    monkeypatch.setattr("cars.sync.providers.parse.PAGE_SIZE", 10)


@pytest.fixture
def parse(settings: Any, db: None) -> Iterator[ParseServer]:
    with ParseServer(sample_rows(35)) as server:
        use_parse(settings, server)
        yield server


PASSING: dict[str, dict[str, Any]] = {
    "500": {"kind": Fault.STATUS, "code": 500},
    "502": {"kind": Fault.STATUS, "code": 502},
    "503": {"kind": Fault.STATUS, "code": 503},
    "504": {"kind": Fault.STATUS, "code": 504},
    "429": {"kind": Fault.STATUS, "code": 429},
    "429 with seconds": {"kind": Fault.STATUS, "code": 429, "retry_after": 0},
    "truncated": {"kind": Fault.TRUNCATED},
    "unparsable": {"kind": Fault.UNPARSABLE},
    "truncated gzip": {"kind": Fault.TRUNCATED_GZIP},
    "wrong charset": {"kind": Fault.WRONG_CHARSET},
    "reset": {"kind": Fault.RESET},
}
LASTING: dict[str, tuple[dict[str, Any], str, int]] = {
    "400": ({"kind": Fault.STATUS, "code": 400}, "status_400", 1),
    "401": ({"kind": Fault.STATUS, "code": 401}, "auth", 1),
    "403": ({"kind": Fault.STATUS, "code": 403}, "auth", 1),
    "404": ({"kind": Fault.STATUS, "code": 404}, "status_404", 1),
    "500": ({"kind": Fault.STATUS, "code": 500}, "status_500", 5),
    "html": ({"kind": Fault.HTML_200}, "not_json", 1),
    "redirect": ({"kind": Fault.REDIRECT, "location": "http://169.254.169.254/"}, "redirect", 1),
    "redirect loop": ({"kind": Fault.REDIRECT_LOOP}, "redirect", 1),
    "huge": ({"kind": Fault.HUGE}, "too_large", 1),
    "zip bomb": ({"kind": Fault.GZIP_BOMB}, "too_large", 1),
    "unparsable": ({"kind": Fault.UNPARSABLE}, "bad_json", 5),
    "truncated": ({"kind": Fault.TRUNCATED}, "truncated", 5),
}


@pytest.mark.parametrize("options", PASSING.values(), ids=PASSING)
@pytest.mark.fault(
    "F10",
    "500, 502, 503, 504 and 429 for two requests",
    expected="tried again, all rows arrive",
    variants=["500", "502", "503", "504", "429", "429 with seconds"],
)
@pytest.mark.fault(
    "F11",
    "bodies cut, unparsable, wrongly compressed or encoded, for two requests",
    expected="tried again, all rows arrive",
    variants=["unparsable", "truncated gzip", "wrong charset"],
)
@pytest.mark.fault(
    "F17",
    "a reset and a cut in the middle of a body, for two requests",
    expected="tried again, all rows arrive",
    variants=["reset", "truncated"],
)
def test_what_passes_is_retried_and_loses_nothing(
    parse: ParseServer, options: dict[str, Any], witness: Callable[..., None]
) -> None:
    parse.faults.add(from_request=3, times=2, **options)
    run = run_now()
    witness(retries=run.retries, rows=run.created)
    assert (run.status, counts(run), run.retries) == ("succeeded", {"fetched": 35, "created": 35}, 2)
    assert stored() == upstream(parse)


@pytest.mark.parametrize(("options", "reason", "tries"), LASTING.values(), ids=LASTING)
@pytest.mark.fault(
    "F10",
    "400, 401, 403, 404 and 500 without end",
    expected="401 and its like are not tried again, 500 five times; no row changes",
    variants=["400", "401", "403", "404", "500"],
)
@pytest.mark.fault(
    "F11",
    "HTML and half bodies without end",
    expected="the run fails, no row changes",
    variants=["html", "unparsable", "truncated"],
)
@pytest.mark.fault(
    "F14",
    "a body without end, and one that inflates to 256 MB",
    expected="cut, the run fails, no row changes",
    variants=["huge", "zip bomb"],
)
@pytest.mark.fault(
    "F15",
    "a redirect to 169.254.169.254 and one to itself",
    expected="not followed, the run fails, no row changes",
    variants=["redirect", "redirect loop"],
)
def test_what_lasts_fails_the_run_and_leaves_the_old_data(
    parse: ParseServer, options: dict[str, Any], reason: str, tries: int, witness: Callable[..., None]
) -> None:
    run_now()
    before, cursor = stored(), SyncSource.objects.get().cursor
    parse.clear()
    asked = len(parse.requests)
    parse.faults.add(**options)
    run = run_now(full=True)
    assert (run.status, run.reason, run.withdrawn) == ("failed", reason, 0)
    witness(reason=run.reason, tries=len(parse.requests) - asked)
    assert len(parse.requests) - asked == tries
    assert (stored(), SyncSource.objects.get().cursor) == (before, cursor)
    assert Car.objects.current().count() == 35


@pytest.mark.fault("F11", "a maintenance page with status 200", expected="500 bytes of it are kept for the operator")
def test_the_start_of_a_senseless_answer_is_kept_for_the_operator(parse: ParseServer) -> None:
    parse.faults.add(Fault.HTML_200)
    run = run_now()
    issue = SyncIssue.objects.get(run=run)
    assert issue.reason == "not_json"
    assert "Down for maintenance" in issue.raw
    assert "Down for maintenance" not in run.error


@pytest.mark.fault("F9", "no byte from the third request on", expected="failed as `timeout`, the pages before are kept")
def test_a_hanging_upstream_ends_the_run(parse: ParseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONGEST_RUN_S", 10.0)
    parse.faults.add(Fault.HANG, from_request=3)
    run = run_now()
    assert (run.status, run.reason, run.created) == ("failed", "timeout", 10)


@pytest.mark.fault("F9", "every answer late", expected="waited for")
def test_a_slow_upstream_is_waited_for(parse: ParseServer) -> None:
    parse.faults.add(Fault.SLOW, seconds=0.2)
    assert run_now().status == "succeeded"


@pytest.mark.fault("F10", "503 with Retry-After two hours from now", expected="one request, then silence")
def test_a_retry_after_as_a_date_is_honoured(parse: ParseServer) -> None:
    until = datetime.now(UTC) + timedelta(hours=2)
    parse.faults.add(Fault.STATUS, code=503, retry_after=until)
    run = run_now()
    assert (run.status, run.reason, len(parse.requests)) == ("failed", "status_503", 1)
    silent_until = SyncSource.objects.get().not_before
    assert silent_until is not None
    assert silent_until - timezone.now() > timedelta(minutes=9)  # The wait is capped at ten minutes.
    assert run_now().reason == "circuit_open"


@pytest.mark.fault("F17", "nobody listens", expected="failed as `connect` after four repetitions")
def test_nobody_at_the_address(parse: ParseServer, settings: Any) -> None:
    parse.close()
    run = run_now()
    assert (run.status, run.reason, run.retries) == ("failed", "connect", 4)


@pytest.mark.fault("F17", "a name that does not resolve", expected="failed as `connect`")
def test_a_name_that_does_not_resolve(parse: ParseServer, settings: Any) -> None:
    settings.CAR_API_URL = "https://nowhere.invalid/classes/Cars"
    run = run_now()
    assert (run.status, run.reason) == ("failed", "connect")


@pytest.mark.fault("F15", "upstream at an address inside", expected="refused, no connection is made")
def test_a_private_address_is_refused_without_a_connection(parse: ParseServer, settings: Any) -> None:
    settings.PROVIDER_ALLOW_PRIVATE = False
    run = run_now()
    assert (run.status, run.reason, parse.requests) == ("failed", "refused_address", [])


def test_five_bad_runs_open_the_breaker_and_the_schedule_then_skips(parse: ParseServer) -> None:
    parse.faults.add(Fault.STATUS, code=500)
    assert [run_now().status for _ in range(6)] == ["failed"] * 5 + ["skipped"]


@pytest.mark.parametrize("page", [1, 2, 3, 4])
@pytest.mark.fault("F12", "404 from each page on", expected="the pages before are kept, nothing is withdrawn")
def test_an_outage_from_any_page_on_keeps_those_before(parse: ParseServer, page: int) -> None:
    parse.faults.add(Fault.STATUS, code=404, from_request=page + 1)
    run = run_now(full=True)
    assert (run.status, run.created, run.withdrawn) == ("failed", (page - 1) * 10, 0)
    parse.faults.clear()
    assert run_now().created == 35 - run.created
    assert stored() == upstream(parse)


# --- Killed


def command(*words: str) -> list[str]:
    return [sys.executable, "manage.py", *words]


def environment(database: Path, **more: str) -> dict[str, str]:
    ours = {
        "DATABASE_URL": f"sqlite:///{database}",
        "DATA_DIR": str(database.parent),
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "FORECOURT_IGNORE_DOTENV": "1",
        "PROVIDER_ALLOW_PRIVATE": "1",
        "LOG_FILES": "0",
        "REDIS_URL": "",
        "REDIS_CACHE_URL": "",
    }
    return os.environ | ours | more


@pytest.mark.slow
@pytest.mark.parametrize("request_number", [1, 2, 4, 6, *(pytest.param(n, marks=pytest.mark.long) for n in (3, 5))])
@pytest.mark.fault(
    "F18",
    "SIGKILL to a sync at each of its requests",
    expected="the pages before are kept, the next run completes, each row once",
)
def test_a_sync_killed_at_any_request_is_completed_by_the_next(
    tmp_path: Path, request_number: int, witness: Callable[..., None]
) -> None:
    """SIGKILL in the middle: the pages before it are there, its run is found dead, the next one does the rest."""
    database = tmp_path / "cars.sqlite3"
    shutil.copy(migrated_file(), database)
    with ParseServer(sample_rows(4500)) as server:
        env = environment(
            database, CAR_PROVIDER="parse", CAR_API_URL=f"{server.base_url}/classes/{server.class_name}",
            CAR_API_ID=server.app_id, CAR_API_KEY=server.master_key,
        )  # fmt: skip
        process = subprocess.Popen(command("sync_cars"), env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
        server.on_request(kill_at(request_number, process))
        assert process.wait(timeout=60) == -signal.SIGKILL
        kept = query(database, "SELECT count(*) FROM cars_car")
        assert kept == [(max(0, request_number - 2) * 1000,)]
        assert query(database, "SELECT status FROM cars_syncrun") == [("running",)]
        let_the_lease_run_out(database)
        witness(kept=kept[0][0])
        subprocess.run(command("sync_cars"), env=env, cwd=ROOT, check=True, capture_output=True, timeout=60)
        copied = query(database, "SELECT external_id, year, make, model, category FROM cars_car")
        assert {row[0]: row[1:] for row in copied} == upstream(server)
    assert query(database, "SELECT status FROM cars_syncrun ORDER BY id") == [("abandoned",), ("succeeded",)]
    assert query(database, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
@pytest.mark.fault(
    "F18", "SIGKILL to the child of a worker in a sync", expected="its successor completes it, each row once"
)
def test_a_worker_child_killed_in_the_middle_of_a_run_costs_nothing(tmp_path: Path) -> None:
    """Its task comes again and finds the run taken; the sweep finds the run dead, and the successor completes it."""
    database = tmp_path / "cars.sqlite3"
    shutil.copy(migrated_file(), database)
    with ParseServer(sample_rows(3500)) as server:
        env = environment(
            database, CAR_PROVIDER="parse", CAR_API_URL=f"{server.base_url}/classes/{server.class_name}",
            CAR_API_ID=server.app_id, CAR_API_KEY=server.master_key,
        )  # fmt: skip
        worker = subprocess.Popen(
            [str(Path(sys.executable).parent / "celery"), "-A", "config", "worker", "--concurrency", "1"],
            env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            server.on_request(lambda request: request.number == 3 and kill_children(worker.pid))
            call_task(env, "sync_source('cars')")
            until(lambda: len(server.requests) >= 3 and not children(worker.pid) & killed)
            assert query(database, "SELECT status FROM cars_syncrun") == [("running",)]
            let_the_lease_run_out(database)
            call_task(env, "sweep_syncs()")
            until(lambda: ("succeeded",) in query(database, "SELECT status FROM cars_syncrun"))
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        copied = query(database, "SELECT external_id, year, make, model, category FROM cars_car")
        assert {row[0]: row[1:] for row in copied} == upstream(server)
    assert query(database, "SELECT status FROM cars_syncrun ORDER BY id") == [("abandoned",), ("succeeded",)]


killed: set[int] = set()


def children(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return set(map(int, listed.read_text().split())) if listed.exists() else set()


def kill_children(pid: int) -> None:
    for child in children(pid):
        killed.add(child)
        os.kill(child, signal.SIGKILL)


def call_task(env: dict[str, str], call: str) -> None:
    code = f"import cars.tasks; cars.tasks.{call}"
    subprocess.run(command("shell", "-v0", "-c", code), env=env, cwd=ROOT, check=True, capture_output=True, timeout=60)


def until(probe: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill_at(number: int, process: subprocess.Popen[bytes]) -> Callable[[Request], None]:
    def kill(request: Request) -> None:
        if request.number == number:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)

    return kill


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(database, timeout=20) as connection:
        return connection.execute(sql).fetchall()


def let_the_lease_run_out(database: Path) -> None:
    """Instead of waiting for it."""
    with sqlite3.connect(database, timeout=20) as connection:
        connection.execute("UPDATE cars_syncrun SET heartbeat_at = datetime('now', '-60 seconds')")
