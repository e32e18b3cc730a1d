"""`manage.py audit_ledger`: whether all money of sales is what its rows say."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from auctions.services.ledger import audit_ledger
from common import clock


class Command(BaseCommand):
    help = "Reckons the money of all sales again and prints what differs. Exit code 1 when something does."

    def handle(self, *args: Any, **options: Any) -> None:
        audit = audit_ledger(now=clock.now())
        for row in audit.details:
            self.stdout.write(f"{row['kind']} of {row['id']}: expected {row['expected']}, found {row['found']}.")
        self.stdout.write(f"{audit.orders} orders, {audit.differences} differences.")
        if audit.differences:
            raise CommandError(f"{audit.differences} differences.")
