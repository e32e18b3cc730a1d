"""The audit: what is kept as a sum is reckoned again from its entries. It finds what went round the services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db.models import F, QuerySet, Value, Window
from django.db.models.fields import DecimalField
from django.db.models.functions import Coalesce, Lag

from common.audits import Check, run_checks, stored_sum
from workshop.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    Part,
    PartLine,
    Payment,
    StockAudit,
    StockMovement,
)
from workshop.models.stock import QUANTITY

logger = structlog.get_logger(__name__)


def audit_stock(*, now: datetime) -> StockAudit:
    """Compare stock with its movements and reservations, and invoices with their lines, payments and credit notes.
    Answers the row that says what was found; nothing is mended."""
    found = run_checks([*_sums(), Check("movement_before", _broken_chains())])
    audit = StockAudit.objects.create(
        at=now,
        parts=Part.objects.count(),
        invoices=Invoice.objects.count(),
        differences=found.differences,
        details=found.details,
    )
    if found.differences:
        logger.error("stock_audit_differences", audit=audit.pk, differences=found.differences)
    return audit


def _sums() -> list[Check]:
    parts, invoices, credit_notes = Part.objects.all(), Invoice.objects.all(), CreditNote.objects.all()
    movements = StockMovement.objects.all()
    reserved = PartLine.objects.filter(stock=PartLine.Stock.RESERVED)
    return [
        stored_sum("part_on_hand", parts, "on_hand", movements, "part", "on_hand_delta"),
        stored_sum("part_reserved", parts, "reserved", movements, "part", "reserved_delta"),
        stored_sum("part_reserved_by_lines", parts, "reserved", reserved, "part", "quantity"),
        stored_sum("invoice_subtotal", invoices, "subtotal", InvoiceLine.objects.all(), "invoice", "net"),
        stored_sum("invoice_tax_total", invoices, "tax_total", InvoiceLine.objects.all(), "invoice", "tax"),
        stored_sum("invoice_paid", invoices, "paid", Payment.objects.all(), "invoice", "amount"),
        stored_sum("invoice_credited", invoices, "credited", credit_notes, "invoice", "total"),
        stored_sum(
            "credit_note_subtotal", credit_notes, "subtotal", CreditNoteLine.objects.all(), "credit_note", "net"
        ),
        stored_sum(
            "credit_note_tax_total", credit_notes, "tax_total", CreditNoteLine.objects.all(), "credit_note", "tax"
        ),
    ]


def _broken_chains() -> QuerySet[Any]:
    """Movements that do not begin where the part's one before ended."""
    nothing = Value(0, output_field=DecimalField(**QUANTITY))
    earlier = Coalesce(Window(Lag("after"), partition_by="part_id", order_by="pk"), nothing)
    chained = StockMovement.objects.order_by("pk").annotate(expected=earlier)
    return chained.exclude(before=F("expected")).values_list("pk", "expected", "before")
