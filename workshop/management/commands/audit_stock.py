"""`manage.py audit_stock`: whether stock and invoices equal the sums of their entries."""

from __future__ import annotations

from common.management.audits import AuditCommand
from workshop.services.audit import audit_stock


class Command(AuditCommand):
    help = "Reckons stock and invoices again from their entries and prints what differs. Fails when something does."
    audit = staticmethod(audit_stock)
    counted = ("parts", "invoices")
