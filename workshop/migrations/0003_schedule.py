"""The jobs of the workshop."""

from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(1800, "cars.tasks.sync_source", "Sync products", "Brings the suppliers' catalogue up to date.", {"source": "products"}),
    Every(600, "mail_low_stock", "Low stock mail", "Mails new low-stock alerts once, grouped by supplier."),
    Every(300, "expire_estimates", "Expiring estimates", "Tells advisors of estimates that ran out undecided."),
    Every(300, "resume_waiting", "Parts sweep", "Reserves parts for tickets that wait and resumes them."),
    At("45", "2", "cars.tasks.sync_source", "Full refresh of products", "Reads the provider's whole list and withdraws products that are no longer in it.", kwargs={"source": "products", "full": True}),
    At("0", "4", "audit_stock", "Stock audit", "Recomputes stock and invoices from their entries; the dashboard shows the result."),
)
create, remove = scheduling("workshop", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("workshop", "0002_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
