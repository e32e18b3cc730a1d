"""The groups of accounts.roles with the permissions of this app."""

from django.db import migrations

from accounts.roles import granting


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(granting("accounts"), migrations.RunPython.noop, elidable=False)]
