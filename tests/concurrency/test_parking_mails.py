"""Reminders and reports that several workers send at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from unittest import mock

import pytest
from django.core import mail

from accounts.models import Notification, User
from accounts.notifications import notify
from parking.services import reminders, reports
from tests.concurrency.race import race
from tests.parking.factories import LotFactory, ReservationFactory
from tests.parking.mailing import send_due

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)
EVENING = datetime(2026, 11, 5, 18, tzinfo=UTC)
WORKERS = 6


@pytest.fixture
def driver(user: User) -> User:
    """Parked in October."""
    until = datetime(2026, 10, 14, 12, tzinfo=UTC)
    times = {"starts_at": until - timedelta(hours=2), "ends_at": until, "released_at": until}
    ReservationFactory(user=user, lot=LotFactory(created_at=until), status="completed", cost=6, **times)
    return user


def test_workers_at_once_send_one_report_and_one_reminder_each(driver, other_user):
    race([partial(reports.send_monthly_reports, now=NINE)] * WORKERS)
    race([partial(reminders.send_reminders, now=EVENING)] * WORKERS)
    race([partial(send_due, EVENING)] * WORKERS)
    sent = sorted((message.to[0], message.subject) for message in mail.outbox)
    assert sent == [
        (driver.email, "Book your next parking spot"),
        (driver.email, "Your parking in October 2026"),
        (other_user.email, "Book your next parking spot"),
    ]


def report_without_the_sweeps_lock(driver: User) -> list[Any]:
    return race([partial(reports._report, driver, now=NINE, first=date(2026, 10, 1))] * WORKERS)


def test_the_key_of_the_month_alone_keeps_the_report_single(driver):
    assert not any(report_without_the_sweeps_lock(driver))
    assert Notification.objects.count() == 1


def test_without_the_key_each_worker_reports(driver):
    """The control: the same race with messages that have no key."""
    with mock.patch("parking.services.reports.notify", lambda **fields: notify(**fields | {"dedupe_key": None})):
        report_without_the_sweeps_lock(driver)
    assert Notification.objects.count() == WORKERS
