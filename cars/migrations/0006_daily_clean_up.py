"""The daily clean-up of the registry."""

from django.db import migrations

from common.schedules import At, scheduling

JOBS = (At("40", "3", "clean_up", "Daily clean-up", "Deletes expired answers about VINs."),)
create, remove = scheduling("cars", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("cars", "0005_run_reference"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
