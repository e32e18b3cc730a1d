"""The embedded database: two processes write to it, and the server is killed while they do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.processes import Platform, running_platform
from tests.faults.load import CUT, REFUSED, WriteLoad, sign_in, write_load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults_sqlite")]
WEB = ["gunicorn", "config.wsgi", "--workers", "2"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    environment = {"DISABLE_THROTTLES": "1", "LOG_LEVEL": "CRITICAL"}
    with running_platform(tmp_path_factory.mktemp("sqlite"), {"web": WEB}, **environment) as running:
        yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return sign_in(platform)


def assert_kept(platform: Platform, load: WriteLoad) -> int:
    """How many were acknowledged."""
    with sqlite3.connect(platform.folder / "forecourt.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {row[0] for row in connection.execute("SELECT id FROM cars_car")}
    assert set(load.acknowledged) <= stored
    return len(load.acknowledged)


@pytest.mark.fault("F28", "two processes and eight clients that write", expected="201 and 503 only, all 201s stored")
def test_two_processes_write_beside_each_other(platform: Platform, token: str, witness: Callable[..., None]) -> None:
    with write_load(platform, token) as load:
        load.wait_for(200, within=60)
    assert load.oddities == []
    assert set(load.answers) <= {201, 503}
    witness(acked=assert_kept(platform, load), other={503: load.answers[503]}, lost=0)


@pytest.mark.fault(
    "F28", "the server killed again and again while it writes", expected="integrity_check is ok, all 201s stored"
)
@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_a_server_killed_while_it_writes_loses_nothing_that_was_acknowledged(
    platform: Platform, token: str, kills: int, witness: Callable[..., None]
) -> None:
    with write_load(platform, token) as load:
        for _ in range(kills):
            load.wait_for(30)
            platform.kill("web")
            platform.start("web", WEB)
            platform.until("it answers", lambda: httpx.get(f"{platform.url}/health").is_success, within=180)
        load.wait_for(30)
    assert load.oddities == []
    kept = assert_kept(platform, load)
    witness(kills=kills, acked=kept, other={answer: load.answers[answer] for answer in (REFUSED, CUT, 503)}, lost=0)
