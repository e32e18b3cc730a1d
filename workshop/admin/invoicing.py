"""Invoices, payments and credit notes. Amounts never change here: corrections are credit notes, over the API."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from common.admin import ReadOnlyAdmin, ReadOnlyInline, button, money_column, status_column
from workshop.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, Payment

STATUS_COLORS = {
    Invoice.Status.OPEN: "warning",
    Invoice.Status.PARTIALLY_PAID: "info",
    Invoice.Status.PAID: "success",
}


class InvoiceLineInline(ReadOnlyInline):
    """The frozen lines."""

    model = InvoiceLine
    fields = readonly_fields = (
        "position", "kind", "job_title", "description", "quantity", "unit", "unit_price", "net", "tax_rate", "tax",
    )  # fmt: skip


class PaymentInline(ReadOnlyInline):
    """What came in; a negative amount went back."""

    model = Payment
    fields = readonly_fields = ("amount", "method", "reference", "received_at", "received_by")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """What customers owe."""

    list_display = (
        "number", "customer_name", "ticket", "show_status", "show_total", "show_balance", "issued_at",
    )  # fmt: skip
    list_filter = ("status", "year", "issued_at")
    list_select_related = ("ticket",)
    search_fields = ("number", "customer_name", "customer_email")
    inlines = [InvoiceLineInline, PaymentInline]
    actions_detail = ["pdf"]

    show_status = status_column(STATUS_COLORS)

    show_total = money_column("total")
    show_balance = money_column("balance")

    @button(description="PDF", permissions=["view"], url_path="pdf", icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("workshop-invoice-pdf", args=[int(object_id)]))


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """All payments."""

    list_display = ("invoice", "amount", "method", "reference", "received_at", "received_by")
    list_filter = ("method", "received_at")
    list_select_related = ("invoice", "received_by")
    search_fields = ("invoice__number", "reference")


class CreditNoteLineInline(ReadOnlyInline):
    """What was taken back."""

    model = CreditNoteLine
    fields = readonly_fields = ("invoice_line", "quantity", "net", "tax")


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    """Corrections of invoices."""

    list_display = ("number", "invoice", "total", "reason", "issued_at", "issued_by")
    list_filter = ("year",)
    list_select_related = ("invoice", "issued_by")
    search_fields = ("number", "invoice__number", "reason")
    inlines = [CreditNoteLineInline]
