"""The increment tables and the fee schedule to begin with. From then on they belong to the staff."""

from datetime import UTC, datetime

from django.db import migrations

from auctions.increments import DEFAULT_TIERS, EBAY_TIERS

# As `auctions.fees.DEFAULT_SCHEDULE` was; the columns that came later have their own defaults.
SCHEDULE = {
    "kind": "percent", "percent": "5.00", "minimum": "250.00", "maximum": "7500.00", "tiers": [],
    "title_processing": "75.00", "tax_rates": {}, "taxable": [],
}  # fmt: skip


def create(apps, schema_editor):
    tables = apps.get_model("auctions", "IncrementTable").objects
    tables.get_or_create(name="Vehicles", defaults={"tiers": DEFAULT_TIERS, "is_default": True})
    tables.get_or_create(name="Small things", defaults={"tiers": EBAY_TIERS})
    apps.get_model("auctions", "FeeSchedule").objects.get_or_create(
        name="Standard", defaults={**SCHEDULE, "valid_from": datetime(2026, 1, 1, tzinfo=UTC)}
    )


class Migration(migrations.Migration):
    dependencies = [("auctions", "0004_schedule")]
    # Backwards they go with their tables.
    operations = [migrations.RunPython(create, migrations.RunPython.noop, elidable=False)]
