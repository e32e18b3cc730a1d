"""What PostgreSQL refuses itself: two reservations of one spot, or of one plate, at the same time. SQLite has no such
constraint; there the check inside the one writer's transaction is the whole protection."""

from django.db import migrations

OPEN = "status IN ('reserved', 'active')"
CONSTRAINTS = {"reservation_spot_free": "spot_id", "reservation_plate_once": "plate_key"}


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    for name, column in CONSTRAINTS.items():
        schema_editor.execute(
            f"ALTER TABLE parking_reservation ADD CONSTRAINT {name} EXCLUDE USING gist"
            f" ({column} WITH =, tstzrange(starts_at, ends_at, '[)') WITH &&) WHERE ({OPEN})"
        )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name in CONSTRAINTS:
        schema_editor.execute(f"ALTER TABLE parking_reservation DROP CONSTRAINT {name}")
    # The extension stays: others may use it by now.


class Migration(migrations.Migration):
    dependencies = [("parking", "0001_initial")]
    operations = [migrations.RunPython(create, remove)]
