"""`manage.py audit_ledger`: whether all money of sales is what its rows say."""

from __future__ import annotations

from auctions.services.ledger import audit_ledger
from common.management.audits import AuditCommand


class Command(AuditCommand):
    help = "Reckons the money of all sales again and prints what differs. Fails when something does."
    audit = staticmethod(audit_ledger)
    counted = ("orders",)
