"""The jobs that mail: what the schedule names does the work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django_celery_beat.models import PeriodicTask

from accounts.models import Notification
from parking import tasks
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("task", "runs"),
    [
        ("send_reminders", ["every 900 seconds"]),
        ("send_monthly_reports", ["0 9 1 * * UTC", "30 9-23 1,2 * * UTC"]),
    ],
)
def test_the_schedule_is_in_the_database(task, runs):
    assert callable(getattr(tasks, task))
    found = []
    for job in PeriodicTask.objects.filter(task=f"parking.tasks.{task}"):
        assert job.description
        time = job.crontab
        cron = time and f"{time.minute} {time.hour} {time.day_of_month} {time.month_of_year} {time.day_of_week}"
        found.append(f"{cron} {time.timezone}" if time else f"every {job.interval.every} {job.interval.period}")
    assert sorted(found) == runs


def test_an_evening_and_a_new_month_reach_the_inbox_of_a_driver(user):
    until = datetime(2026, 12, 24, 12, tzinfo=UTC)
    times = {"starts_at": until - timedelta(hours=2), "ends_at": until, "released_at": until}
    ReservationFactory(user=user, lot=LotFactory(created_at=until), status="completed", cost=6, **times)
    with time_machine.travel(datetime(2027, 1, 1, 18, 7, tzinfo=UTC), tick=False):
        for job in (tasks.send_reminders, tasks.send_monthly_reports) * 2:
            job()
    told = Notification.objects.order_by("kind").values_list("kind", "dedupe_key", "in_app")
    assert list(told) == [("parking_reminder", "2027-01-01", False), ("parking_report", "2026-12", True)]
