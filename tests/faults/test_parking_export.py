"""A driver asks for the parking history, and the worker is killed while it writes: the sweep finds another one."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.processes import SERVERS, Platform
from tests.faults.load import PERSON
from tests.standins.mail import MailServer

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
URL = "/api/parking/exports"
ROWS = 500
DONE_WITHIN_S = 180  # Twenty seconds until the dead worker's lease ends, and a sweep.
PARKED = """
SELECT count(*) FROM parking_reservation JOIN accounts_user ON accounts_user.id = user_id WHERE email = %s
"""
HISTORY = """
WITH lot AS (INSERT INTO parking_lot (name, address, pin_code, description, is_active, timezone, default_stay_min,
                                      no_show_after_min, cancel_cutoff_min, created_at, updated_at)
             VALUES ('Station', '1 Main Street', '10115', '', true, 'UTC', 120, 15, 0, now(), now()) RETURNING id),
    spot AS (INSERT INTO parking_spot (lot_id, number, type, status, created_at, updated_at)
             SELECT id, 1, 'standard', 'in_service', now(), now() FROM lot RETURNING id, lot_id),
    rate AS (INSERT INTO parking_rate (lot_id, version, price, increment_min, first_free_s, currency, surcharges,
                                       created_at)
             SELECT id, 1, 3, 60, 0, 'USD', '{}', now() FROM lot RETURNING id)
INSERT INTO parking_reservation (reference, lot_id, spot_id, user_id, plate, plate_key, vehicle_model, vehicle_color,
                                 remarks, starts_at, ends_at, booked_until, checked_in_at, released_at, status,
                                 is_overstay, rate_id, surcharge_percent, cost, paid, created_at, updated_at)
SELECT 'F' || n, spot.lot_id, spot.id, person.id, 'FC 1', 'FC1', '', '', '', at, at + hour, at + hour, at, at + hour,
       'completed', false, rate.id, 0, 3, 0, at, at
  FROM generate_series(1, %s) AS n, spot, rate, (SELECT id FROM accounts_user WHERE email = %s) AS person,
       LATERAL (SELECT now() - n * interval '2 hours' AS at, interval '1 hour' AS hour) AS stay
"""


@pytest.mark.fault(
    "F18",
    "worker and its children killed while they write an export",
    expected="one whole file by the next, mailed once",
)
def test_an_export_whose_worker_is_killed_is_finished_once(
    platform: Platform,
    client: httpx.Client,
    mails: MailServer,
    database: psycopg.Connection[Any],
    witness: Callable[..., None],
) -> None:
    database.execute(HISTORY, [ROWS, PERSON["email"]])
    (parked,) = database.execute(PARKED, [PERSON["email"]]).fetchone() or (0,)
    with platform.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE parking_spot IN ACCESS EXCLUSIVE MODE")  # The worker claims the row, then waits.
        asked = client.post(URL)
        path = f"{URL}/{asked.json()['id']}"
        platform.until("a worker writes", lambda: client.get(path).json()["status"] == "running", within=180)
        platform.kill("worker")
    killed = time.monotonic()
    platform.start("worker", SERVERS["worker"])
    platform.until("the file is there", lambda: client.get(path).json()["status"] == "ready", within=DONE_WITHIN_S)
    done_s = time.monotonic() - killed
    export = client.get(path).json()
    rows = list(csv.DictReader(io.StringIO(client.get(export["download_url"]).text, newline="")))
    assert (asked.status_code, export["rows"], export["percent"]) == (202, parked, 100)
    assert len({row["reservation"] for row in rows}) == len(rows) == parked >= ROWS
    assert [file.name for file in (platform.folder / "exports").glob(f"{export['id']}*")] == [f"{export['id']}.2.csv"]
    told = "SELECT mail_status FROM accounts_notification WHERE kind = 'export_ready' AND data->>'export' = %s"
    platform.until("it is mailed", lambda: database.execute(told, [export["id"]]).fetchall() == [("sent",)], within=180)
    sent = mails.count("Subject: Your export is ready: Parking history")
    assert sent == 1
    witness(acked=1, rows=len(rows), files=1, mails=sent, lost=0, twice=0, done_after=done_s)
