"""The jobs of parking. Made once and never overwritten: from then on they belong to the operator, in the admin."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import migrations

# A start in the past lets the first tick come as soon as beat runs, not a period later.
START = datetime(2026, 1, 1, tzinfo=UTC)
# Seconds, task, name, description.
EVERY = (
    (60, "sweep_no_shows", "No-shows", "Gives up reservations whose driver did not come."),
    (60, "sweep_overstays", "Overstays", "Extends vehicles that stay too long, and makes way for or moves who comes next."),
    (900, "send_reminders", "Reminders", "Once a day and person, at 18:00 where they live, to those who did not park lately."),
)
# Minute, hour, day of the month, zone, task, name, description.
AT = (
    ("0", "9", "1", settings.DEFAULT_USER_TIMEZONE, "send_monthly_reports", "Monthly reports", "Mails each driver who parked the report of the month before."),
    ("30", "9-23", "1,2", settings.DEFAULT_USER_TIMEZONE, "send_monthly_reports", "Late monthly reports", "Finds whom the first run could not serve, or whose month ends later than here."),
    ("30", "4", "*", "UTC", "blank_plates", "Plate retention", "Blanks plates PLATE_RETENTION_DAYS after their release, when that is set."),
)


def create(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for seconds, function, name, description in EVERY:
        period = {"every": seconds, "period": "seconds"}
        task.get_or_create(
            name=f"parking: {name}",
            defaults={
                "task": f"parking.tasks.{function}",
                "interval": intervals.filter(**period).first() or intervals.create(**period),
                "start_time": START,
                "description": description,
                # Whatever waits longer than its period is pointless: the next one does the same.
                "expire_seconds": seconds,
            },
        )
    for minute, hour, day, zone, function, name, description in AT:
        time = {"minute": minute, "hour": hour, "day_of_month": day, "day_of_week": "*", "month_of_year": "*", "timezone": zone}
        task.get_or_create(
            name=f"parking: {name}",
            defaults={
                "task": f"parking.tasks.{function}",
                "crontab": crontabs.filter(**time).first() or crontabs.create(**time),
                "description": description,
            },
        )


def remove(apps, schema_editor):
    names = [f"parking: {row[-2]}" for row in (*EVERY, *AT)]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("parking", "0003_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
