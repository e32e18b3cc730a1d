"""What the roles may do in the settlement of sales. Only these permissions: what staff took away before stays so. And
the histories of orders from before begin with where they stand, told already."""

from django.db import migrations

from accounts.roles import granting

CODENAMES = (
    "view_offer", "view_settlementevent", "view_creditnote", "view_gatepass", "view_invoice", "view_ledgeraudit",
    "view_payment", "view_payout", "view_refund", "view_titletransfer", "view_transportorder", "view_webhookevent",
    "view_titledeadline", "add_titledeadline", "change_titledeadline", "delete_titledeadline", "add_invoice",
    "add_payment", "add_refund", "change_order", "change_payout", "change_titletransfer", "change_transportorder",
    "decide_refund", "read_sales_reports", "use_gatepass",
)  # fmt: skip


def begin_histories(apps, schema_editor):
    orders = apps.get_model("auctions", "Order").objects
    events = apps.get_model("auctions", "SettlementEvent").objects
    events.bulk_create(
        events.model(
            subject="order", subject_id=order.pk, order=order, new=order.status, at=order.created_at,
            told_at=order.created_at,
        )
        for order in orders.filter(events=None)
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("auctions", "0007_money_is_append_only"), ("accounts", "0002_roles")]
    # Backwards the groups stay: people are in them.
    operations = [
        migrations.RunPython(granting("auctions", *CODENAMES), migrations.RunPython.noop, elidable=False),
        migrations.RunPython(begin_histories, migrations.RunPython.noop),
    ]
