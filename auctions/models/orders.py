"""What a sale costs and the order that it ends in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from auctions.models.auctions import Auction
from auctions.models.listings import PRICE, Listing
from common.models import TimestampedModel

DEAD_ORDER = ["cancelled", "defaulted", "refunded"]
UNPAID_ORDER = ["awaiting_payment", "overdue"]


class FeeSchedule(TimestampedModel):
    """What a buyer pays on top of the hammer price. `kind` percent: `percent`, at least `minimum` and at most
    `maximum`; marginal: `tiers` as `[{"up_to": "1000.00", "percent": "15.00"}, ..., {"up_to": null, ...}]`.
    `tax_rates` are percent by the buyer's state, as `{"NY": "8.875"}`, on the kinds of lines in `taxable`.

    The one in force is the last whose `valid_from` has come; auctions take it over when they go live.
    """

    class Kind(models.TextChoices):
        PERCENT = "percent"
        MARGINAL = "marginal"

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERCENT)
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    minimum = models.DecimalField(**PRICE, null=True, blank=True)
    maximum = models.DecimalField(**PRICE, null=True, blank=True)
    tiers = models.JSONField(default=list, blank=True)
    title_processing = models.DecimalField(**PRICE, default=Decimal("75.00"))
    tax_rates = models.JSONField(default=dict, blank=True)
    taxable = models.JSONField(default=list, blank=True)
    valid_from = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-valid_from", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="percent", percent__gte=0, percent__lte=100) | Q(kind="marginal", percent=None),
                name="fee_schedule_percent",
            ),
            models.CheckConstraint(condition=Q(minimum__isnull=True) | Q(minimum__gte=0), name="fee_schedule_minimum"),
            models.CheckConstraint(
                condition=Q(maximum__isnull=True) | Q(minimum__isnull=True) | Q(maximum__gte=models.F("minimum")),
                name="fee_schedule_maximum",
            ),
            models.CheckConstraint(condition=Q(title_processing__gte=0), name="fee_schedule_title_processing"),
        ]

    def __str__(self) -> str:
        return self.name


class OrderQuerySet(models.QuerySet["Order"]):
    """Orders as their viewers see them."""

    def visible_to(self, user: Any) -> OrderQuerySet:
        """Buyer and seller see theirs; all those who may view orders."""
        if user.has_perm("auctions.view_order"):
            return self
        return self.filter(Q(buyer_id=user.pk) | Q(seller_id=user.pk))

    def live(self) -> OrderQuerySet:
        return self.exclude(status__in=DEAD_ORDER)


class Order(TimestampedModel):
    """A sale: made in the transaction that closes the auction, at the price and not at the winner's maximum."""

    class Status(models.TextChoices):
        AWAITING_PAYMENT = "awaiting_payment"
        OVERDUE = "overdue"
        PAID = "paid"
        TITLE_PROCESSING = "title_processing"
        TRANSPORT_SCHEDULED = "transport_scheduled"
        IN_TRANSIT = "in_transit"
        DELIVERED = "delivered"
        COMPLETED = "completed"
        DISPUTED = "disputed"
        REFUNDED = "refunded"
        DEFAULTED = "defaulted"
        CANCELLED = "cancelled"

    order_number = models.CharField(max_length=16, unique=True)
    auction = models.ForeignKey(Auction, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="orders")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="purchases")
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sales")
    hammer_price = models.DecimalField(**PRICE)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=19, choices=Status, default=Status.AWAITING_PAYMENT)
    fee_schedule = models.JSONField()

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["listing"], condition=~Q(status__in=DEAD_ORDER), name="order_live_listing"),
            models.UniqueConstraint(fields=["auction"], condition=~Q(status__in=DEAD_ORDER), name="order_live_auction"),
            models.CheckConstraint(condition=Q(hammer_price__gt=0), name="order_hammer_price"),
            models.CheckConstraint(condition=~Q(buyer=models.F("seller")), name="order_between_two"),
        ]
        indexes = [
            models.Index(fields=["buyer", "-id"], name="order_buyer"),
            models.Index(fields=["seller", "-id"], name="order_seller"),
            models.Index(fields=["buyer"], name="order_unpaid", condition=Q(status__in=UNPAID_ORDER)),
        ]

    def __str__(self) -> str:
        return self.order_number
