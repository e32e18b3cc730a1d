"""What the roles may do in the parking."""

from django.db import migrations

from accounts.roles import granting


class Migration(migrations.Migration):
    dependencies = [("parking", "0002_exclusions"), ("accounts", "0002_roles")]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(granting("parking"), migrations.RunPython.noop, elidable=False)]
