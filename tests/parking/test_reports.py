"""The monthly report: whom, when, once, and with the right figures."""

from __future__ import annotations

import json
import random
import re
import smtplib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import unsubscribe
from parking.models import Lot, Reservation
from parking.services.reports import PARKING_REPORT, month_of, send_monthly_reports
from tests.parking.factories import LotFactory, ReservationFactory
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)


@pytest.fixture
def lot() -> Lot:
    return LotFactory(name="Quay <1>")


def report(now: datetime = NINE) -> list[str]:
    send_monthly_reports(now=now)
    return send_due(now)


def parked(user: User, lot: Lot, until: datetime, **fields: Any) -> Reservation:
    since = until - fields.pop("stay", timedelta(hours=2))
    times = {"starts_at": since, "ends_at": until, "released_at": until}
    return ReservationFactory(
        **({"user": user, "lot": lot, "status": "completed", "cost": Decimal("6.00")} | times | fields)
    )


def test_who_parked_gets_the_report_once(user, lot):
    parked(user, lot, datetime(2026, 10, 14, 12, tzinfo=UTC))
    assert report() == [user.email]
    assert report() == []
    assert report(NINE + timedelta(days=20)) == []
    row = Notification.objects.get()
    assert (row.title, row.dedupe_key) == ("Your parking in October 2026", "2026-10")
    assert row.data == {"month": "2026-10", "bookings": 1, "hours": "2.00", "spend": {"USD": "6.00"}}
    assert "/unsubscribe/" in mail.outbox[0].body


def test_nobody_without_activity_is_told(user, other_user, lot):
    parked(user, lot, datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC))
    parked(user, lot, datetime(2026, 11, 1, tzinfo=UTC))
    for status in ("cancelled", "no_show"):
        at = datetime(2026, 10, 9, tzinfo=UTC)
        parked(user, lot, at, status=status, released_at=None, cost=None, checked_in_at=None)
    assert report() == []


def test_january_reports_december(user, lot):
    parked(user, lot, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert report(datetime(2027, 1, 1, 9, tzinfo=UTC)) == [user.email]
    assert mail.outbox[0].subject == "Your parking in December 2026"


def test_months_and_days_are_those_of_the_users_clock(make_user, lot, settings):
    settings.DEFAULT_USER_TIMEZONE = "Asia/Tokyo"
    denver, berlin = make_user(timezone="America/Denver"), make_user(timezone="Europe/Berlin")
    nine = datetime(2026, 11, 1, 0, tzinfo=UTC)
    parked(denver, lot, nine + timedelta(hours=5, minutes=59))
    parked(berlin, lot, datetime(2026, 9, 30, 22, tzinfo=UTC))
    assert report(nine) == [berlin.email]
    assert report(nine + timedelta(hours=6)) == [denver.email]
    for user, day in ((denver, 31), (berlin, 1)):
        month = month_of(user=user, first=OCTOBER)
        assert month is not None
        assert month.peak_day[0].day == day


def test_those_who_declined_get_no_mail(user, other_user, make_user, lot):
    nowhere = make_user()
    for person in (user, other_user, nowhere):
        parked(person, lot, datetime(2026, 10, 14, tzinfo=UTC))
    unsubscribe(user=user, kind=PARKING_REPORT)
    NotificationPreference.objects.create(user=nowhere, kind=PARKING_REPORT, in_app=False, email=False)
    assert report() == [other_user.email]
    assert set(Notification.objects.values_list("user", flat=True)) == {user.pk, other_user.pk}


def test_one_address_that_fails_does_not_stop_the_rest(make_user, lot):
    users = [make_user() for _ in range(3)]
    for person in users:
        parked(person, lot, datetime(2026, 10, 14, tzinfo=UTC))
    real = EmailBackend.send_messages

    def refuse_one(backend: EmailBackend, messages: Any) -> int:
        if messages[0].to == [users[1].email]:
            raise smtplib.SMTPRecipientsRefused({users[1].email: (550, b"no such user")})
        return real(backend, messages)

    with mock.patch.object(EmailBackend, "send_messages", refuse_one):
        assert report() == sorted([users[0].email, users[2].email])
    assert Notification.objects.get(user=users[1]).mail_status == Notification.MailStatus.PENDING


def test_text_and_html_say_the_same_figures(user, lot):
    for number in range(13):
        until = datetime(2026, 10, 2 * number + 1, 12, tzinfo=UTC)
        parked(user, lot, until, stay=timedelta(minutes=47 * number + 1), cost=Decimal(number * 111))
    assert report() == [user.email]
    text, html = parts_of_last_mail()
    html = unescape(re.sub(r"<[^>]*>", " ", html.partition("</head>")[2]))
    for figures in (
        r"[\d,]+\.\d\d(?: USD)?",
        r"(?:\d+ h )?\d+ min",
        r"\d+ bookings?",
        r"[A-Z][a-z]+day, \d+ [A-Z]\w+",
    ):
        shown = set(re.findall(figures, text))
        assert shown == set(re.findall(figures, html)), figures
    for part in (text, html):
        assert "Quay <1>, spot 1" in part
        assert "8,658.00 USD" in part
        assert "and 3 more" in part
        assert "clock of UTC" in part


def test_the_charts_need_no_image_and_a_free_month_has_no_money_chart(user, lot):
    parked(user, lot, datetime(2026, 10, 14, tzinfo=UTC), cost=0, stay=timedelta(seconds=1))
    report()
    text, html = parts_of_last_mail()
    assert not re.search(r"<img|url\(|<script|<link|@import", html)
    assert 'height="72"' in html
    assert "Cost per hour: 0.00 USD" in text
    assert "SPENT BY DAY" not in text


def test_a_report_takes_few_queries_however_many_stays(user, lot, django_assert_num_queries):
    for day in range(1, 31):
        parked(user, lot, datetime(2026, 10, day, 12, tzinfo=UTC))
    with django_assert_num_queries(1):
        assert month_of(user=user, first=OCTOBER) is not None


ORACLE = """
WITH stays AS (
    SELECT r.lot_id, l.name, rate.currency, r.cost,
        (r.released_at AT TIME ZONE %(zone)s)::date AS day,
        greatest(1, ceil(extract(epoch FROM r.released_at - r.checked_in_at)))::int AS seconds
    FROM parking_reservation r JOIN parking_lot l ON l.id = r.lot_id JOIN parking_rate rate ON rate.id = r.rate_id
    WHERE r.user_id = %(user)s AND r.status = 'completed'
        AND to_char(r.released_at AT TIME ZONE %(zone)s, 'YYYY-MM') = %(month)s
), weekdays AS (
    SELECT extract(isodow FROM day) AS number, count(*)::int AS bookings, sum(seconds)::int AS seconds
    FROM stays GROUP BY number
), currencies AS (
    SELECT currency, sum(cost) AS total, round(sum(cost) * 3600 / sum(seconds), 2) AS per_hour
    FROM stays GROUP BY currency
), days AS (
    SELECT currency, day, sum(cost) AS total FROM stays GROUP BY currency, day
)
SELECT count(*), sum(seconds)::int, round(avg(seconds))::int,
    (SELECT name FROM stays GROUP BY lot_id, name ORDER BY count(*) DESC, sum(seconds) DESC, lot_id LIMIT 1),
    (SELECT day FROM stays GROUP BY day ORDER BY count(*) DESC, sum(seconds) DESC, day LIMIT 1),
    (SELECT sum(bookings)::int FROM weekdays WHERE number < 6),
    (SELECT sum(bookings)::int FROM weekdays WHERE number > 5),
    (SELECT array_agg(coalesce(seconds, 0) ORDER BY n) FROM generate_series(1, 7) n LEFT JOIN weekdays ON number = n),
    (SELECT jsonb_object_agg(currency, jsonb_build_array(total::text, per_hour::text)) FROM currencies)::text,
    (SELECT jsonb_object_agg(currency || day, total::text) FROM days)::text
FROM stays
"""


@pytest.mark.postgres
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
def test_the_figures_equal_those_of_sql(zone, make_user, other_user):
    chance, user = random.Random(zone), make_user(timezone=zone)
    lots = [
        LotFactory(name=name, rate={"currency": currency})
        for name, currency in (("A", "USD"), ("B", "USD"), ("C", "EUR"))
    ]
    start = datetime(2026, 9, 29, tzinfo=UTC)
    for _ in range(120):
        until = start + timedelta(seconds=chance.randrange(35 * 86_400), microseconds=chance.randrange(10**6))
        length = timedelta(seconds=chance.randrange(200_000), microseconds=chance.randrange(1, 10**6))
        cost, who = Decimal(chance.randrange(10_000)) / 100, chance.choice([user, user, user, other_user])
        parked(who, chance.choice(lots), until, stay=length, cost=cost)
    month = month_of(user=user, first=OCTOBER)
    assert month is not None
    with connection.cursor() as cursor:
        cursor.execute(ORACLE, {"zone": zone, "user": user.pk, "month": "2026-10"})
        row = cursor.fetchone()
    assert row[:7] == (
        month.bookings, month.seconds, month.average_seconds, month.most_used_lot[0], month.peak_day[0],
        month.weekdays.bookings, month.weekend.bookings,
    )  # fmt: skip
    assert row[7] == [day.seconds for day in month.by_weekday]
    assert json.loads(row[8]) == {s.currency: [str(s.total), str(s.cost_per_hour)] for s in month.spends}
    assert json.loads(row[9]) == {
        f"{spend.currency}{day}": str(amount) for spend in month.spends for day, amount in spend.by_day.items()
    }
