"""Processes that are asked to end finish what they have begun, and end well."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.processes import SERVERS, Platform
from tests.faults.load import CUT, REFUSED, write_load
from tests.standins.base import Fault
from tests.standins.parse import ParseServer, sample_rows

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
WITHIN_S = 30


def end(platform: Platform, name: str) -> float:
    """The seconds that it took."""
    started = time.monotonic()
    assert platform.end(name) == 0
    seconds = time.monotonic() - started
    assert seconds < WITHIN_S
    return seconds


@pytest.mark.fault("F23", "SIGTERM to beat", expected="exit 0 within 30 s")
def test_beat_ends_when_it_is_asked_to(platform: Platform, witness: Callable[..., None]) -> None:
    witness(ended_in=end(platform, "beat"))
    platform.start("beat", SERVERS["beat"])


@pytest.mark.fault(
    "F23",
    "SIGTERM to the server under eight clients that write",
    expected="exit 0 within 30 s, no half answer, nothing lost",
)
def test_a_server_that_is_asked_to_end_answers_whom_it_has_heard(
    platform: Platform, token: str, database: Any, witness: Callable[..., None]
) -> None:
    with write_load(platform, token) as load:
        load.wait_for(100)
        ended_s = end(platform, "web")
        platform.start("web", SERVERS["web"])
        load.wait_for(100)
    assert load.oddities == []
    assert load.answers[CUT] == 0
    assert set(load.answers) <= {201, REFUSED, CUT}
    stored = {row[0] for row in database.execute("SELECT id FROM cars_car")}
    lost = set(load.acknowledged) - stored
    other = {answer: load.answers[answer] for answer in (REFUSED, CUT)}
    witness(acked=len(load.acknowledged), other=other, lost=len(lost), ended_in=ended_s)
    assert not lost


@pytest.mark.fault(
    "F23",
    "SIGTERM to the worker in a sync that has half a minute to go",
    expected="exit 0 within 30 s, the next worker goes on",
)
def test_a_worker_that_is_asked_to_end_gives_a_long_sync_to_the_next(
    platform: Platform, idle: None, client: httpx.Client, database: Any, witness: Callable[..., None]
) -> None:
    usual = dict(platform.environment)
    end(platform, "worker")
    with ParseServer(sample_rows(5000)) as upstream:
        upstream.faults.add(Fault.SLOW, seconds=6)  # Six requests, which would be 36 s.
        platform.environment |= {
            "CAR_PROVIDER": "parse", "CAR_API_URL": f"{upstream.base_url}/classes/{upstream.class_name}",
            "CAR_API_ID": upstream.app_id, "CAR_API_KEY": upstream.master_key, "PROVIDER_ALLOW_PRIVATE": "1",
        }  # fmt: skip
        platform.start("worker", SERVERS["worker"])
        run = client.post("/api/cars/sync-cars").json()["status_url"]
        platform.until("it has begun", lambda: client.get(run).json()["counts"]["fetched"], within=60)
        ended_s = end(platform, "worker")
        assert client.get(run).json()["status"] == "queued"
        upstream.faults.clear()
        platform.start("worker", SERVERS["worker"])
        platform.until("it is done", lambda: client.get(run).json()["status"] == "succeeded", within=60)
        end(platform, "worker")
    platform.environment.clear()
    platform.environment.update(usual)
    platform.start("worker", SERVERS["worker"])
    assert database.execute("SELECT count(*) FROM cars_car WHERE source = 'parse'").fetchone() == (5000,)
    witness(rows=5000, lost=0, twice=0, ended_in=ended_s)
