"""Each kind of job has a queue; a worker that is told of none takes from all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from config.celery import app


def queue_of(task: str) -> str:
    return str(app.amqp.router.route({}, task)["queue"].name)


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("auctions.tasks.close_auctions", "auctions"),
        ("auctions.tasks.process_webhooks", "auctions"),
        ("auctions.tasks.process_image", "default"),
        ("auctions.tasks.verify_auctions", "default"),
        ("auctions.tasks.send_digests", "mail"),
        ("cars.tasks.run_sync", "sync"),
        ("workshop.tasks.resume_waiting", "default"),
        ("accounts.tasks.deliver_notification", "mail"),
        ("accounts.tasks.run_export", "default"),
        ("accounts.tasks.heartbeat", "default"),
        ("parking.tasks.send_reminders", "mail"),
        ("parking.tasks.sweep_no_shows", "default"),
    ],
)
def test_jobs_go_to_the_queue_of_their_kind(task: str, queue: str) -> None:
    assert queue_of(task) == queue


def test_no_route_is_for_a_task_that_is_not_there(settings: Any) -> None:
    app.loader.import_default_modules()
    named = {name for name in settings.CELERY_TASK_ROUTES if "*" not in name}
    assert named <= set(app.tasks)


def test_a_worker_that_is_told_of_no_queue_takes_from_all() -> None:
    app.loader.import_default_modules()
    consumed = set(app.amqp.queues.consume_from)
    assert consumed == {"default", "auctions", "sync", "mail"}
    assert {queue_of(task) for task in app.tasks if not task.startswith("celery.")} == consumed


def test_a_worker_of_one_queue_leaves_the_others_alone(tmp_path: Path, settings: Any) -> None:
    own = Celery("own", set_as_current=False)
    own.config_from_object("django.conf:settings", namespace="CELERY")
    own.amqp.queues.select(["auctions"])
    assert set(own.amqp.queues.consume_from) == {"auctions"}
