"""The Celery app. Tasks are found in every app's `tasks.py`; schedules live in the database
(django-celery-beat)."""

import os
import sys
from pathlib import Path

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

_PROGRAM = Path(sys.argv[0])
if "celery" in {_PROGRAM.name, _PROGRAM.parent.name}:  # `celery ...` or `python -m celery ...`, worker and beat.
    os.environ.setdefault("PROCESS_ROLE", "worker")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")


@setup_logging.connect
def keep_the_logging_of_the_settings(**_: object) -> None:
    """That somebody listens is enough for Celery to leave logging alone."""


app = Celery("forecourt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)
