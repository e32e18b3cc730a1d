"""What the roles may do in auctions."""

from django.db import migrations

from accounts.roles import granting


class Migration(migrations.Migration):
    dependencies = [("auctions", "0002_append_only"), ("accounts", "0002_roles")]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(granting("auctions"), migrations.RunPython.noop, elidable=False)]
