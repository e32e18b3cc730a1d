"""What the roles may do in the workshop."""

from django.db import migrations

from accounts.roles import granting


class Migration(migrations.Migration):
    dependencies = [("workshop", "0001_initial"), ("accounts", "0002_roles")]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(granting("workshop"), migrations.RunPython.noop, elidable=False)]
