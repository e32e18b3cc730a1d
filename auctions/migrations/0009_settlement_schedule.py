"""The jobs of the settlement of sales."""

from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(5, "tell_settlements", "Sales", "Tells buyers and sellers what happened to their offers and orders."),
    Every(30, "make_offers", "Offers", "Offers missed reserves to their sellers, and lost sales to the next bidder."),
    Every(30, "expire_offers", "Expiring offers", "Ends offers that nobody decided on in time."),
    Every(60, "chase_orders", "Unpaid orders", "Marks orders overdue, and ends those that stay unpaid."),
    Every(5, "run_sandbox", "Payment sandbox", "Settles payments and refunds of the sandbox, and reports by webhook."),
    Every(60, "process_webhooks", "Webhooks", "Takes up what providers reported and what failed to be processed."),
    Every(30, "send_refunds", "Refunds", "Sends approved refunds to their payment providers."),
    Every(3600, "chase_titles", "Late titles", "Marks titles that are late, and says so."),
    At("0", "7", "remind_of_payouts", "Payouts due", "Tells finance how many sellers wait for their money."),
    At("45", "3", "audit_ledger", "Ledger", "Reckons all money of sales again and compares it with what is stored."),
)
create, remove = scheduling("auctions", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("auctions", "0008_settlement_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
