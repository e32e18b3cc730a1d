"""What a process needs is not there: space on the disk, a mail server, memory, and a task that spares its process."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from celery import Celery

from tests.common.redis_server import RedisServer
from tests.e2e.processes import SERVERS, Platform
from tests.faults.processes import children, forget_peak, peak_mib
from tests.standins.mail import MailServer

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
READY = "Subject: Your export is ready"
MANY_CARS = 20_000
LARGEST_FILE = 512 * 1024  # Bytes; the file with `MANY_CARS` is larger, and no other file of a worker.
ADD_CARS = """
INSERT INTO cars_car (created_at, updated_at, make, model, year, category, make_key, model_key, source, locked_fields)
SELECT now(), now(), 'Full', 'Disk ' || n, 2000, '', 'full', 'disk' || n, 'manual', '[]' FROM generate_series(1, %s) n
"""
PARALLEL = 500
MOST_MEMORY_MIB = 400  # Of two web processes.
ATTEMPTS = 5


@contextmanager
def many_cars(database: Any) -> Iterator[None]:
    database.execute(ADD_CARS, [MANY_CARS])
    try:
        yield
    finally:
        database.execute("DELETE FROM cars_car WHERE make = 'Full'")


def export_of_cars(platform: Platform, client: httpx.Client, *ends: str) -> dict[str, Any]:
    asked = client.post("/api/exports", json={"kind": "cars"})
    assert asked.status_code == 202, asked.text
    path = f"/api/exports/{asked.json()['id']}"
    platform.until(f"the export {ends}", lambda: client.get(path).json()["status"] in ends, within=180)
    return dict(client.get(path).json())


@pytest.mark.fault(
    "F21",
    "the kernel lets no file of the worker grow beyond 512 KiB (RLIMIT_FSIZE), in the middle of an export",
    expected="the export fails with `no space` and leaves no part, the service goes on, the next export is whole",
)
def test_an_export_that_finds_no_room_fails_alone(
    platform: Platform, client: httpx.Client, database: Any, witness: Callable[..., None]
) -> None:
    worker = platform.processes["worker"].pid
    workers = platform.until("its processes", lambda: len(children(worker)) == 2 and children(worker), within=60)
    with many_cars(database):
        usual = resource.prlimit(workers[0], resource.RLIMIT_FSIZE)
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, usual[1]))
        try:
            failed = export_of_cars(platform, client, "failed", "ready")
        finally:
            for pid in workers:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
        assert (failed["status"], failed["error"]) == ("failed", "no space")
        assert list((platform.folder / "exports").glob(f"{failed['id']}*")) == []
        assert client.get("/api/cars").status_code == 200
        whole = export_of_cars(platform, client, "failed", "ready")
        assert whole["status"] == "ready"
        assert whole["rows"] >= MANY_CARS
    witness(failed=1, parts_left=0, rows_of_the_next=whole["rows"])


@pytest.mark.fault(
    "F29",
    "nobody listens at the port of the mail server while an export is asked for",
    expected="the export is ready, its mail waits, and goes out once when the server is back",
)
def test_a_mail_waits_for_its_server_and_nothing_else_does(
    platform: Platform, client: httpx.Client, mails: MailServer, database: Any, witness: Callable[..., None]
) -> None:
    row = "SELECT mail_status, mail_attempts, mail_error FROM accounts_notification WHERE data->>'export' = %s"
    under_way = "SELECT 1 FROM accounts_notification WHERE mail_status IN ('pending', 'sending')"
    platform.until("no mail is under way", lambda: database.execute(under_way).fetchone() is None, within=180)
    before = mails.count(READY)
    mails.stop()
    try:
        export = export_of_cars(platform, client, "ready")
        tried = platform.until(
            "a try", lambda: [found for found in database.execute(row, [export["id"]]) if found[1]], within=180
        )
        platform.until("it waits", lambda: database.execute(row, [export["id"]]).fetchone()[0] == "pending", within=60)
        assert client.get(f"/api/exports/{export['id']}/download").is_success
    finally:
        mails.start()
    # Instead of waiting for a minute.
    database.execute("UPDATE accounts_notification SET mail_due_at = now() WHERE mail_status = 'pending'")
    platform.until("it is sent", lambda: database.execute(row, [export["id"]]).fetchone()[0] == "sent", within=180)
    assert mails.count(READY) - before == 1
    witness(export="ready", tries_without_a_server=tried[0][1], mails=1, lost=0, twice=0)


@pytest.mark.fault(
    "F31",
    f"{PARALLEL} lists of 100 rows asked for at once",
    expected=f"200, 429 or 503; two web processes hold less than {MOST_MEMORY_MIB} MiB and live",
)
def test_many_large_answers_at_once_take_little_memory(
    platform: Platform, token: str, database: Any, witness: Callable[..., None]
) -> None:
    workers = children(platform.processes["web"].pid)
    for pid in workers:
        forget_peak(pid)
    before = sum(map(peak_mib, workers))
    with many_cars(database):
        started = time.monotonic()
        answers = asyncio.run(ask_at_once(platform.url, token))
        seconds = time.monotonic() - started
    memory = sum(map(peak_mib, workers))
    witness(answers=answers, seconds=seconds, memory=f"{memory:.0f} MiB at most, {before:.0f} MiB before")
    assert set(answers) <= {200, 429, 503}
    assert answers[200]
    assert memory < MOST_MEMORY_MIB
    assert children(platform.processes["web"].pid) == workers


async def ask_at_once(url: str, token: str) -> Counter[int]:
    limits = httpx.Limits(max_connections=PARALLEL)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=120) as client:
        pages = [client.get("/api/cars", params={"limit": 100, "page": 1 + n % 100}) for n in range(PARALLEL)]
        return Counter(answer.status_code for answer in await asyncio.gather(*pages))


@pytest.mark.fault(
    "F32",
    "a task whose process ends at once, however often it is tried",
    expected=f"it is given up after {ATTEMPTS} attempts, and the queue goes on",
)
def test_a_task_that_kills_its_process_is_given_up(
    platform: Platform, redis_server: RedisServer, client: httpx.Client, witness: Callable[..., None]
) -> None:
    attempts = platform.folder / "attempts"
    attempts.touch()
    platform.kill("worker")
    platform.start("worker", [*SERVERS["worker"], "--include", "tests.faults.poison"])
    with Celery(broker=redis_server.url) as sender:
        sender.send_task("tests.faults.poison.die", args=[str(attempts)], queue="default")
    platform.until("it is tried", lambda: len(attempts.read_text().split()) >= ATTEMPTS, within=180)
    # Two exports later a sixth attempt would have come long ago.
    for _ in range(2):
        assert export_of_cars(platform, client, "ready", "failed")["status"] == "ready"
    made = len(attempts.read_text().split())
    platform.kill("worker")
    platform.start("worker", SERVERS["worker"])
    witness(attempts=made, exports_beside_it=2)
    assert made == ATTEMPTS
