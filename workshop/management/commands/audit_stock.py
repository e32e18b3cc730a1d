"""`manage.py audit_stock`: whether stock and invoices equal the sums of their entries."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common import clock
from workshop.services.audit import audit_stock


class Command(BaseCommand):
    help = "Reckons stock and invoices again from their entries and prints what differs. Fails when something does."

    def handle(self, *args: Any, **options: Any) -> None:
        audit = audit_stock(now=clock.now())
        for row in audit.details:
            self.stdout.write(f"{row['kind']} of {row['id']}: expected {row['expected']}, found {row['found']}.")
        self.stdout.write(f"{audit.parts} parts, {audit.invoices} invoices, {audit.differences} differences.")
        if audit.differences:
            raise CommandError(f"{audit.differences} differences.")
