"""What is ordered from suppliers, and what arrived."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from common.models import TimestampedModel
from workshop.models.people import Supplier
from workshop.models.stock import PRICE, QUANTITY, Part


class PurchaseOrder(TimestampedModel):
    """Parts ordered from one supplier."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        SENT = "sent"
        PARTIALLY_RECEIVED = "partially_received"
        RECEIVED = "received"
        CANCELLED = "cancelled"

    # Something is still to come, or will be once the draft is sent.
    EXPECTED = (Status.DRAFT, Status.SENT, Status.PARTIALLY_RECEIVED)

    supplier = models.ForeignKey(Supplier, on_delete=models.PROTECT, related_name="purchase_orders")
    status = models.CharField(max_length=18, choices=Status, default=Status.DRAFT)
    sent_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # So that shortages that are collected twice end up in one draft.
            models.UniqueConstraint(fields=["supplier"], condition=Q(status="draft"), name="purchase_order_one_draft"),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="purchase_order_status")]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What people call it; ids are never used again."""
        return f"PO-{self.pk:06d}"


class PurchaseOrderLine(models.Model):
    """One part of an order. `received` never exceeds `quantity`."""

    order = models.ForeignKey(PurchaseOrder, on_delete=models.CASCADE, related_name="lines")
    part = models.ForeignKey(Part, on_delete=models.PROTECT, related_name="purchase_order_lines")
    quantity = models.DecimalField(**QUANTITY)
    unit_cost = models.DecimalField(**PRICE)
    received = models.DecimalField(**QUANTITY, default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "part"], name="purchase_order_line_part"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, unit_cost__gte=0, received__gte=0, received__lte=F("quantity")),
                name="purchase_order_line_received",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.part_id}"


class Delivery(models.Model):
    """A delivery that was booked against an order, once per delivery note."""

    order = models.ForeignKey(PurchaseOrder, on_delete=models.CASCADE, related_name="deliveries")
    note = models.CharField(max_length=64)
    note_key = models.CharField(max_length=128, editable=False)
    lines = models.JSONField(help_text="What arrived, as `{line id: quantity}`.")
    received_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["order", "note_key"], name="delivery_note_once")]

    def __str__(self) -> str:
        return self.note
