"""Beat dies and is missed; three of it run at once and do no harm."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import Any

import httpx
import pytest

from tests.e2e.processes import SERVERS, Platform
from tests.faults.conftest import ROWS, reporting, schedule
from tests.faults.market import Market

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
TASK = "cars: Sync cars"


def health(platform: Platform) -> dict[str, Any]:
    answer = httpx.get(f"{platform.url}/health/detailed", timeout=20)
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.fault("F20", "beat stopped by SIGSTOP", expected="health says so within 180 s, and when it is back")
def test_a_beat_that_stands_still_is_missed_and_welcomed_back(platform: Platform, database: Any) -> None:
    def is_missed() -> bool:
        """After three minutes, which are skipped; a tick on its way may still come in between."""
        database.execute("UPDATE accounts_heartbeat SET beat_at = now() - interval '181 seconds'")
        seen = health(platform)
        return (seen["beat"]["state"], seen["status"]) == ("down", "degraded")

    platform.until("everything is up", lambda: health(platform)["status"] == "healthy", within=180)
    platform.processes["beat"].send_signal(signal.SIGSTOP)
    try:
        platform.until("beat is missed", is_missed, within=60)
    finally:
        platform.processes["beat"].send_signal(signal.SIGCONT)
    platform.until("beat is back", lambda: health(platform)["status"] == "healthy", within=180)


@pytest.fixture
def often(platform: Platform, database: Any) -> Iterator[None]:
    """The sync and the monthly reports are due every two seconds."""
    schedule(platform, TASK, every_s=2)
    with reporting(platform, database):
        yield
    schedule(platform, TASK, every_s=300)


@pytest.mark.fault(
    "F19",
    "three beats, two of them killed in the end, and a sync and the reports of the month due every two seconds",
    expected="no two runs at a time, no row twice, everybody told once",
)
def test_three_beats_at_once_run_no_sync_twice_at_a_time(
    platform: Platform, idle: None, often: None, market: Market, database: Any, witness: Callable[..., None]
) -> None:
    before = len(runs(database))
    for name in ("beat 2", "beat 3"):
        platform.start(name, SERVERS["beat"])
    # Each beat asks once per period; an ask becomes a run, or a skipped one that names the active run.
    platform.until("asks of all three", lambda: len(runs(database)) >= before + 12, within=180)
    told = "SELECT user_id FROM accounts_notification WHERE kind = 'parking_report' ORDER BY user_id"
    everybody = [(driver,) for driver in sorted(market.parked)]
    platform.until("all are told", lambda: database.execute(told).fetchall() == everybody, within=180)
    platform.until("three are carried out", lambda: len(carried_out(database)) > 2, within=180)
    for name in ("beat 2", "beat 3"):
        platform.kill(name)
    assert {run["status"] for run in runs(database)[before:]} <= {"succeeded", "skipped", "queued", "running"}
    done = carried_out(database)
    for earlier, later in pairwise(done):
        assert earlier["finished_at"] <= later["started_at"]
    rows = "SELECT count(*), count(DISTINCT external_id) FROM cars_car WHERE external_id LIKE 'row%'"
    assert database.execute(rows).fetchone() == (ROWS, ROWS)
    assert sum(run["created"] for run in done if run["provider"] == "file") == ROWS
    assert database.execute(told).fetchall() == everybody
    asked = len(runs(database)) - before
    witness(asked_for=asked, carried_out=len(done), reports=len(market.parked), lost=0, twice=0)


def runs(database: Any) -> list[dict[str, Any]]:
    """Those of the cars, in the order in which they were asked for."""
    names = ("status", "provider", "created", "started_at", "finished_at")
    rows = database.execute(f"SELECT {', '.join(names)} FROM cars_syncrun WHERE source = 'cars' ORDER BY id")
    return [dict(zip(names, row, strict=True)) for row in rows]


def carried_out(database: Any) -> list[dict[str, Any]]:
    """Those that have begun and ended, in the order in which they began."""
    ended = (run for run in runs(database) if run["finished_at"] and run["started_at"])
    return sorted(ended, key=itemgetter("started_at"))
