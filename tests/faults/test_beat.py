"""Beat dies and is missed; three of it run at once and do no harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.e2e.processes import SERVERS, Platform
from tests.faults.conftest import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
OFTEN_S = 2
TASK = "cars: Sync cars"


def health(platform: Platform) -> dict[str, Any]:
    answer = httpx.get(f"{platform.url}/health/detailed", timeout=20)
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_beat_that_stands_still_is_missed_and_welcomed_back(platform: Platform, database: Any) -> None:
    platform.until("everything is up", lambda: health(platform)["status"] == "healthy", within=60)
    platform.processes["beat"].send_signal(signal.SIGSTOP)
    try:
        database.execute("UPDATE accounts_heartbeat SET beat_at = beat_at - interval '150 seconds'")
        platform.until("beat is missed", lambda: health(platform)["beat"]["state"] == "down", within=60)
        assert health(platform)["status"] == "degraded"
    finally:
        platform.processes["beat"].send_signal(signal.SIGCONT)
    platform.until("beat is back", lambda: health(platform)["status"] == "healthy", within=60)


@pytest.fixture
def often(platform: Platform, database: Any) -> Iterator[None]:
    """The sync is due every `OFTEN_S` seconds."""
    usual = database.execute(
        "SELECT interval_id FROM django_celery_beat_periodictask WHERE name = %s", [TASK]
    ).fetchone()
    new = database.execute(
        "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (%s, 'seconds') RETURNING id", [OFTEN_S]
    ).fetchone()
    for interval in (new, usual):
        database.execute(
            "UPDATE django_celery_beat_periodictask SET interval_id = %s WHERE name = %s", [interval[0], TASK]
        )
        database.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")  # As the admin does.
        if interval is new:
            yield


def test_three_beats_at_once_run_no_sync_twice_at_a_time(
    platform: Platform, idle: None, often: None, database: Any
) -> None:
    before = len(runs(database))
    for name in ("beat 2", "beat 3"):
        platform.start(name, SERVERS["beat"])
    # Each beat asks once per period; an ask becomes a run, or a skipped one that names the active run.
    platform.until("asks of all three", lambda: len(runs(database)) >= before + 12, within=60)
    for name in ("beat 2", "beat 3"):
        platform.kill(name)
    assert {run["status"] for run in runs(database)[before:]} <= {"succeeded", "skipped", "queued", "running"}
    carried_out = sorted((run for run in runs(database) if run["finished_at"] and run["started_at"]), key=started_at)
    assert len(carried_out) > 2
    for earlier, later in pairwise(carried_out):
        assert earlier["finished_at"] <= later["started_at"]
    rows = "SELECT count(*), count(DISTINCT external_id) FROM cars_car WHERE external_id LIKE 'row%'"
    assert database.execute(rows).fetchone() == (ROWS, ROWS)
    assert sum(run["created"] for run in carried_out if run["provider"] == "file") == ROWS


def runs(database: Any) -> list[dict[str, Any]]:
    """In the order in which they were asked for."""
    names = ("status", "provider", "created", "started_at", "finished_at")
    rows = database.execute(f"SELECT {', '.join(names)} FROM cars_syncrun ORDER BY id")
    return [dict(zip(names, row, strict=True)) for row in rows]


def started_at(run: dict[str, Any]) -> datetime:
    return run["started_at"]
