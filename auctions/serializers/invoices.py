"""Invoices of sales and their credit notes as JSON. All amounts are those of the day of issue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import SerializerMethodField

from auctions.fees import LINE_KINDS
from auctions.models import CreditNote, Invoice, InvoiceLine
from auctions.models.money import SUM
from auctions.services.balances import overpaid
from common.fields import IdField, StrictCharField, StrictChoiceField, StrictDecimalField
from common.money import ZERO
from common.serializers import StrictModelSerializer

_AMOUNT: Any = StrictDecimalField(**SUM, read_only=True)


class SaleInvoiceLineSerializer(StrictModelSerializer):
    """What one part of the price is; a tax is a line of its own."""

    kind = StrictChoiceField(choices=LINE_KINDS, read_only=True)

    class Meta:
        model = InvoiceLine
        fields = ("position", "kind", "description", "amount")
        read_only_fields = fields


class SaleCreditNoteSerializer(StrictModelSerializer):
    """What the buyer does not owe after all. `refund` is the one that it was issued for."""

    invoice = IdField(source="invoice_id", read_only=True)
    invoice_number = StrictCharField(source="invoice.number", max_length=20, read_only=True)
    currency = StrictCharField(source="invoice.currency", max_length=3, read_only=True)
    refund = IdField(source="refund_id", read_only=True, allow_null=True)

    class Meta:
        model = CreditNote
        fields = ("id", "number", "invoice", "invoice_number", "refund", "amount", "currency", "reason", "issued_at")
        read_only_fields = fields


class OwedSerializer(StrictModelSerializer):
    """What of an invoice is shown with its figures and not stored: `balance` is still owed (of an unpaid order also
    instead of what is on its way back), `credit` was paid beyond what is."""

    balance = SerializerMethodField()
    credit = SerializerMethodField()

    @extend_schema_field(_AMOUNT)
    def get_balance(self, invoice: Invoice) -> Decimal:
        return max(invoice.balance, ZERO)

    @extend_schema_field(_AMOUNT)
    def get_credit(self, invoice: Invoice) -> Decimal:
        return overpaid(invoice)


class SaleInvoiceSummarySerializer(OwedSerializer):
    """An invoice in lists. `balance` is what is still owed (of an unpaid order also instead of what is on its way back
    to the buyer), `credit` what was paid beyond what is."""

    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    buyer = IdField(source="order.buyer_id", read_only=True)
    vehicle = StrictCharField(source="vehicle_text", max_length=300, read_only=True)

    class Meta:
        model = Invoice
        fields: tuple[str, ...] = (
            "id",
            "number",
            "status",
            "order",
            "order_number",
            "buyer",
            "buyer_name",
            "buyer_email",
            "buyer_address",
            "buyer_state",
            "vehicle",
            "currency",
            "subtotal",
            "tax_total",
            "total",
            "paid",
            "credited",
            "balance",
            "credit",
            "issued_at",
            "due_at",
        )
        read_only_fields = fields


class SaleInvoiceSerializer(SaleInvoiceSummarySerializer):
    """An invoice with its lines, as issued, and its credit notes. Only `status`, `paid`, `credited`, what follows from
    these and the credit notes go on changing."""

    lines = SaleInvoiceLineSerializer(many=True, read_only=True)
    credit_notes = SaleCreditNoteSerializer(many=True, read_only=True)

    class Meta(SaleInvoiceSummarySerializer.Meta):
        fields = (*SaleInvoiceSummarySerializer.Meta.fields, "lines", "credit_notes")
        read_only_fields = fields
