"""Invoices as frozen snapshots, and the money that came in for them. Amounts never change; corrections are new rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone

from common.models import CounterPayment
from common.numbering import NumberSequence
from workshop.models.people import Customer
from workshop.models.stock import PRICE, QUANTITY
from workshop.models.tickets import RATE, ServiceTicket

# SQLite reckons decimals as floats; rounded, the sum compares as it should.
ADDS_UP = Q(total=Round(F("subtotal") + F("tax_total"), precision=PRICE["decimal_places"]))


class DocumentSequence(NumberSequence):
    """The last number given in a year, of invoices or credit notes (`common.numbering`)."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "year"], name="document_sequence_unique")]


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Invoices as their viewers see them."""

    def visible_to(self, user: Any) -> InvoiceQuerySet:
        """All to those who may view invoices; to customers their own."""
        return self if user.has_perm("workshop.view_invoice") else self.filter(customer__user_id=user.pk)


class Invoice(models.Model):
    """What a completed ticket costs, as it was on the day. `paid` is the sum of the payments, `credited` that of the
    credit notes; both are kept in step under the invoice's lock."""

    class Status(models.TextChoices):
        OPEN = "open"
        PARTIALLY_PAID = "partially_paid"
        PAID = "paid"
        VOID = "void"

    number = models.CharField(max_length=20, unique=True)
    year = models.PositiveSmallIntegerField()
    sequence = models.PositiveIntegerField()
    ticket = models.ForeignKey(ServiceTicket, on_delete=models.PROTECT, related_name="invoices")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    customer_name = models.CharField(max_length=200)
    customer_email = models.CharField(max_length=254)
    customer_phone = models.CharField(max_length=32, blank=True)
    vehicle_text = models.CharField(max_length=300, blank=True)
    odometer = models.PositiveIntegerField(null=True, blank=True)
    odometer_unit = models.CharField(max_length=2, blank=True)
    service_date = models.DateField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=14, choices=Status, default=Status.OPEN)
    subtotal = models.DecimalField(**PRICE)
    tax_total = models.DecimalField(**PRICE)
    total = models.DecimalField(**PRICE)
    paid = models.DecimalField(**PRICE, default=Decimal(0))
    credited = models.DecimalField(**PRICE, default=Decimal(0))
    issued_at = models.DateTimeField(default=timezone.now)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["year", "sequence"], name="invoice_sequence"),
            models.UniqueConstraint(fields=["ticket"], condition=~Q(status="void"), name="invoice_one_per_ticket"),
            models.CheckConstraint(condition=ADDS_UP, name="invoice_adds_up"),
            models.CheckConstraint(
                condition=Q(paid__gte=0, paid__lte=F("total"), credited__gte=0, credited__lte=F("total")),
                name="invoice_paid_within_total",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="invoice_status"),
            models.Index(fields=["customer", "-id"], name="invoice_customer"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def balance(self) -> Decimal:
        """What is still owed; below zero what is owed to the customer after a credit note."""
        return self.total - self.credited - self.paid


class InvoiceLine(models.Model):
    """One line, frozen. `net` is quantity times unit price, `tax` its tax, both rounded to cents half up."""

    class Kind(models.TextChoices):
        LABOUR = "labour"
        PART = "part"
        FEE = "fee"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=Kind)
    job_title = models.CharField(max_length=200)
    description = models.CharField(max_length=300)
    sku = models.CharField(max_length=64, blank=True)
    quantity = models.DecimalField(**QUANTITY)
    unit = models.CharField(max_length=16)
    unit_price = models.DecimalField(**PRICE)
    unit_cost = models.DecimalField(**PRICE, null=True, blank=True, help_text="What the part cost; staff's alone.")
    tax_rate = models.DecimalField(**RATE)
    net = models.DecimalField(**PRICE)
    tax = models.DecimalField(**PRICE)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position")]

    def __str__(self) -> str:
        return self.description


class Payment(CounterPayment):
    """Money that came in for an invoice; a negative amount went back to the customer after a credit note."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")

    class Meta(CounterPayment.Meta):
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="payment_of_something")]


class CreditNote(models.Model):
    """A correction of an invoice, with a number of its own."""

    number = models.CharField(max_length=20, unique=True)
    year = models.PositiveSmallIntegerField()
    sequence = models.PositiveIntegerField()
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    reason = models.CharField(max_length=300)
    subtotal = models.DecimalField(**PRICE)
    tax_total = models.DecimalField(**PRICE)
    total = models.DecimalField(**PRICE)
    issued_at = models.DateTimeField(default=timezone.now)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["year", "sequence"], name="credit_note_sequence"),
            models.CheckConstraint(condition=ADDS_UP, name="credit_note_adds_up"),
        ]

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(models.Model):
    """Some of an invoice's line, taken back."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credit_note_lines")
    quantity = models.DecimalField(**QUANTITY)
    net = models.DecimalField(**PRICE)
    tax = models.DecimalField(**PRICE)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["credit_note", "invoice_line"], name="credit_note_line_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, net__gte=0, tax__gte=0), name="credit_note_line_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.invoice_line_id}"
