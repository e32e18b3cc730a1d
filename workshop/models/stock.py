"""Parts and their ledger. `on_hand` and `reserved` equal the sums of the movements' deltas, always."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone

from common.models import TimestampedModel
from common.text import natural_key
from workshop.models.people import Supplier

QUANTITY: dict[str, Any] = {"max_digits": 12, "decimal_places": 3}
PRICE: dict[str, Any] = {"max_digits": 12, "decimal_places": 2}


def _exact(quantity: Any) -> Round:
    """A computed quantity that compares as it should: SQLite reckons decimals as floats."""
    return Round(quantity, precision=QUANTITY["decimal_places"])


class PartQuerySet(models.QuerySet["Part"]):
    """What can be asked of the stock."""

    def current(self) -> PartQuerySet:
        """Without the archived ones."""
        return self.filter(archived_at__isnull=True)

    def low(self) -> PartQuerySet:
        """Those of which less is available than their threshold."""
        return self.filter(low_stock_threshold__gt=_exact(F("on_hand") - F("reserved")))

    def sufficient(self) -> PartQuerySet:
        """The others."""
        return self.filter(low_stock_threshold__lte=_exact(F("on_hand") - F("reserved")))


class Part(TimestampedModel):
    """Something on the shelf. `price` is what it is sold for, `cost` what its supplier takes."""

    name = models.CharField(max_length=200)
    sku = models.CharField(max_length=64)
    sku_key = models.CharField(max_length=128, unique=True, editable=False)
    description = models.TextField(blank=True)
    unit = models.CharField(max_length=16, default="piece")
    price = models.DecimalField(**PRICE)
    cost = models.DecimalField(**PRICE)
    low_stock_threshold = models.DecimalField(**QUANTITY, default=Decimal(0))
    supplier = models.ForeignKey(Supplier, on_delete=models.PROTECT, null=True, blank=True, related_name="parts")
    supplier_sku = models.CharField(max_length=64, blank=True)
    product = models.OneToOneField(
        "Product",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="part",
        help_text="Whose price is the cost.",
    )
    on_hand = models.DecimalField(**QUANTITY, default=Decimal(0), editable=False)
    reserved = models.DecimalField(**QUANTITY, default=Decimal(0), editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = PartQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reserved__gte=0) & Q(on_hand__gte=F("reserved")), name="part_reserved_within_on_hand"
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0, cost__gte=0, low_stock_threshold__gte=0), name="part_amounts_not_negative"
            ),
        ]
        permissions = [("view_costs", "Can see what parts cost"), ("move_stock", "Can receive, adjust and scrap stock")]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"

    @property
    def available(self) -> Decimal:
        """What can still be promised to somebody."""
        return self.on_hand - self.reserved

    @property
    def is_low(self) -> bool:
        """Whether less is available than the threshold."""
        return self.available < self.low_stock_threshold

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the key in step with the SKU, whoever saves."""
        self.sku_key = natural_key(self.sku)
        super().save(*args, **kwargs)


class StockMovement(models.Model):
    """One entry of the ledger, append-only. `before` and `after` are on_hand."""

    class Kind(models.TextChoices):
        RECEIVE = "receive"
        ADJUST = "adjust"
        RESERVE = "reserve"
        RELEASE = "release"
        CONSUME = "consume"
        RETURN = "return"
        SCRAP = "scrap"

    part = models.ForeignKey(Part, on_delete=models.PROTECT, related_name="movements")
    kind = models.CharField(max_length=8, choices=Kind)
    quantity = models.DecimalField(**QUANTITY)
    on_hand_delta = models.DecimalField(**QUANTITY)
    reserved_delta = models.DecimalField(**QUANTITY)
    before = models.DecimalField(**QUANTITY)
    after = models.DecimalField(**QUANTITY)
    reason = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=64, blank=True, help_text="A delivery note, or the record it stems from.")
    line = models.ForeignKey("PartLine", on_delete=models.SET_NULL, null=True, blank=True, related_name="movements")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=0), name="movement_quantity_not_negative"),
            models.CheckConstraint(
                condition=Q(after=_exact(F("before") + F("on_hand_delta"))), name="movement_adds_up"
            ),
            models.CheckConstraint(
                condition=(
                    Q(kind__in=["receive", "return"], on_hand_delta=F("quantity"), reserved_delta=0)
                    | Q(kind="scrap", on_hand_delta=-F("quantity"), reserved_delta=0)
                    | Q(kind="adjust", on_hand_delta__in=[F("quantity"), -F("quantity")], reserved_delta=0)
                    | Q(kind="reserve", on_hand_delta=0, reserved_delta=F("quantity"))
                    | Q(kind="release", on_hand_delta=0, reserved_delta=-F("quantity"))
                    | Q(kind="consume", on_hand_delta=-F("quantity"), reserved_delta=-F("quantity"))
                ),
                name="movement_deltas_fit_kind",
            ),
        ]
        indexes = [models.Index(fields=["part", "-id"], name="movement_part")]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity}"


class LowStockAlert(models.Model):
    """A part ran low. One is open per part; it closes on recovery and is mailed once."""

    part = models.ForeignKey(Part, on_delete=models.CASCADE, related_name="low_stock_alerts")
    available = models.DecimalField(**QUANTITY, help_text="When it was opened.")
    threshold = models.DecimalField(**QUANTITY)
    opened_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["part"], condition=Q(closed_at__isnull=True), name="low_stock_alert_open"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(closed_at__isnull=True, mailed_at__isnull=True), name="low_stock_alert_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.part} is low"


class StockAudit(models.Model):
    """What one run of `audit_stock` found: the differences as `{"kind", "id", "expected", "found"}`, capped."""

    at = models.DateTimeField(default=timezone.now)
    parts = models.PositiveIntegerField()
    invoices = models.PositiveIntegerField()
    differences = models.PositiveIntegerField()
    details = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.differences} differences"
