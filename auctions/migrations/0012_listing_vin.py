"""One live listing of a VIN, also when its vehicle was archived and registered anew."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("auctions", "0005_tables")]
    operations = [
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.UniqueConstraint(
                fields=["vin"],
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "draft",
                            "pending_review",
                            "changes_requested",
                            "active",
                            "in_auction",
                            "pending_sale",
                            "suspended",
                        ],
                    )
                ),
                name="listing_live_vin",
            ),
        ),
    ]
