"""Invoices, payments and credit notes as JSON. All amounts are those of the day of issue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from common.fields import (
    IdField,
    NameField,
    StrictCharField,
    StrictDecimalField,
)
from common.serializers import (
    CounterPaymentCreateSerializer,
    CounterPaymentSerializer,
    StrictModelSerializer,
    StrictSerializer,
)
from workshop.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, Payment

QUANTITY: dict[str, Any] = {"max_digits": 12, "decimal_places": 3}
SIGNED_MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 2, "read_only": True}


class InvoiceLineSerializer(StrictModelSerializer):
    """`net` is quantity times unit price. `credited_quantity` is what credit notes took back; `unit_cost` is what a
    part cost, null for those who may not see it."""

    credited_quantity = StrictDecimalField(**QUANTITY, read_only=True)

    class Meta:
        model = InvoiceLine
        fields = (
            "id",
            "position",
            "kind",
            "job_title",
            "description",
            "sku",
            "quantity",
            "unit",
            "unit_price",
            "unit_cost",
            "tax_rate",
            "net",
            "tax",
            "credited_quantity",
        )
        read_only_fields = fields

    def to_representation(self, instance: InvoiceLine) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("workshop.view_costs"):
            data["unit_cost"] = None
        return data


class InvoiceSummarySerializer(StrictModelSerializer):
    """An invoice in lists. `balance` is what is still owed; below zero what is owed to the customer."""

    ticket = IdField(source="ticket_id", read_only=True)
    ticket_number = StrictCharField(source="ticket.number", max_length=32, read_only=True)
    customer = IdField(source="customer_id", read_only=True)
    vehicle = StrictCharField(source="vehicle_text", max_length=300, read_only=True)
    balance = StrictDecimalField(**SIGNED_MONEY)

    class Meta:
        model = Invoice
        fields: tuple[str, ...] = (
            "id",
            "number",
            "status",
            "ticket",
            "ticket_number",
            "customer",
            "customer_name",
            "customer_email",
            "customer_phone",
            "vehicle",
            "odometer",
            "odometer_unit",
            "service_date",
            "currency",
            "subtotal",
            "tax_total",
            "total",
            "paid",
            "credited",
            "balance",
            "issued_at",
        )
        read_only_fields = fields


class InvoiceSerializer(InvoiceSummarySerializer):
    """An invoice with its lines, as issued; only `status`, `paid`, `credited` and `balance` go on changing."""

    lines = InvoiceLineSerializer(many=True, read_only=True)

    class Meta(InvoiceSummarySerializer.Meta):
        fields = (*InvoiceSummarySerializer.Meta.fields, "lines")
        read_only_fields = fields


class PaymentSerializer(CounterPaymentSerializer):
    """Money received; a negative amount was refunded. Who took it is shown to staff."""

    invoice = IdField(source="invoice_id", read_only=True)
    shows_receiver_to = "workshop.view_payment"

    class Meta:
        model = Payment
        fields = ("id", "invoice", "amount", "method", "reference", "received_at", "received_by")
        read_only_fields = fields


class PaymentCreateSerializer(CounterPaymentCreateSerializer):
    """Money that came in or went back. `reference` is what finds it again: a receipt, a transfer's text."""


class CreditNoteLineSerializer(StrictModelSerializer):
    """Some of a line of the invoice, taken back."""

    line = IdField(source="invoice_line_id", read_only=True)
    description = StrictCharField(source="invoice_line.description", max_length=300, read_only=True)

    class Meta:
        model = CreditNoteLine
        fields = ("line", "description", "quantity", "net", "tax")
        read_only_fields = fields


class CreditNoteSerializer(StrictModelSerializer):
    """A correction of an invoice: what the customer does not owe after all."""

    invoice = IdField(source="invoice_id", read_only=True)
    invoice_number = StrictCharField(source="invoice.number", max_length=20, read_only=True)
    currency = StrictCharField(source="invoice.currency", max_length=3, read_only=True)
    lines = CreditNoteLineSerializer(many=True, read_only=True)

    class Meta:
        model = CreditNote
        fields = (
            "id",
            "number",
            "invoice",
            "invoice_number",
            "reason",
            "currency",
            "subtotal",
            "tax_total",
            "total",
            "issued_at",
            "lines",
        )
        read_only_fields = fields


class CreditedLineSerializer(StrictSerializer):
    """A line of the invoice, by its id, and how much of it is taken back."""

    line = IdField()
    quantity = StrictDecimalField(**QUANTITY, min_value=Decimal("0.001"))


class CreditNoteCreateSerializer(StrictSerializer):
    """What is taken back, and why."""

    lines = CreditedLineSerializer(many=True, allow_empty=False)
    reason = NameField(max_length=300)
