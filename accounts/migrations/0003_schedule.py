"""The jobs of accounts. Made once and never overwritten: from then on they belong to the operator, in the admin."""

from django.db import migrations

# Seconds, task, name, description.
EVERY = (
    (30, "heartbeat", "Heartbeat", "Proves that beat, broker and worker are alive; the health page reads it."),
    (60, "sweep_mail", "Mail sweep", "Mails what no worker was rung for, and what is due for another attempt."),
    (20, "sweep_exports", "Export sweep", "Rings again for exports that wait or whose worker died."),
)
DAILY = ("clean_up", "Daily clean-up", "Deletes expired exports, old idempotency records, sign-ins and login counters.")


def create(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for seconds, function, name, description in EVERY:
        interval, _ = intervals.get_or_create(every=seconds, period="seconds")
        # Whatever waits longer than its period is pointless: the next one does the same.
        task.get_or_create(
            name=f"accounts: {name}",
            defaults={
                "task": f"accounts.tasks.{function}",
                "interval": interval,
                "description": description,
                "expire_seconds": seconds,
            },
        )
    function, name, description = DAILY
    crontab, _ = crontabs.get_or_create(
        minute="30", hour="3", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    task.get_or_create(
        name=f"accounts: {name}",
        defaults={"task": f"accounts.tasks.{function}", "crontab": crontab, "description": description},
    )


def remove(apps, schema_editor):
    names = [f"accounts: {row[-2]}" for row in (*EVERY, DAILY)]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
