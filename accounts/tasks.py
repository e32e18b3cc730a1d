"""The jobs of accounts: each reads the clock, calls a service and ends. The schedule is in the database."""

from __future__ import annotations

import time

from celery import shared_task

from accounts import api_keys, exports, notifications
from accounts.models import Heartbeat
from accounts.upkeep import delete_stale_rows
from common.clock import database_now
from common.doorbell import ring_on_commit
from common.sweeps import sweep

SWEEP_MAIL_S = 300


@shared_task
def heartbeat() -> None:
    """That this runs proves beat, broker and worker; the health page reads when it last did."""
    Heartbeat.objects.update_or_create(name="beat", defaults={"beat_at": database_now()})


@shared_task
def deliver_notification(notification_id: int) -> None:
    notifications.deliver(notification_id=notification_id, now=database_now())


@shared_task
def sweep_mail() -> None:
    """What is left stays due for the next one: a slow server must not take this job to its time limit, which would end
    it in the middle of a hand-over."""
    ends_at = time.monotonic() + SWEEP_MAIL_S
    for notification_id in notifications.due_mail(now=database_now()):
        if time.monotonic() >= ends_at:
            return
        notifications.deliver(notification_id=notification_id, now=database_now())


@shared_task
def run_export(export_id: str) -> None:
    exports.run_export(export_id=export_id, now=database_now())


@shared_task
def sweep_exports() -> None:
    for export_id in exports.due_exports(now=database_now()):
        ring_on_commit("accounts.tasks.run_export", str(export_id))


@shared_task
def clean_up() -> None:
    """Daily: files past their time, keys that are over or soon will be, and rows that only mattered for a while."""
    now = database_now()
    sweep(exports.expired_exports(now=now), exports.expire_export, now=now)
    exports.delete_orphans(now=now)
    api_keys.retire_dead_keys(now=now)
    api_keys.warn_of_expiry(now=now)
    delete_stale_rows(now=now)
