"""The jobs of the workshop. Made once and never overwritten: from then on they belong to the operator, in the admin."""

import json
from datetime import UTC, datetime

from django.db import migrations

# A start in the past lets the first tick come as soon as beat runs, not a period later.
START = datetime(2026, 1, 1, tzinfo=UTC)
# Seconds, task, arguments, name, description.
EVERY = (
    (1800, "cars.tasks.sync_source", {"source": "products"}, "Sync products", "Brings the suppliers' catalogue up to date."),
    (600, "workshop.tasks.mail_low_stock", {}, "Low stock mail", "Mails new low-stock alerts once, grouped by supplier."),
    (300, "workshop.tasks.expire_estimates", {}, "Expiring estimates", "Tells advisors of estimates that ran out undecided."),
    (300, "workshop.tasks.resume_waiting", {}, "Parts sweep", "Reserves parts for tickets that wait and resumes them."),
)
# Minute, hour, task, arguments, name, description.
DAILY = (
    ("45", "2", "cars.tasks.sync_source", {"source": "products", "full": True}, "Full refresh of products", "Reads the provider's whole list and withdraws products that are no longer in it."),
    ("0", "4", "workshop.tasks.audit_stock", {}, "Stock audit", "Recomputes stock and invoices from their entries; the dashboard shows the result."),
)


def create(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for seconds, function, kwargs, name, description in EVERY:
        period = {"every": seconds, "period": "seconds"}
        task.get_or_create(
            name=f"workshop: {name}",
            defaults={
                "task": function,
                "kwargs": json.dumps(kwargs),
                "interval": intervals.filter(**period).first() or intervals.create(**period),
                "start_time": START,
                "description": description,
                # Whatever waits longer than its period is pointless: the next one does the same.
                "expire_seconds": seconds,
            },
        )
    for minute, hour, function, kwargs, name, description in DAILY:
        time = {"minute": minute, "hour": hour, "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
        task.get_or_create(
            name=f"workshop: {name}",
            defaults={
                "task": function,
                "kwargs": json.dumps(kwargs),
                "crontab": crontabs.filter(**time).first() or crontabs.create(**time),
                "description": description,
            },
        )


def remove(apps, schema_editor):
    names = [f"workshop: {row[-2]}" for row in (*EVERY, *DAILY)]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("workshop", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
