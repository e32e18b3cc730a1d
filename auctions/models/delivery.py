"""How the car and its papers get to the buyer."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from auctions.models.listings import PRICE
from auctions.models.money import OfOrderQuerySet
from auctions.models.orders import Order
from common.models import TimestampedModel

TITLE_OVER = ["completed", "cancelled"]


class TitleDeadline(models.Model):
    """How many days the papers of a state's titles may take; other states have TITLE_DUE_DAYS."""

    state = models.CharField(max_length=2, unique=True, validators=[RegexValidator("^[A-Z]{2}$")])
    days = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["state"]
        constraints = [
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=365), name="title_deadline_days"),
        ]

    def __str__(self) -> str:
        return f"{self.state}: {self.days} days"


class TitleTransferQuerySet(OfOrderQuerySet):
    def due_to_be_overdue(self, now: datetime) -> TitleTransferQuerySet:
        return self.filter(due_at__lte=now, overdue_at=None).exclude(status__in=TITLE_OVER)


class TitleTransfer(TimestampedModel):
    """The way of an order's title document from the seller to the buyer. It begins when the order is paid; completed,
    the car changes its owner."""

    class Status(models.TextChoices):
        PENDING = "pending"
        AWAITING_SELLER_DOCUMENTS = "awaiting_seller_documents"
        RECEIVED = "received"
        UNDER_REVIEW = "under_review"
        REJECTED_DOCUMENTS = "rejected_documents"
        LIEN_PENDING = "lien_pending"
        READY = "ready"
        SENT = "sent"
        COMPLETED = "completed"
        CANCELLED = "cancelled"

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="title_transfer")
    status = models.CharField(max_length=25, choices=Status, default=Status.PENDING)
    title_state = models.CharField(max_length=2, blank=True)
    lien_holder = models.CharField(max_length=200, blank=True)
    tracking_reference = models.CharField(max_length=100, blank=True)
    due_at = models.DateTimeField()
    overdue_at = models.DateTimeField(null=True, blank=True, help_text="When the sweep found it late, once.")
    received_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = TitleTransferQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="completed", completed_at__isnull=False)
                | ~Q(status="completed") & Q(completed_at__isnull=True),
                name="title_completed_at",
            ),
            models.CheckConstraint(condition=~Q(status="lien_pending") | ~Q(lien_holder=""), name="title_lien_holder"),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="title_status"),
            models.Index(fields=["due_at"], name="title_due", condition=Q(overdue_at=None)),
        ]

    def __str__(self) -> str:
        return f"title transfer {self.pk}"


class TransportOrder(TimestampedModel):
    """The way of an order's car to the buyer by a carrier. One per order that is not cancelled."""

    class Status(models.TextChoices):
        QUOTE_REQUESTED = "quote_requested"
        QUOTED = "quoted"
        BOOKED = "booked"
        ASSIGNED = "assigned"
        PICKED_UP = "picked_up"
        IN_TRANSIT = "in_transit"
        DELIVERED = "delivered"
        CANCELLED = "cancelled"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="transport_orders")
    status = models.CharField(max_length=15, choices=Status, default=Status.QUOTE_REQUESTED)
    pickup_address = models.CharField(max_length=500)
    delivery_address = models.CharField(max_length=500)
    quoted_price = models.DecimalField(**PRICE, null=True, blank=True)
    final_price = models.DecimalField(
        **PRICE, null=True, blank=True, help_text="What the carrier asked in the end; the buyer pays the quote."
    )
    currency = models.CharField(max_length=3)
    carrier = models.CharField(max_length=200, blank=True)
    driver_name = models.CharField(max_length=200, blank=True)
    driver_phone = models.CharField(max_length=32, blank=True)
    pickup_on = models.DateField(null=True, blank=True, help_text="Planned.")
    delivery_on = models.DateField(null=True, blank=True, help_text="Planned.")
    booked_at = models.DateTimeField(null=True, blank=True)
    picked_up_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=~Q(status="cancelled"), name="transport_one_per_order"),
            models.CheckConstraint(
                condition=Q(status__in=["quote_requested", "cancelled"]) | Q(quoted_price__isnull=False),
                name="transport_quoted",
            ),
            models.CheckConstraint(
                condition=Q(quoted_price__isnull=True) | Q(quoted_price__gte=0), name="transport_quoted_price"
            ),
            models.CheckConstraint(
                condition=Q(final_price__isnull=True) | Q(final_price__gte=0), name="transport_final_price"
            ),
            models.CheckConstraint(
                condition=Q(delivered_at__isnull=True) | Q(delivered_at__gte=F("picked_up_at")),
                name="transport_forward",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["quote_requested", "quoted", "booked", "cancelled"]) | ~Q(carrier=""),
                name="transport_carrier",
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="transport_status")]

    def __str__(self) -> str:
        return f"transport order {self.pk}"


class GatePass(models.Model):
    """The right to take an order's car off the lot, once. Issued when nothing is owed and nothing is on hold."""

    code = models.CharField(max_length=16, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="gate_passes")
    issued_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "gate passes"
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(revoked_at=None), name="gate_pass_one_per_order"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(revoked_at__isnull=True), name="gate_pass_used_or_revoked"
            ),
        ]
        permissions = [("use_gatepass", "Can let a vehicle out on a gate pass")]

    def __str__(self) -> str:
        return f"gate pass {self.pk}"
