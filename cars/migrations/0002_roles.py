"""What the roles may do in the garage. The registry and the sync are the administrators'."""

from django.db import migrations

from accounts.roles import granting


class Migration(migrations.Migration):
    dependencies = [("cars", "0001_initial"), ("accounts", "0002_roles")]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(granting("cars"), migrations.RunPython.noop, elidable=False)]
