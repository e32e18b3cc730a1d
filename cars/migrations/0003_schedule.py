"""The jobs of the sync. Made once and never overwritten: from then on they belong to the operator, in the admin."""

import json
from datetime import UTC, datetime

from django.db import migrations

# A start in the past lets the first tick come as soon as beat runs, not a period later.
START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = (
    (300, "sync_source", {"source": "cars"}, "Sync cars", "Brings the car registry up to date with its provider."),
    (60, "sweep_syncs", {}, "Sync sweep", "Finds syncs whose worker died, and rings again for those that wait."),
)
DAILY = (
    "sync_source",
    {"source": "cars", "full": True},
    "Full refresh of cars",
    "Reads the provider's whole list and withdraws cars that are no longer in it.",
)


def create(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for seconds, function, kwargs, name, description in EVERY:
        period = {"every": seconds, "period": "seconds"}
        task.get_or_create(
            name=f"cars: {name}",
            defaults={
                "task": f"cars.tasks.{function}",
                "kwargs": json.dumps(kwargs),
                "interval": intervals.filter(**period).first() or intervals.create(**period),
                "start_time": START,
                "description": description,
                # Whatever waits longer than its period is pointless: the next one does the same.
                "expire_seconds": seconds,
            },
        )
    function, kwargs, name, description = DAILY
    time = {"minute": "15", "hour": "2", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
    task.get_or_create(
        name=f"cars: {name}",
        defaults={
            "task": f"cars.tasks.{function}",
            "kwargs": json.dumps(kwargs),
            "crontab": crontabs.filter(**time).first() or crontabs.create(**time),
            "description": description,
        },
    )


def remove(apps, schema_editor):
    names = [f"cars: {name}" for name in (*(row[3] for row in EVERY), DAILY[2])]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("cars", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
