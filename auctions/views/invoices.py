"""Invoices of sales with their credit notes: `/api/invoices`, `/api/credit-notes`."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from auctions import pdf
from auctions.filters.invoices import SaleInvoiceFilter
from auctions.models import CreditNote, Invoice
from auctions.serializers.invoices import (
    SaleCreditNoteSerializer,
    SaleInvoiceSerializer,
    SaleInvoiceSummarySerializer,
)
from auctions.services.invoicing import invoice_order
from common import clock
from common.conditional import etag_of
from common.examples import shown
from common.pdf_views import PDFMixin, pdf_action
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command

ISSUED = {
    "id": 12,
    "number": "SINV-2025-000012",
    "status": "open",
    "order": 31,
    "order_number": "FO-7K3QX9ZD",
    "buyer": 5,
    "buyer_name": "Ada Bidder",
    "buyer_email": "ada@example.com",
    "buyer_address": "12 Elm Street\nAlbany, NY 12207\nUS",
    "buyer_state": "NY",
    "vehicle": "2018 Honda Accord EX, VIN 1HGCV1F34JA000001",
    "currency": "USD",
    "subtotal": "16275.00",
    "tax_total": "0.00",
    "total": "16275.00",
    "paid": "0.00",
    "credited": "0.00",
    "balance": "16275.00",
    "credit": "0.00",
    "issued_at": "2025-03-02T10:15:00.104512Z",
    "due_at": "2025-03-08T18:30:00Z",
}
LINES = [
    {"position": 1, "kind": "hammer", "description": "Hammer price, 2018 Honda Accord", "amount": "15000.00"},
    {"position": 2, "kind": "buyer_premium", "description": "Buyer's premium", "amount": "750.00"},
    {"position": 3, "kind": "title_processing", "description": "Title processing", "amount": "75.00"},
    {
        "position": 4,
        "kind": "transport",
        "description": "Transport to 12 Elm Street, Albany, NY 12207",
        "amount": "450.00",
    },
]
CREDITED = {
    "id": 3,
    "number": "SCN-2025-000003",
    "invoice": 12,
    "invoice_number": "SINV-2025-000012",
    "refund": 4,
    "amount": "275.00",
    "currency": "USD",
    "reason": "A scratch that the report does not show.",
    "issued_at": "2025-03-12T11:00:00.220143Z",
}
NOW_PAID = ISSUED | {"status": "paid", "paid": "16000.00", "credited": "275.00", "balance": "0.00"}
ROW = shown("an invoice", NOW_PAID)
INVOICE = shown("paid, and some of it credited", NOW_PAID | {"lines": LINES, "credit_notes": [CREDITED]})
NEW = shown("a new invoice", ISSUED | {"lines": LINES, "credit_notes": []})
CREDIT_NOTE = shown("a credit note", CREDITED)


class InvoiceActions:
    """`POST /orders/{id}/invoice`, for the viewset of orders."""

    @command(
        detail=True,
        response=SaleInvoiceSerializer,
        status=201,
        summary="Invoice an order at once",
        description="By finance, without waiting for the buyer to choose how the car leaves; what was booked by then "
        "is on it. Freezes price, premium, title processing, transport and the tax of the buyer's state under the next "
        "number of the year. The buyer has a day to pay at least: the due dates of the order move along. 409 "
        "`already_invoiced` with the invoice in `meta`, `invalid_transition` when the order is not unpaid.",
        examples=[NEW],
    )
    @idempotent
    def invoice(self: Any, request: Request, pk: int) -> Response:
        issued = invoice_order(order_id=self.get_object().pk, actor=self.caller, now=clock.now())
        data = self.represent(_whole(Invoice.objects.all()).get(pk=issued.pk), SaleInvoiceSerializer)
        location = reverse("sale-invoice-detail", kwargs={"pk": issued.pk}, request=request)
        return Response(data, status=201, headers={"ETag": etag_of(data), "Location": location})

    # Stands here, so that no viewset can take the command without it.
    invoice.kwargs["permission_classes"] = [SignedIn, ObjectPerm.of("auctions.add_invoice")]


def _whole(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """With all that a single invoice shows."""
    return _with_balance(rows).prefetch_related("lines", Prefetch("credit_notes", CreditNote.objects.order_by("id")))


def _with_balance(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """With what it depends on."""
    return rows.select_related("order").prefetch_related("order__refunds")


@extend_schema_view(
    list=extend_schema(
        summary="List invoices of sales",
        description="Buyers see their own, finance all; the newest first, without lines. An invoice is between buyer "
        "and house: for the seller it does not exist.",
        examples=[ROW],
    ),
    retrieve=extend_schema(
        summary="Read an invoice of a sale", description="With its lines and credit notes.", examples=[INVOICE]
    ),
)
class SaleInvoiceViewSet(PDFMixin, ListMixin, RetrieveMixin, ApiViewSet):
    """Invoices as issued. They are never edited: payments, refunds and credit notes are rows of their own."""

    queryset = Invoice.objects.all()
    serializer_class = SaleInvoiceSerializer
    filterset_class = SaleInvoiceFilter
    permission_classes = [SignedIn]
    action_serializers = {"list": SaleInvoiceSummarySerializer}

    def get_queryset(self) -> QuerySet[Invoice]:
        rows = Invoice.objects.visible_to(self.caller)
        return _with_balance(rows) if self.action == "list" else _whole(rows)

    @pdf_action(
        summary="Download an invoice of a sale as PDF",
        description="With what has been paid and credited by now: its ETag changes with that.",
    )
    def pdf(self, request: Request, pk: int) -> HttpResponse:
        invoice = self.get_object()
        return self.document(request, invoice.number, pdf.invoice_pdf(invoice))


@extend_schema_view(retrieve=extend_schema(summary="Read a credit note of a sale", examples=[CREDIT_NOTE]))
class SaleCreditNoteViewSet(PDFMixin, RetrieveMixin, ApiViewSet):
    """Credit notes of the invoices that one sees."""

    queryset = CreditNote.objects.all()
    serializer_class = SaleCreditNoteSerializer
    permission_classes = [SignedIn]

    def get_queryset(self) -> QuerySet[CreditNote]:
        shown = Invoice.objects.visible_to(self.caller)
        return CreditNote.objects.filter(invoice__in=shown).select_related("invoice__order")

    @pdf_action(summary="Download a credit note of a sale as PDF")
    def pdf(self, request: Request, pk: int) -> HttpResponse:
        note = self.get_object()
        return self.document(request, note.number, pdf.credit_note_pdf(note))
