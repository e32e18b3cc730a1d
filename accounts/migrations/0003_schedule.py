"""The jobs of accounts."""

from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(30, "heartbeat", "Heartbeat", "Proves that beat, broker and worker are alive; the health page reads it."),
    Every(60, "sweep_mail", "Mail sweep", "Mails what no worker was rung for, and what is due for another attempt."),
    Every(20, "sweep_exports", "Export sweep", "Rings again for exports that wait or whose worker died."),
    At("30", "3", "clean_up", "Daily clean-up", "Deletes expired exports, old idempotency records, sign-ins and login counters."),
)
create, remove = scheduling("accounts", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
