"""Parking's main job with everything real: a lot of 50 spots, a booking from the quote to the release, and the history
as a file that a worker writes and mails."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.admin import AdminVisitor
from tests.e2e.people import Desk, must
from tests.e2e.processes import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    SERVERS,
    Platform,
    real_servers,
    running_platform,
)

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("parking")
    with real_servers() as environment, running_platform(folder, SERVERS, **environment) as running:
        yield running


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(platform, stack)


def test_a_driver_books_parks_and_leaves(desk: Desk) -> None:
    manager = desk.person("manager@example.com", "parking_manager")
    driver, other = desk.person("driver@example.com"), desk.person("other@example.com")
    rate = {"price": "3.00", "increment_min": 60, "first_free_s": 0, "cap": "15.00"}
    lot = {"name": "Central", "address": "1 Road", "pin_code": "10115", "capacity": 50, "rate": rate}
    lot_id = must(manager.post("/api/parking/lots", json=lot))["id"]
    assert must(driver.get(f"/api/parking/lots/{lot_id}"))["availability"]["free"] == 50

    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    window = {"starts_at": tomorrow.isoformat(), "ends_at": (tomorrow + timedelta(hours=5)).isoformat()}
    assert must(driver.get(f"/api/parking/lots/{lot_id}/quote", params=window))["total"] == "15.00"
    later = must(driver.post("/api/parking/reservations", json={"lot": lot_id, "plate": "FC 1", **window}))
    assert (later["status"], later["spot"]["number"]) == ("reserved", 1)

    stay = must(driver.post("/api/parking/reservations", json={"lot": lot_id, "plate": "FC 2"}))
    stay_url = f"/api/parking/reservations/{stay['id']}"
    assert stay["status"] == "active"
    taken = driver.post("/api/parking/reservations", json={"lot": lot_id, "plate": "fc-2"})
    assert taken.status_code == 409
    ends_at = (datetime.fromisoformat(stay["ends_at"]) + timedelta(hours=1)).isoformat()
    must(driver.post(f"{stay_url}/extend", json={"ends_at": ends_at}))
    assert must(driver.post(f"{stay_url}/release", json={}))["cost"] == "3.00"
    assert driver.post(f"{stay_url}/release", json={}).status_code == 409
    assert other.get(stay_url).status_code == 404
    must(manager.post(f"{stay_url}/payments", json={"amount": "3.00", "method": "card"}))
    assert must(driver.get(stay_url))["paid"] == "3.00"


def test_the_history_arrives_as_a_file_of_ones_own(platform: Platform, desk: Desk) -> None:
    driver, stranger = desk.person("driver@example.com"), desk.stranger
    export = must(driver.post("/api/parking/exports"))
    url = f"/api/parking/exports/{export['id']}"
    platform.until("the export is ready", lambda: must(driver.get(url))["status"] == "ready", within=60)
    rows = list(csv.DictReader(io.StringIO(driver.get(f"{url}/download").text)))
    assert [row["plate"] for row in rows] == ["FC 2", "FC 1"]
    assert stranger.get(url).status_code == stranger.get(f"{url}/download").status_code == 404
    mails = platform.folder / "mails"
    platform.until(
        "the mail about it", lambda: any("export" in mail.read_text() for mail in mails.glob("*")), within=60
    )


def test_the_report_follows_its_edited_schedule(platform: Platform, desk: Desk) -> None:
    """The stay above is moved into the month before, as if time had passed."""
    now = datetime.now(UTC)
    shift = now - (now.replace(day=1) - timedelta(days=15))
    columns = ("starts_at", "ends_at", "booked_until", "checked_in_at", "released_at")
    moved = ", ".join(f"{column} = {column} - %(shift)s" for column in columns)
    with platform.connect() as database:
        database.execute(f"UPDATE parking_reservation SET {moved} WHERE status = 'completed'", {"shift": shift})
    with platform.client() as client:
        admin = AdminVisitor(client)
        admin.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)
        admin.submit("/django_celery_beat/intervalschedule/add/", every="2", period="seconds")
        task = admin.find("/django_celery_beat/periodictask/", "parking: Monthly reports")
        admin.submit(task, choose={"interval": "every 2 seconds"}, crontab="")
    mails = platform.folder / "mails"

    def reports() -> list[str]:
        texts = [mail.read_text() for mail in mails.glob("*")]
        return [text for text in texts if "driver@example.com" in text and "Central" in text and "3.00" in text]

    platform.until("the report of the month before", reports, within=60)
    runs = platform.log("worker").count("parking.tasks.send_monthly_reports")
    platform.until(
        "another run", lambda: platform.log("worker").count("parking.tasks.send_monthly_reports") > runs, within=60
    )
    assert len(reports()) == 1
