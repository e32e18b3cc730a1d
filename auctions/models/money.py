"""The money of a sale: invoices, payments, refunds, credit notes, payouts. Amounts never change and no row is deleted
(on PostgreSQL triggers see to it); what was paid, credited and reserved is counted beside them under the order's lock,
and `audit_ledger` reckons it again."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from auctions.models.orders import UNPAID_ORDER, Order
from auctions.models.parties import OfPartiesQuerySet
from common.models import TimestampedModel
from common.money import ZERO
from common.numbering import NumberSequence

# Beyond a price's 12 digits: the total of the largest hammer price, its premium and taxes on both.
SUM: dict[str, Any] = {"max_digits": 15, "decimal_places": 2}
# SQLite reckons decimals as floats; rounded, the sum compares as it should.
ADDS_UP = Q(total=Round(F("subtotal") + F("tax_total"), precision=2))


class SaleSequence(NumberSequence):
    """The last number given in a year, of sales' invoices or credit notes (`common.numbering`)."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "year"], name="sale_sequence_unique")]


class OfOrderQuerySet(OfPartiesQuerySet):
    """Rows of an order: what its buyer and its seller see."""

    parties: tuple[str, ...] = ("order__buyer_id", "order__seller_id")


class OfBuyerQuerySet(OfOrderQuerySet):
    """What is between the buyer and the house: the seller does not see it."""

    parties = ("order__buyer_id",)


class OfSellerQuerySet(OfOrderQuerySet):
    """What is between the seller and the house: the buyer does not see it."""

    parties = ("order__seller_id",)


class Invoice(models.Model):
    """What the buyer of an order owes, frozen when it is issued. `paid` is what came in for the order less what was
    refunded, `credited` the sum of the credit notes. `status` follows from these and from the due date."""

    class Status(models.TextChoices):
        OPEN = "open"
        PARTIALLY_PAID = "partially_paid"
        PAID = "paid"
        OVERDUE = "overdue"
        VOID = "void"

    number = models.CharField(max_length=20, unique=True)
    year = models.PositiveSmallIntegerField()
    sequence = models.PositiveIntegerField()
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="invoice")
    buyer_name = models.CharField(max_length=300)
    buyer_email = models.CharField(max_length=254)
    buyer_address = models.CharField(max_length=500, blank=True)
    buyer_state = models.CharField(max_length=2, blank=True, help_text="Whose tax rate was applied.")
    vehicle_text = models.CharField(max_length=300)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=14, choices=Status, default=Status.OPEN)
    subtotal = models.DecimalField(**SUM)
    tax_total = models.DecimalField(**SUM)
    total = models.DecimalField(**SUM)
    paid = models.DecimalField(**SUM, default=Decimal("0.00"))
    credited = models.DecimalField(**SUM, default=Decimal("0.00"))
    issued_at = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    due_at = models.DateTimeField()

    objects = OfBuyerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["year", "sequence"], name="sale_invoice_sequence"),
            models.CheckConstraint(condition=ADDS_UP, name="sale_invoice_adds_up"),
            models.CheckConstraint(
                condition=Q(subtotal__gte=0, tax_total__gte=0, paid__gte=0, credited__gte=0, credited__lte=F("total")),
                name="sale_invoice_amounts",
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="sale_invoice_status")]

    def __str__(self) -> str:
        return self.number

    @property
    def due(self) -> Decimal:
        """What the invoice asks for in all, after credit notes."""
        return self.total - self.credited

    @property
    def going_back(self) -> Decimal:
        """What of `paid` is promised back while the order is not paid: it pays for nothing any more, else a refund that
        ends after the order was paid would be a discount. Once it is paid, the refund's credit note says so instead."""
        if not self.paid or self.order.status not in UNPAID_ORDER:
            return ZERO
        refunds = self.order.refunds.all()  # All of them, so that lists can have them prefetched.
        return sum((row.amount for row in refunds if row.status in Refund.GOING_BACK), ZERO)

    @property
    def balance(self) -> Decimal:
        """What is still owed; below zero what the buyer has paid too much."""
        return self.due - self.paid + self.going_back


class InvoiceLine(models.Model):
    """One line, frozen; its kinds are those of `auctions.fees.LINE_KINDS`."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16)
    description = models.CharField(max_length=300)
    amount = models.DecimalField(**SUM)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="sale_line_position"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="sale_line_amount"),
        ]

    def __str__(self) -> str:
        return self.description


class Payment(TimestampedModel):
    """One attempt to pay for an order; another attempt is another row. Money that came in is `succeeded`.
    `refund_reserved` is the sum of its refunds that are approved or further."""

    class Provider(models.TextChoices):
        MANUAL = "manual"
        SANDBOX = "sandbox"
        STRIPE = "stripe"

    class Status(models.TextChoices):
        CREATED = "created"
        REQUIRES_ACTION = "requires_action"
        PROCESSING = "processing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=7, choices=Provider)
    provider_ref = models.CharField(max_length=100, blank=True, help_text="The provider's id; blank until it has one.")
    amount = models.DecimalField(**SUM)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=15, choices=Status, default=Status.CREATED)
    reference = models.CharField(max_length=64, blank=True, help_text="Of a wire, or the payer's own words.")
    failure = models.CharField(max_length=200, blank=True, help_text="Why it failed, for the payer.")
    refund_reserved = models.DecimalField(**SUM, default=Decimal("0.00"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    succeeded_at = models.DateTimeField(null=True, blank=True)

    objects = OfBuyerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], condition=~Q(provider_ref=""), name="sale_payment_provider_ref"
            ),
            models.UniqueConstraint(
                fields=["order", "reference", "amount"], condition=Q(provider="manual"), name="sale_payment_wire"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="sale_payment_amount"),
            models.CheckConstraint(
                condition=Q(refund_reserved__gte=0, refund_reserved__lte=F("amount")), name="sale_payment_refunds"
            ),
            models.CheckConstraint(
                condition=Q(status="succeeded", succeeded_at__isnull=False)
                | ~Q(status="succeeded") & Q(succeeded_at__isnull=True, refund_reserved=0),
                name="sale_payment_succeeded_at",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "-id"], name="sale_payment_order"),
            models.Index(fields=["status", "-id"], name="sale_payment_status"),
        ]

    def __str__(self) -> str:
        return f"payment {self.pk}"


class Refund(TimestampedModel):
    """Money that goes back out of a payment. `attempt` counts the tries; each is another one for the provider."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        APPROVED = "approved"
        REJECTED = "rejected"
        IN_TRANSIT = "in_transit"
        DONE = "done"
        FAILED = "failed"

    # Money that is promised back; it is on its way, or may be sent again, until it is done or given up.
    GOING_BACK = (Status.APPROVED, Status.IN_TRANSIT, Status.FAILED)

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    amount = models.DecimalField(**SUM)
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    attempt = models.PositiveSmallIntegerField(default=0)
    provider_ref = models.CharField(max_length=100, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    done_at = models.DateTimeField(null=True, blank=True)

    objects = OfBuyerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount"),
            models.UniqueConstraint(fields=["provider_ref"], condition=~Q(provider_ref=""), name="refund_provider_ref"),
            models.CheckConstraint(
                condition=Q(status="done", done_at__isnull=False) | ~Q(status="done") & Q(done_at__isnull=True),
                name="refund_done_at",
            ),
        ]
        indexes = [
            models.Index(fields=["payment", "-id"], name="refund_payment"),
            models.Index(fields=["status", "-id"], name="refund_status"),
        ]
        permissions = [("decide_refund", "Can approve, reject and retry refunds")]

    def __str__(self) -> str:
        return f"refund {self.pk}"


class CreditNote(models.Model):
    """Takes back some or all of an invoice, with a number of its own. `refund` is the one that it was posted for."""

    number = models.CharField(max_length=20, unique=True)
    year = models.PositiveSmallIntegerField()
    sequence = models.PositiveIntegerField()
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_note")
    amount = models.DecimalField(**SUM)
    reason = models.CharField(max_length=500)
    issued_at = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["year", "sequence"], name="sale_credit_note_sequence"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="sale_credit_note_amount"),
        ]

    def __str__(self) -> str:
        return self.number


class WebhookEvent(models.Model):
    """A provider's message as it came in, stored before it is looked at. `outcome` says what it led to."""

    class Outcome(models.TextChoices):
        APPLIED = "applied"
        IGNORED = "ignored"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=7, choices=Payment.Provider)
    event_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=100)
    body = models.TextField()
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=7, choices=Outcome, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="webhook_event_once")]
        indexes = [models.Index(fields=["received_at"], name="webhook_unprocessed", condition=Q(processed_at=None))]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind}"


class Payout(TimestampedModel):
    """What the seller of an order is paid: its price less the seller's fee. One per order."""

    class Status(models.TextChoices):
        DUE = "due"
        HELD = "held"
        PAID = "paid"
        CANCELLED = "cancelled"

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="payout")
    price = models.DecimalField(**SUM)
    fee = models.DecimalField(**SUM)
    amount = models.DecimalField(**SUM)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=9, choices=Status, default=Status.DUE)
    due_at = models.DateTimeField()
    reference = models.CharField(max_length=64, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    paid_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = OfSellerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(fee__gte=0, amount__gte=0), name="payout_amounts"),
            models.CheckConstraint(
                condition=Q(amount=Round(F("price") - F("fee"), precision=2)), name="payout_adds_up"
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False) & ~Q(reference="")
                | ~Q(status="paid") & Q(paid_at__isnull=True, reference=""),
                name="payout_paid_at",
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="payout_status")]

    def __str__(self) -> str:
        return f"payout {self.pk}"


class LedgerAudit(models.Model):
    """What one run of `audit_ledger` found: how many orders, and where a stored figure is not what its rows say."""

    at = models.DateTimeField()
    orders = models.PositiveIntegerField()
    differences = models.PositiveIntegerField()
    details = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}: {self.differences} differences"
