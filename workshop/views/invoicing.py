"""Invoices with their payments and credit notes: `/api/workshop/invoices`, `/api/workshop/credit-notes`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, Prefetch, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from common import clock
from common.conditional import etag_of
from common.examples import sent, shown
from common.pdf_views import PDFMixin, pdf_action
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command, reading
from workshop import pdf
from workshop.filters.invoicing import InvoiceFilter
from workshop.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from workshop.models.stock import QUANTITY
from workshop.serializers.invoicing import (
    CreditNoteCreateSerializer,
    CreditNoteSerializer,
    InvoiceSerializer,
    InvoiceSummarySerializer,
    PaymentCreateSerializer,
    PaymentSerializer,
)
from workshop.services.credit_notes import issue_credit_note
from workshop.services.invoicing import issue_invoice
from workshop.services.payments import record_payment, record_refund

SUMMARY = {
    "id": 3,
    "number": "INV-2026-000003",
    "status": "partially_paid",
    "ticket": 12,
    "ticket_number": "RO-000012",
    "customer": 5,
    "customer_name": "Casey Customer",
    "customer_email": "casey@example.com",
    "customer_phone": "+1 555 0100",
    "vehicle": "2003 Honda Accord EX, plate FC 2003, VIN 1HGCM82633A004352",
    "odometer": 182950,
    "odometer_unit": "km",
    "service_date": "2026-11-25",
    "currency": "USD",
    "subtotal": "110.00",
    "tax_total": "22.00",
    "total": "132.00",
    "paid": "100.00",
    "credited": "0.00",
    "balance": "32.00",
    "issued_at": "2026-11-25T15:04:05Z",
}
LINES = [
    {
        "id": 7,
        "position": 1,
        "kind": "labour",
        "job_title": "Replace the oil filter",
        "description": "Labour, Max",
        "sku": "",
        "quantity": "1.500",
        "unit": "h",
        "unit_price": "60.00",
        "unit_cost": None,
        "tax_rate": "20.00",
        "net": "90.00",
        "tax": "18.00",
        "credited_quantity": "0.000",
    },
    {
        "id": 8,
        "position": 2,
        "kind": "part",
        "job_title": "Replace the oil filter",
        "description": "Oil filter",
        "sku": "OF-1",
        "quantity": "2.000",
        "unit": "piece",
        "unit_price": "10.00",
        "unit_cost": "6.00",
        "tax_rate": "20.00",
        "net": "20.00",
        "tax": "4.00",
        "credited_quantity": "0.000",
    },
]
ROW = shown("an invoice", SUMMARY)
INVOICE = shown("an invoice", SUMMARY | {"lines": LINES})
ISSUED = shown("an invoice", SUMMARY | {"status": "open", "paid": "0.00", "balance": "132.00", "lines": LINES})
PAYMENT = {
    "id": 4,
    "invoice": 3,
    "amount": "100.00",
    "method": "card",
    "reference": "T-4711",
    "received_at": "2026-11-25T15:10:00Z",
    "received_by": 2,
}
PAYMENT_BODY = sent("by card", {"amount": "100.00", "method": "card", "reference": "T-4711"})
PAYMENT_ROW = shown("a payment", PAYMENT)
REFUND_BODY = sent("by transfer", {"amount": "24.00", "method": "bank_transfer"})
REFUND_ROW = shown("a refund", PAYMENT | {"id": 5, "amount": "-24.00", "method": "bank_transfer", "reference": ""})
CREDIT_BODY = sent(
    "a part that was not needed", {"lines": [{"line": 8, "quantity": "2"}], "reason": "The filters were not fitted."}
)
CREDIT_NOTE = shown(
    "a credit note",
    {
        "id": 1,
        "number": "CN-2026-000001",
        "invoice": 3,
        "invoice_number": "INV-2026-000003",
        "reason": "The filters were not fitted.",
        "currency": "USD",
        "subtotal": "20.00",
        "tax_total": "4.00",
        "total": "24.00",
        "issued_at": "2026-11-26T09:00:00Z",
        "lines": [{"line": 8, "description": "Oil filter", "quantity": "2.000", "net": "20.00", "tax": "4.00"}],
    },
)


def _lines() -> Prefetch[Any]:
    """The lines of invoices, each with what was taken back of it."""
    credited = Coalesce(Sum("credit_note_lines__quantity"), Value(Decimal(0)), output_field=DecimalField(**QUANTITY))
    return Prefetch("lines", InvoiceLine.objects.annotate(credited_quantity=credited).order_by("position"))


def _credit_notes() -> QuerySet[CreditNote]:
    lines = CreditNoteLine.objects.select_related("invoice_line")
    return CreditNote.objects.select_related("invoice").prefetch_related(Prefetch("lines", lines))


class InvoiceCommand:
    """`POST /service-tickets/{id}/invoice`, for the viewset of tickets."""

    @command(
        detail=True,
        response=InvoiceSerializer,
        status=201,
        summary="Invoice a completed ticket",
        description="Freezes the lines of the finished jobs with their prices and taxes under the next number of the "
        "year, moves the ticket to `invoiced` and tells the customer. 409 `already_invoiced` with the invoice in "
        "`meta`, `invalid_transition` before completion, `nothing_to_invoice` without finished work. An invoice over "
        "nothing is paid at once.",
        examples=[ISSUED],
    )
    @idempotent
    def invoice(self: Any, request: Request, pk: int) -> Response:
        issued = issue_invoice(ticket=self.get_object(), actor=self.caller, now=clock.now())
        data = self.represent(_shown().get(pk=issued.pk), InvoiceSerializer)
        location = reverse("workshop-invoice-detail", kwargs={"pk": issued.pk}, request=request)
        return Response(data, status=201, headers={"ETag": etag_of(data), "Location": location})

    # Stands here, so that no viewset can take the command without it.
    invoice.kwargs["permission_classes"] = [SignedIn, ObjectPerm.of("workshop.add_invoice")]


def _shown() -> QuerySet[Invoice]:
    return Invoice.objects.select_related("ticket").prefetch_related(_lines())


@extend_schema_view(
    list=extend_schema(
        summary="List invoices", description="Customers see their own. Without lines, the newest first.", examples=[ROW]
    ),
    retrieve=extend_schema(summary="Read an invoice", examples=[INVOICE]),
)
class InvoiceViewSet(PDFMixin, ListMixin, RetrieveMixin, ApiViewSet):
    """Invoices as issued. They are never edited: payments and credit notes are rows of their own."""

    queryset = Invoice.objects.all()
    serializer_class = InvoiceSerializer
    filterset_class = InvoiceFilter
    action_serializers = {"list": InvoiceSummarySerializer}
    action_permissions = {
        "record_payment": [SignedIn, ObjectPerm.of("workshop.add_payment")],
        "refunds": [SignedIn, ObjectPerm.of("workshop.add_payment")],
        "issue_credit_note": [SignedIn, ObjectPerm.of("workshop.add_creditnote")],
    }

    def get_queryset(self) -> QuerySet[Invoice]:
        rows = Invoice.objects.visible_to(self.caller).select_related("ticket")
        return rows.prefetch_related(_lines()) if self.action in ("retrieve", "pdf") else rows

    @pdf_action(
        summary="Download an invoice as PDF",
        description="With what has been paid and credited by now: its ETag changes with that.",
    )
    def pdf(self, request: Request, pk: int) -> HttpResponse:
        invoice = self.get_object()
        return self.document(request, invoice.number, pdf.invoice_pdf(invoice))

    @reading(
        detail=True,
        response=PaymentSerializer(many=True),
        schema={
            "summary": "List an invoice's payments",
            "description": "The oldest first; refunds are negative.",
            "examples": [PAYMENT_ROW],
        },
    )
    def payments(self, request: Request, pk: int) -> Response:
        return self.listing(self.get_object().payments.all(), PaymentSerializer)

    @payments.mapping.post
    @extend_schema(
        summary="Record a payment",
        description="In parts as it comes. More than the balance is 409 `payment_exceeds_balance` with it in `meta`. "
        "When nothing is owed any more, the invoice and its ticket are `paid`.",
        request=PaymentCreateSerializer,
        responses={201: PaymentSerializer},
        examples=[PAYMENT_BODY, PAYMENT_ROW],
    )
    @idempotent
    def record_payment(self, request: Request, pk: int) -> Response:
        invoice, data = self.get_object(), self.validated(PaymentCreateSerializer)
        payment = record_payment(invoice=invoice, actor=self.caller, now=clock.now(), **data)
        return Response(self.represent(payment, PaymentSerializer), status=201)

    record_payment.query_class = None

    @command(
        detail=True,
        request=PaymentCreateSerializer,
        response=PaymentSerializer,
        status=201,
        operation_id="workshop_invoices_refunds_create",
        summary="Record a refund",
        description="Of what was paid and then credited: at most what the balance is below zero, else 409 "
        "`refund_exceeds_credit` with `refundable` in `meta`. It is kept as a payment with a negative amount.",
        examples=[REFUND_BODY, REFUND_ROW],
    )
    @idempotent
    def refunds(self, request: Request, pk: int) -> Response:
        invoice, data = self.get_object(), self.validated(PaymentCreateSerializer)
        refund = record_refund(invoice=invoice, actor=self.caller, now=clock.now(), **data)
        return Response(self.represent(refund, PaymentSerializer), status=201)

    @reading(
        detail=True,
        response=CreditNoteSerializer(many=True),
        url_path="credit-notes",
        schema={
            "summary": "List an invoice's credit notes",
            "description": "The newest first.",
            "examples": [CREDIT_NOTE],
        },
    )
    def credit_notes(self, request: Request, pk: int) -> Response:
        return self.listing(_credit_notes().filter(invoice=self.get_object()), CreditNoteSerializer)

    @credit_notes.mapping.post
    @extend_schema(
        summary="Credit some of an invoice",
        description="More than is left of a line is 409 `credit_exceeds_line`, with what is left in `meta`. When "
        "nothing of the total is left, the invoice is `void` and its ticket `completed` again, to be invoiced anew.",
        request=CreditNoteCreateSerializer,
        responses={201: CreditNoteSerializer},
        examples=[CREDIT_BODY, CREDIT_NOTE],
    )
    @idempotent
    def issue_credit_note(self, request: Request, pk: int) -> Response:
        invoice, data = self.get_object(), self.validated(CreditNoteCreateSerializer)
        note = issue_credit_note(invoice=invoice, actor=self.caller, now=clock.now(), **data)
        answer = self.represent(_credit_notes().get(pk=note.pk), CreditNoteSerializer)
        location = reverse("workshop-credit-note-detail", kwargs={"pk": note.pk}, request=request)
        return Response(answer, status=201, headers={"Location": location})

    issue_credit_note.query_class = None


@extend_schema_view(retrieve=extend_schema(summary="Read a credit note", examples=[CREDIT_NOTE]))
class CreditNoteViewSet(PDFMixin, RetrieveMixin, ApiViewSet):
    """Credit notes of the invoices that one sees."""

    queryset = CreditNote.objects.all()
    serializer_class = CreditNoteSerializer

    def get_queryset(self) -> QuerySet[CreditNote]:
        rows = _credit_notes().filter(invoice__in=Invoice.objects.visible_to(self.caller))
        return rows.select_related("invoice__ticket")

    @pdf_action(summary="Download a credit note as PDF")
    def pdf(self, request: Request, pk: int) -> HttpResponse:
        note = self.get_object()
        return self.document(request, note.number, pdf.credit_note_pdf(note))
