"""The jobs and their schedule."""

from __future__ import annotations

import importlib
from datetime import timedelta
from unittest import mock

import pytest
from django.apps import apps
from django.core import mail
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts import tasks
from accounts.models import (
    Export,
    Heartbeat,
    IdempotencyRecord,
    LoginCounter,
    Notification,
    TokenFamily,
)
from accounts.notifications import notify
from common import doorbell
from common.circuit import Circuit
from tests.accounts.exporters import KIND

pytestmark = pytest.mark.django_db


def test_the_schedule_is_in_the_database_and_names_real_tasks():
    scheduled = PeriodicTask.objects.filter(name__startswith="accounts: ")
    every = {job.task: job.interval.every for job in scheduled if job.interval}
    assert every == {
        "accounts.tasks.heartbeat": 30,
        "accounts.tasks.sweep_mail": 60,
        "accounts.tasks.sweep_exports": 20,
    }
    for job in scheduled:
        assert job.description
        assert hasattr(tasks, job.task.rpartition(".")[2])


def test_the_migration_leaves_an_operators_changes_alone():
    PeriodicTask.objects.filter(task="accounts.tasks.sweep_mail").update(enabled=False, expire_seconds=7)
    importlib.import_module("accounts.migrations.0003_schedule").create(apps, None)
    job = PeriodicTask.objects.get(task="accounts.tasks.sweep_mail")
    assert (job.enabled, job.expire_seconds) == (False, 7)
    assert PeriodicTask.objects.filter(name__startswith="accounts: ").count() == 4


def test_the_heartbeat_is_one_row_that_moves():
    tasks.heartbeat()
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    tasks.heartbeat()
    assert Heartbeat.objects.get().age_seconds(now=timezone.now()) < 60


def test_the_mail_sweep_sends_what_nobody_was_rung_for(user, other_user):
    for person in (user, other_user):
        notify(user=person, kind="export_ready", title="Ready", now=timezone.now() - timedelta(minutes=1))
    tasks.sweep_mail()
    tasks.sweep_mail()
    assert sorted(message.to[0] for message in mail.outbox) == [user.email, other_user.email]


def test_one_mail_that_fails_does_not_stop_the_rest(user, other_user):
    past = timezone.now() - timedelta(minutes=1)
    notify(user=user, kind="export_ready", title="Ready", now=past)
    Notification.objects.update(kind="of_an_app_that_is_gone")
    notify(user=other_user, kind="export_ready", title="Ready", now=past)
    tasks.sweep_mail()
    assert [message.to for message in mail.outbox] == [[other_user.email]]
    assert Notification.objects.get(user=user).mail_status == Notification.MailStatus.PENDING


def test_the_export_sweep_rings_for_each_that_waits(user, other_user, django_capture_on_commit_callbacks):
    past = timezone.now() - timedelta(minutes=1)
    waiting = [Export.objects.create(owner=owner, kind=KIND, lease_until=past) for owner in (user, other_user)]
    with mock.patch("celery.app.base.Celery.send_task") as send, django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_exports()
    assert {call.kwargs["args"] for call in send.call_args_list} == {(str(export.pk),) for export in waiting}


def test_the_daily_clean_up_deletes_what_has_no_effect_any_more(user):
    now = timezone.now()
    for age in (timedelta(hours=25), timedelta(hours=23)):
        IdempotencyRecord.objects.create(
            user=user, method="POST", path="/x", key=str(age), body_sha256="", status_code=201, body=b"",
            created_at=now - age,
        )  # fmt: skip
    for ends in (now - timedelta(minutes=1), now + timedelta(minutes=1)):
        TokenFamily.objects.create(user=user, current_jti="x", expires_at=ends)
    for age in (timedelta(minutes=16), timedelta(minutes=14)):
        LoginCounter.objects.create(scope="account", key=str(age), window_started_at=now - age)
    tasks.clean_up()
    for model in (IdempotencyRecord, TokenFamily, LoginCounter):
        assert model.objects.count() == 1, model


def test_a_broker_that_is_down_costs_nothing_but_time(user, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(doorbell, "broker", Circuit("broker", event="doorbell"))
    with mock.patch("celery.app.base.Celery.send_task", side_effect=ConnectionError("no broker")) as send:
        for number in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                row = notify(user=user, kind="export_ready", title=f"No {number}")
    assert send.call_count == 1  # The next requests do not even try for five seconds.
    assert row.mail_status == Notification.MailStatus.PENDING


def test_the_doorbell_rings_after_the_commit_and_not_after_a_rollback(
    user, django_capture_on_commit_callbacks, monkeypatch
):
    monkeypatch.setattr(doorbell, "broker", Circuit("broker", event="doorbell"))
    with mock.patch("celery.app.base.Celery.send_task") as send, django_capture_on_commit_callbacks(execute=True):
        row = notify(user=user, kind="export_ready", title="Ready")
        send.assert_not_called()
    send.assert_called_once_with("accounts.tasks.deliver_notification", args=(row.pk,), countdown=None)
