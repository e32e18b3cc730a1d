"""Figures of the jobs for Prometheus, from their rows: what waits, what failed, and when each task last ended well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Min, QuerySet
from django_celery_beat.models import PeriodicTask
from prometheus_client.core import GaugeMetricFamily

from accounts.beats import BEAT, name_of
from accounts.models import Export, Heartbeat, Notification
from auctions.models import ListingImage, WebhookEvent
from cars.models import SyncRun
from common import clock

FAILED_WITHIN = timedelta(days=1)


class Waiting(NamedTuple):
    """Rows of one kind of job: `waiting` ones, the column that says since when, and `failed` ones with theirs."""

    waiting: QuerySet[Any]
    since: str
    failed: QuerySet[Any]
    failed_at: str


def kinds() -> dict[str, Waiting]:
    runs, exports, mails = SyncRun.objects.order_by(), Export.objects.order_by(), Notification.objects.order_by()
    photos, webhooks = ListingImage.objects.order_by(), WebhookEvent.objects.order_by()
    mail_failed = mails.filter(mail_status="failed")
    webhook_failed = webhooks.filter(outcome="failed")
    return {
        "sync": Waiting(runs.filter(status="queued"), "queued_at", runs.filter(status="failed"), "finished_at"),
        "export": Waiting(
            exports.filter(status="queued"), "created_at", exports.filter(status="failed"), "finished_at"
        ),
        "mail": Waiting(mails.filter(mail_status="pending"), "created_at", mail_failed, "created_at"),
        "photo": Waiting(
            photos.filter(status="processing"), "created_at", photos.filter(status="failed"), "updated_at"
        ),
        "webhook": Waiting(webhooks.filter(processed_at=None), "received_at", webhook_failed, "received_at"),
    }


class JobFigures:
    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = clock.now()
        depth = GaugeMetricFamily("forecourt_jobs_waiting", "Jobs that no worker has begun.", labels=["kind"])
        age = GaugeMetricFamily(
            "forecourt_jobs_oldest_seconds", "Since the oldest of them was asked for.", labels=["kind"]
        )
        failed = GaugeMetricFamily("forecourt_jobs_failed", "Jobs that failed within a day.", labels=["kind"])
        for kind, rows in kinds().items():
            found = rows.waiting.aggregate(number=Count("pk"), oldest=Min(rows.since))
            depth.add_metric([kind], found["number"])
            age.add_metric([kind], max(0.0, (now - found["oldest"]).total_seconds()) if found["oldest"] else 0.0)
            failed.add_metric([kind], rows.failed.filter(**{f"{rows.failed_at}__gte": now - FAILED_WITHIN}).count())
        yield from (depth, age, failed)
        yield from self._schedules()

    def _schedules(self) -> Iterator[GaugeMetricFamily]:
        """Schedules that are switched off are not missed."""
        now, ended = clock.now(), dict(Heartbeat.objects.exclude(name=BEAT).values_list("name", "beat_at"))
        since = GaugeMetricFamily("forecourt_task_success_age_seconds", "Since it last ended well.", labels=["task"])
        period = GaugeMetricFamily("forecourt_task_period_seconds", "How often it is due.", labels=["task"])
        for task in PeriodicTask.objects.filter(enabled=True).select_related("interval").order_by("pk"):
            name = name_of(task.task)
            if name in ended:
                since.add_metric([name], max(0.0, (now - ended.pop(name)).total_seconds()))
            if task.interval is not None:
                period.add_metric([name], task.interval.schedule.run_every.total_seconds())
        yield from (since, period)
