"""The audit: what is kept as a sum is reckoned again from its entries. It finds what went round the services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import structlog
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum, Value, Window
from django.db.models.fields import DecimalField
from django.db.models.functions import Coalesce, Lag, Round

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

MOST_DETAILS = 200


class _Sum(NamedTuple):
    """A column that has to equal the sum of `entries`' `amount` over those that refer to its row by `parent`."""

    kind: str
    rows: QuerySet[Any]
    column: str
    entries: QuerySet[Any]
    parent: str
    amount: str

    def differences(self) -> QuerySet[Any]:
        """Rows of id, expected and found. One statement, so that it sees one moment whatever is going on."""
        field: Any = self.rows.model._meta.get_field(self.column)
        entries = self.entries.filter(**{self.parent: OuterRef("pk")}).order_by()
        total = Subquery(entries.values(self.parent).annotate(total=Sum(self.amount)).values("total"))
        nothing = Value(0, output_field=DecimalField(max_digits=field.max_digits, decimal_places=field.decimal_places))
        # Rounded, because SQLite adds decimals as floats.
        expected = Round(Coalesce(total, nothing), precision=field.decimal_places)
        differing = self.rows.order_by("pk").annotate(expected=expected).exclude(**{self.column: F("expected")})
        return differing.values_list("pk", "expected", self.column)


def audit_stock(*, now: datetime) -> StockAudit:
    """Compare stock with its movements and reservations, and invoices with their lines, payments and credit notes.
    Answers the row that says what was found; nothing is mended."""
    details: list[dict[str, Any]] = []
    differences = 0
    for kind, pk, expected, found in _differences():
        differences += 1
        if len(details) < MOST_DETAILS:
            # As many places as are stored: a sum of floats has none to speak of.
            details.append({"kind": kind, "id": pk, "expected": str(expected.quantize(found)), "found": str(found)})
    audit = StockAudit.objects.create(
        at=now,
        parts=Part.objects.count(),
        invoices=Invoice.objects.count(),
        differences=differences,
        details=details,
    )
    if differences:
        logger.error("stock_audit_differences", audit=audit.pk, differences=differences)
    return audit


def _differences() -> Iterator[tuple[str, int, Decimal, Decimal]]:
    for check in _sums():
        for pk, expected, found in check.differences().iterator():
            yield check.kind, pk, expected, found
    for pk, expected, found in _broken_chains().iterator():
        yield "movement_before", pk, expected, found


def _sums() -> list[_Sum]:
    parts, invoices, credit_notes = Part.objects.all(), Invoice.objects.all(), CreditNote.objects.all()
    movements = StockMovement.objects.all()
    reserved = PartLine.objects.filter(stock=PartLine.Stock.RESERVED)
    return [
        _Sum("part_on_hand", parts, "on_hand", movements, "part", "on_hand_delta"),
        _Sum("part_reserved", parts, "reserved", movements, "part", "reserved_delta"),
        _Sum("part_reserved_by_lines", parts, "reserved", reserved, "part", "quantity"),
        _Sum("invoice_subtotal", invoices, "subtotal", InvoiceLine.objects.all(), "invoice", "net"),
        _Sum("invoice_tax_total", invoices, "tax_total", InvoiceLine.objects.all(), "invoice", "tax"),
        _Sum("invoice_paid", invoices, "paid", Payment.objects.all(), "invoice", "amount"),
        _Sum("invoice_credited", invoices, "credited", credit_notes, "invoice", "total"),
        _Sum("credit_note_subtotal", credit_notes, "subtotal", CreditNoteLine.objects.all(), "credit_note", "net"),
        _Sum("credit_note_tax_total", credit_notes, "tax_total", CreditNoteLine.objects.all(), "credit_note", "tax"),
    ]


def _broken_chains() -> QuerySet[Any]:
    """Movements that do not begin where the part's one before ended."""
    nothing = Value(0, output_field=DecimalField(**QUANTITY))
    earlier = Coalesce(Window(Lag("after"), partition_by="part_id", order_by="pk"), nothing)
    chained = StockMovement.objects.order_by("pk").annotate(expected=earlier)
    return chained.exclude(before=F("expected")).values_list("pk", "expected", "before")
