"""The jobs of the sync."""

from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(300, "sync_source", "Sync cars", "Brings the car registry up to date with its provider.", {"source": "cars"}),
    Every(60, "sweep_syncs", "Sync sweep", "Finds syncs whose worker died, and rings again for those that wait."),
    At("15", "2", "sync_source", "Full refresh of cars", "Reads the provider's whole list and withdraws cars that are no longer in it.", kwargs={"source": "cars", "full": True}),
)
create, remove = scheduling("cars", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("cars", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
