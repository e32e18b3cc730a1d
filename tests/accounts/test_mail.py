"""Mailing the outbox: at most once, tried again only when nothing can have been accepted."""

from __future__ import annotations

import smtplib
import threading
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError
from django.utils import timezone

from accounts import tasks
from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import (
    BACKOFF,
    LEASE,
    MOST_ATTEMPTS,
    deliver,
    due_mail,
    forget_address,
    notify,
    notify_address,
)
from accounts.registry import MailContent, NotificationKind, notification_kinds
from tests.concurrency.race import race

pytestmark = pytest.mark.django_db
KIND, SECRET_KIND = "test_mail", "test_secret"
Status = Notification.MailStatus


def _link_of_now(notification: Notification) -> MailContent | None:
    if notification.data.get("used"):
        return None
    return MailContent("Confirm", "Press the button.", link="https://example.com/?t=s3cret", link_label="Confirm")


notification_kinds.register(KIND, NotificationKind(label="Mail of the tests"))
notification_kinds.register(
    SECRET_KIND, NotificationKind(label="Link", in_app=False, mandatory=True, build_mail=_link_of_now)
)


def tell(user: User, kind: str = KIND, **fields: Any) -> Notification:
    row = notify(user=user, kind=kind, **({"title": "Your car\nis ready", "body": "Come <b>in</b>."} | fields))
    assert row is not None
    return row


def send(row: Notification, *, after: timedelta = timedelta()) -> bool:
    sent = deliver(notification_id=row.pk, now=timezone.now() + after)
    row.refresh_from_db()
    return sent


def refuse_with(error: Exception) -> Any:
    return mock.patch.object(EmailBackend, "send_messages", side_effect=error)


def test_a_mail_is_text_and_html_with_a_way_out(user):
    row = tell(user)
    assert send(row)
    message = mail.outbox[0]
    assert row.mail_status == Status.SENT
    assert message.to == [user.email]
    assert message.subject == "Your car is ready"
    assert "Come <b>in</b>." in message.body
    html = message.alternatives[0].content
    assert "Come &lt;b&gt;in&lt;/b&gt;." in html
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert link in message.body
    assert link in html
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_mail_goes_out_once(user):
    row = tell(user)
    assert send(row)
    assert not send(row)
    assert not send(row, after=LEASE * 2)
    assert len(mail.outbox) == 1


def test_a_mandatory_kind_is_built_when_sent_and_cannot_be_declined(user):
    NotificationPreference.objects.create(user=user, kind=SECRET_KIND, in_app=False, email=False)
    row = tell(user, SECRET_KIND)
    assert send(row)
    assert "s3cret" not in f"{row.title}{row.body}{row.data}"
    assert "https://example.com/?t=s3cret" in mail.outbox[0].body
    assert "List-Unsubscribe" not in mail.outbox[0].extra_headers


def test_nothing_is_mailed_when_there_is_nothing_left_to_say(user):
    row = tell(user, SECRET_KIND, data={"used": True})
    assert not send(row)
    assert row.mail_status == Status.NONE
    assert mail.outbox == []


def test_who_unsubscribed_or_left_since_gets_no_mail(user, other_user):
    unsubscribed, left = tell(user), tell(other_user)
    NotificationPreference.objects.create(user=user, kind=KIND, email=False)
    User.objects.filter(pk=other_user.pk).update(is_active=False)
    assert not send(unsubscribed)
    assert not send(left)
    assert {unsubscribed.mail_status, left.mail_status} == {Status.NONE}


@pytest.mark.fault("F29", "no connection to the mail server", expected="tried again after 1, 5, 15 and 60 minutes")
def test_a_server_that_is_down_is_tried_again_with_growing_pauses(user):
    row = tell(user)
    with mock.patch.object(EmailBackend, "open", side_effect=ConnectionRefusedError("no one")):
        for attempt, pause in enumerate(BACKOFF, start=1):
            now = row.mail_due_at
            assert not deliver(notification_id=row.pk, now=now)
            row.refresh_from_db()
            assert (row.mail_status, row.mail_attempts, row.mail_due_at) == (Status.PENDING, attempt, now + pause)
    assert not deliver(notification_id=row.pk, now=row.mail_due_at - timedelta(seconds=1))
    assert deliver(notification_id=row.pk, now=row.mail_due_at)


def test_after_five_failures_the_mail_has_failed(user):
    row = tell(user)
    with refuse_with(smtplib.SMTPDataError(451, b"later")):
        for _ in range(MOST_ATTEMPTS):
            assert not deliver(notification_id=row.pk, now=row.mail_due_at)
            row.refresh_from_db()
    assert row.mail_status == Status.FAILED
    assert "451" in row.mail_error
    assert due_mail(now=timezone.now() + timedelta(days=1)) == []


@pytest.mark.parametrize("error", [smtplib.SMTPServerDisconnected("gone"), TimeoutError(), ConnectionResetError()])
def test_a_line_that_breaks_during_the_hand_over_is_not_tried_again(error, user):
    row = tell(user)
    with refuse_with(error):
        assert not send(row)
    assert row.mail_status == Status.FAILED
    assert not send(row, after=timedelta(days=1))
    assert mail.outbox == []


def test_a_time_limit_during_the_hand_over_ends_the_job_and_does_not_mail_twice(user):
    row = tell(user)
    with refuse_with(SoftTimeLimitExceeded()), pytest.raises(SoftTimeLimitExceeded):
        send(row)
    row.refresh_from_db()
    assert row.mail_status == Status.FAILED
    assert not send(row, after=timedelta(days=1))


def test_a_time_limit_before_the_hand_over_ends_the_job_and_leaves_the_mail_due(user):
    row = tell(user)
    with (
        mock.patch.object(EmailBackend, "open", side_effect=SoftTimeLimitExceeded),
        pytest.raises(SoftTimeLimitExceeded),
    ):
        send(row)
    assert send(row, after=BACKOFF[0])


def test_a_sweep_stops_in_time_and_leaves_the_rest_due(user, monkeypatch):
    rows = [tell(user, dedupe_key=str(number)) for number in range(3)]
    clock = iter([0.0, 1.0, tasks.SWEEP_MAIL_S + 1.0])
    monkeypatch.setattr(tasks, "time", mock.Mock(monotonic=lambda: next(clock)))
    tasks.sweep_mail()
    assert len(mail.outbox) == 1
    assert due_mail(now=timezone.now()) == [row.pk for row in rows[1:]]


def test_a_refusal_by_the_server_is_tried_again(user):
    row = tell(user)
    with refuse_with(smtplib.SMTPRecipientsRefused({user.email: (450, b"busy")})):
        assert not send(row)
    assert row.mail_status == Status.PENDING
    assert send(row, after=BACKOFF[0])


def test_a_worker_that_died_before_the_hand_over_loses_its_lease(user):
    row = tell(user)
    Notification.objects.update(mail_status=Status.SENDING, mail_attempts=1, mail_due_at=timezone.now() + LEASE)
    assert due_mail(now=timezone.now()) == []
    later = timezone.now() + LEASE
    assert due_mail(now=later) == [row.pk]
    assert deliver(notification_id=row.pk, now=later)


def test_a_worker_that_died_during_the_hand_over_leaves_a_failed_mail(user):
    row, now = tell(user), timezone.now()
    Notification.objects.update(mail_status=Status.SENDING, mail_attempts=1, mail_due_at=now, mail_sent_at=now)
    assert due_mail(now=now) == []
    row.refresh_from_db()
    assert row.mail_status == Status.FAILED
    assert not send(row)


def test_a_mail_that_kills_every_worker_is_given_up(user):
    row, now = tell(user), timezone.now()
    Notification.objects.update(mail_status=Status.SENDING, mail_attempts=MOST_ATTEMPTS, mail_due_at=now)
    assert due_mail(now=now) == []
    row.refresh_from_db()
    assert row.mail_status == Status.FAILED


def test_a_slow_worker_whose_lease_ran_out_does_not_send(user):
    row = tell(user)

    def overtaken(*_: object) -> None:
        Notification.objects.update(mail_attempts=2)

    with mock.patch.object(EmailBackend, "open", overtaken):
        assert not send(row)
    assert mail.outbox == []
    assert row.mail_status == Status.SENDING


def test_somebody_without_an_account_is_mailed_and_has_nothing_to_unsubscribe_from():
    row = notify_address(address="Casey@Example.com", kind=KIND, title="Your car\nis ready", body="Come in.")
    assert (row.user, row.address, row.in_app) == (None, "casey@example.com", False)
    assert due_mail(now=timezone.now()) == [row.pk]
    assert send(row)
    message = mail.outbox[0]
    assert (message.to, message.subject) == (["casey@example.com"], "Your car is ready")
    assert "List-Unsubscribe" not in message.extra_headers
    assert "No more mails" not in message.body
    assert not send(row)


def test_one_key_tells_an_address_once():
    told = [notify_address(address=who, kind=KIND, title="?", dedupe_key="1") for who in ("a@b.c", "A@b.c", "d@b.c")]
    assert told[0] == told[1] != told[2]


def test_a_mail_to_an_address_is_built_when_it_is_sent():
    row = notify_address(address="casey@example.com", kind=SECRET_KIND, title="Link", data={"used": True})
    assert not send(row)
    assert row.mail_status == Status.NONE


def test_an_address_of_an_unregistered_kind_is_a_programming_error():
    with pytest.raises(KeyError):
        notify_address(address="casey@example.com", kind="never_registered", title="?")


def test_a_forgotten_address_gets_no_mail(user):
    row = notify_address(address=user.email, kind=KIND, title="?")
    kept = tell(user)
    forget_address(user.email.upper())
    assert not deliver(notification_id=row.pk, now=timezone.now())
    assert list(Notification.objects.all()) == [kept]


@pytest.mark.parametrize("readers", [{"address": ""}, {"address": "a@b.c", "user": True}])
def test_a_message_is_for_one_reader(readers, user):
    fields = readers | ({"user": user} if "user" in readers else {})
    with pytest.raises(IntegrityError):
        Notification.objects.create(kind=KIND, title="?", **fields)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_send_one_mail(user):
    row, now = tell(user), timezone.now()
    results = race([lambda: deliver(notification_id=row.pk, now=now)] * 8)
    assert sorted(map(str, results)) == ["False"] * 7 + ["True"]
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_claim_eight_workers_send_eight(user):
    """The control: the same race with workers that only look whether the row is free."""
    row, now, all_have_looked = tell(user), timezone.now(), threading.Barrier(8)

    def look(notification_id: int, _now: object) -> Notification | None:
        found = Notification.objects.select_related("user").get(pk=notification_id)
        all_have_looked.wait(timeout=30)
        return found if found.mail_status == Status.PENDING else None

    with (
        mock.patch("accounts.notifications._claim", look),
        mock.patch("accounts.notifications._hand_over", lambda claim, message, now: bool(message.send())),
    ):
        race([lambda: deliver(notification_id=row.pk, now=now)] * 8)
    assert len(mail.outbox) == 8
