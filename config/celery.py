"""The Celery app. Tasks are found in every app's `tasks.py`; schedules live in the database
(django-celery-beat)."""

import os
import sys
from pathlib import Path

import structlog
from celery import Celery, Task
from celery.signals import setup_logging, task_success, worker_shutting_down
from django.dispatch import receiver
from django_structlog.celery.signals import bind_extra_task_metadata
from django_structlog.celery.steps import DjangoStructLogInitStep

from common import stopping
from config import broker

_PROGRAM = Path(sys.argv[0])
if "celery" in {_PROGRAM.name, _PROGRAM.parent.name}:  # `celery ...` or `python -m celery ...`, worker and beat.
    os.environ.setdefault("PROCESS_ROLE", "worker")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")


@setup_logging.connect
def keep_the_logging_of_the_settings(**_: object) -> None:
    """That somebody listens is enough for Celery to leave logging alone."""


@worker_shutting_down.connect
def tell_the_running_jobs(**_: object) -> None:
    """Before the worker begins to wait for them."""
    stopping.ask_to_stop()


@receiver(bind_extra_task_metadata)
def name_the_task(task: Task, **_: object) -> None:
    """Every line that a task logs says which one it is."""
    structlog.contextvars.bind_contextvars(task=task.name)


@task_success.connect
def note_that_it_ran(sender: Task, **_: object) -> None:
    """For the metrics: a row, because a worker has no port that could be asked."""
    if os.environ.get("PROCESS_ROLE") == "worker":
        from accounts.beats import note_success

        note_success(sender.name)


class BoundedTask(Task):
    """A task whose process was killed comes again at once, and after five attempts no more: one that always takes its
    process with it must not go round for ever. What was to be done is a row, which bounds its own attempts too."""

    retry_on_worker_lost = True  # As a new message, which counts; the rejected one would come back without a number.
    max_retries = 4
    default_retry_delay = 0


broker.register()
app = Celery("forecourt", task_cls=BoundedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)
