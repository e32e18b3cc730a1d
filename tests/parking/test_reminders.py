"""The daily reminder: whom, when, once."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import unsubscribe
from parking.models import Lot, Reservation
from parking.services.reminders import MOST_LOTS, PARKING_REMINDER, send_reminders
from tests.parking.factories import LotFactory, ReservationFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
EVENING = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)
LONG_AGO = EVENING - timedelta(days=90)


@pytest.fixture
def lot() -> Lot:
    return LotFactory(created_at=LONG_AGO, name="Old Yard")


def remind(now: datetime = EVENING) -> list[str]:
    send_reminders(now=now)
    return send_due(now)


def parked(user: User, lot: Lot, *, days_ago: float, **fields: Any) -> Reservation:
    until = EVENING - timedelta(days=days_ago)
    times = {"starts_at": until - timedelta(hours=1), "ends_at": until, "released_at": until}
    return ReservationFactory(**({"user": user, "lot": lot, "status": "completed", "cost": 3} | times | fields))


def test_who_did_not_park_for_three_days_is_reminded_at_six(user, lot):
    parked(user, lot, days_ago=3)
    assert remind(EVENING - timedelta(seconds=1)) == []
    assert remind() == [user.email]
    for part in parts_of_last_mail():
        assert "Old Yard" in part
        assert "22 November 2026" in part
    assert "/unsubscribe/" in mail.outbox[0].body


@pytest.mark.parametrize(
    ("fields", "reminded"),
    [
        ({"days_ago": 2.9}, False),
        ({"days_ago": 10, "status": "active", "released_at": None, "cost": None}, False),
        ({"days_ago": -2, "status": "reserved", "released_at": None, "cost": None}, False),
        ({"days_ago": -2, "status": "cancelled", "released_at": None, "cost": None}, True),
        ({"days_ago": 1, "status": "no_show", "released_at": None, "cost": None}, False),
        ({"days_ago": 9, "status": "no_show", "released_at": None, "cost": None}, True),
    ],
)
def test_what_counts_as_a_reservation_of_late(fields, reminded, user, lot):
    parked(user, lot, **fields)
    assert remind() == ([user.email] if reminded else [])


def test_a_user_is_told_once_on_a_local_day_however_often_it_runs(user):
    assert remind() == [user.email]
    assert remind() == []
    assert remind(EVENING + timedelta(hours=5, minutes=59)) == []
    assert remind(EVENING + timedelta(hours=7)) == []  # The next day, but not yet its evening.
    assert remind(EVENING + timedelta(days=1)) == [user.email]


def test_six_is_by_the_users_own_clock(make_user, settings):
    settings.DEFAULT_USER_TIMEZONE = "Asia/Tokyo"
    zones = {"tokyo": "", "berlin": "Europe/Berlin", "denver": "America/Denver", "lost": "Mars/Olympus"}
    address = {name: make_user(timezone=zone).email for name, zone in zones.items()}
    assert remind(EVENING - timedelta(hours=9)) == sorted([address["tokyo"], address["lost"]])
    assert remind(EVENING - timedelta(hours=1)) == [address["berlin"]]
    assert remind(EVENING + timedelta(hours=7)) == [address["denver"]]
    dates = Notification.objects.filter(user__email=address["denver"]).values_list("dedupe_key", flat=True)
    assert list(dates) == ["2026-11-25"]


def test_those_who_declined_or_left_are_not_reminded(user, make_user):
    unsubscribed, in_app = make_user(), make_user()
    make_user(is_active=False)
    unsubscribe(user=unsubscribed, kind=PARKING_REMINDER)
    NotificationPreference.objects.create(user=in_app, kind=PARKING_REMINDER, in_app=True, email=False)
    assert remind() == [user.email]
    assert set(Notification.objects.values_list("user", flat=True)) == {user.pk, in_app.pk}


def test_a_new_lot_is_told_to_all_once(user, other_user, lot):
    parked(user, lot, days_ago=1)
    fields = {"address": "5 <Dock> Road", "rate": {"price": 2, "increment_min": 30}, "spots": 7}
    LotFactory(name="Harbour & Co", created_at=EVENING - timedelta(hours=23), **fields)
    for state in ({"is_active": False}, {"archived_at": EVENING}, {"created_at": EVENING - timedelta(hours=25)}):
        LotFactory(**({"name": "Not to be told", "created_at": EVENING - timedelta(hours=1)} | state))
    assert remind() == [user.email, other_user.email]
    for message in mail.outbox:
        assert message.subject == "Harbour & Co is open"
        idle = message.to == [other_user.email]
        assert ("no parking reservation" in message.body) is idle
        assert "5 <Dock> Road, 10115\n  7 spots, 4.00 USD an hour, open day and night" in message.body
        assert "5 &lt;Dock&gt; Road" in message.alternatives[0].content
    assert remind(EVENING + timedelta(days=1)) == [other_user.email]
    assert mail.outbox[-1].subject == "Book your next parking spot"


def test_a_lot_that_opened_after_a_late_run_is_not_missed(user, lot):
    parked(user, lot, days_ago=-2, status="reserved", released_at=None, cost=None)
    LotFactory(created_at=EVENING + timedelta(minutes=1))
    assert remind(EVENING + timedelta(hours=24, minutes=14)) == [user.email]


def test_a_lot_that_opens_in_the_evening_waits_for_the_next_six_and_is_told_once(user, lot):
    parked(user, lot, days_ago=-2, status="reserved", released_at=None, cost=None)
    LotFactory(created_at=EVENING + timedelta(hours=2))
    told = [remind(EVENING + timedelta(hours=hours)) for hours in (2.25, 5.75, 24, 26.25, 48)]
    assert told == [[], [], [user.email], [], []]


def test_many_new_lots_are_cut_to_a_few_and_a_number(user):
    for number in range(MOST_LOTS + 3):
        LotFactory(name=f"Garage {number}", created_at=EVENING)
    assert remind() == [user.email]
    assert mail.outbox[0].subject == "8 new parking lots are open"
    for part in parts_of_last_mail():
        assert part.count("Garage ") == MOST_LOTS
        assert "and 3 more" in part


def test_who_has_booked_before_the_mail_went_out_gets_none(user, lot):
    send_reminders(now=EVENING)
    parked(user, lot, days_ago=-1, status="reserved", released_at=None, cost=None)
    assert send_due(EVENING) == []
    assert Notification.objects.get().mail_status == Notification.MailStatus.NONE


def test_one_address_that_fails_does_not_stop_the_rest(make_user):
    users = [make_user() for _ in range(3)]
    real = EmailBackend.send_messages

    def refuse_one(backend: EmailBackend, messages: Any) -> int:
        if messages[0].to == [users[1].email]:
            raise smtplib.SMTPRecipientsRefused({users[1].email: (550, b"no such user")})
        return real(backend, messages)

    with mock.patch.object(EmailBackend, "send_messages", refuse_one):
        assert remind() == sorted([users[0].email, users[2].email])
    assert Notification.objects.get(user=users[1]).mail_status == Notification.MailStatus.PENDING


def test_a_user_whose_reminder_cannot_be_written_does_not_stop_the_rest(user, other_user):
    real = Notification.objects.get_or_create

    def break_one(**fields: Any) -> Any:
        if fields["user"] == user:
            raise RuntimeError("planted")
        return real(**fields)

    with mock.patch.object(Notification.objects, "get_or_create", break_one):
        assert remind() == [other_user.email]
    assert remind() == [user.email]
