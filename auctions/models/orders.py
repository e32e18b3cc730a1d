"""What a sale costs and the order that it ends in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from auctions.models.auctions import Auction
from auctions.models.listings import PRICE, Listing
from auctions.models.offers import Offer
from auctions.models.parties import OfPartiesQuerySet
from common.models import TimestampedModel

DEAD_ORDER = ["cancelled", "defaulted", "refunded"]
UNPAID_ORDER = ["awaiting_payment", "overdue"]
# Paid in full, and the sale goes on.
PAID_ORDER = ["paid", "title_processing", "transport_scheduled", "in_transit", "delivered", "completed"]


class FeeSchedule(TimestampedModel):
    """What a buyer pays on top of the hammer price. `kind` percent: `percent`, at least `minimum` and at most
    `maximum`; marginal: `tiers` as `[{"up_to": "1000.00", "percent": "15.00"}, ..., {"up_to": null, ...}]`.
    `tax_rates` are percent by the buyer's state, as `{"NY": "8.875"}`, on the kinds of lines in `taxable`.
    `seller_percent` of the hammer price is kept from what the seller is paid out.

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
    seller_percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal("0.00"))
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
            models.CheckConstraint(
                condition=Q(seller_percent__gte=0, seller_percent__lte=100), name="fee_schedule_seller_percent"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OrderQuerySet(OfPartiesQuerySet):
    """Orders as their viewers see them, and as time finds them."""

    def live(self) -> OrderQuerySet:
        return self.exclude(status__in=DEAD_ORDER)

    def awaiting_quote(self) -> OrderQuerySet:
        """Nobody is late who cannot pay what the house has not named yet. Only the first transport of an order stops
        the clock: who takes one back and asks again would never be late."""
        asked = self.filter(invoice=None, transport_orders__status="quote_requested")
        return asked.exclude(transport_orders__status="cancelled")

    def due_to_be_overdue(self, now: datetime) -> OrderQuerySet:
        return self.filter(status="awaiting_payment", payment_due_at__lte=now)._not_waiting()

    def due_to_default(self, now: datetime) -> OrderQuerySet:
        return self.filter(status="overdue", default_at__lte=now)._not_waiting()

    def _not_waiting(self) -> OrderQuerySet:
        return self.exclude(pk__in=Order.objects.awaiting_quote().values("pk"))


class Order(TimestampedModel):
    """A sale: made in the transaction that closes the auction, at the price and not at the winner's maximum, or in the
    one that accepts an offer. Its invoice, payments, title and transport are rows of their own under its lock.

    `delivery` is blank until the buyer has chosen. `disputed_from` is the status to which a dispute goes back.
    """

    class Delivery(models.TextChoices):
        SELF_PICKUP = "self_pickup"
        TRANSPORT = "transport"

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
    offer = models.OneToOneField(Offer, on_delete=models.PROTECT, null=True, blank=True, related_name="order")
    delivery = models.CharField(max_length=11, choices=Delivery, blank=True)
    payment_due_at = models.DateTimeField(help_text="Unpaid after it, the order is overdue.")
    default_at = models.DateTimeField(help_text="Unpaid after it, the sale comes to nothing.")
    paid_at = models.DateTimeField(null=True, blank=True)
    disputed_from = models.CharField(max_length=19, choices=Status, blank=True)
    chances_ended_at = models.DateTimeField(
        null=True, blank=True, help_text="Of a sale that came to nothing: since when no other bidder is asked any more."
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["listing"], condition=~Q(status__in=DEAD_ORDER), name="order_live_listing"),
            models.UniqueConstraint(fields=["auction"], condition=~Q(status__in=DEAD_ORDER), name="order_live_auction"),
            models.CheckConstraint(condition=Q(hammer_price__gt=0), name="order_hammer_price"),
            models.CheckConstraint(condition=~Q(buyer=models.F("seller")), name="order_between_two"),
            models.CheckConstraint(condition=Q(default_at__gte=models.F("payment_due_at")), name="order_default_later"),
            models.CheckConstraint(
                condition=Q(status="disputed", disputed_from__in=PAID_ORDER) | ~Q(status="disputed"),
                name="order_disputed_from",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=PAID_ORDER) | Q(paid_at__isnull=False), name="order_paid_at"
            ),
        ]
        indexes = [
            models.Index(fields=["buyer", "-id"], name="order_buyer"),
            models.Index(fields=["seller", "-id"], name="order_seller"),
            models.Index(fields=["buyer"], name="order_unpaid", condition=Q(status__in=UNPAID_ORDER)),
            models.Index(fields=["status", "-id"], name="order_status"),
            models.Index(fields=["payment_due_at"], name="order_due", condition=Q(status="awaiting_payment")),
            models.Index(fields=["default_at"], name="order_default_due", condition=Q(status="overdue")),
            models.Index(
                fields=["id"],
                name="order_chances",
                condition=Q(status__in=["defaulted", "cancelled"], auction__isnull=False, chances_ended_at=None),
            ),
        ]
        permissions = [("read_sales_reports", "Can read the reports on sales")]

    def __str__(self) -> str:
        return self.order_number


class SettlementEvent(models.Model):
    """What happened to an offer, an order, or anything that belongs to one: append-only, the source of the order's
    timeline and of the notifications. `subject` and `subject_id` name the row; `old` is blank where it begins.
    `details` are facts of that moment which the texts need (an amount, a number, a reference), no secrets."""

    class Subject(models.TextChoices):
        OFFER = "offer"
        ORDER = "order"
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"
        PAYMENT = "payment"
        REFUND = "refund"
        TITLE_TRANSFER = "title_transfer"
        TRANSPORT_ORDER = "transport_order"
        GATE_PASS = "gate_pass"  # noqa: S105 - not a password
        PAYOUT = "payout"

    subject = models.CharField(max_length=15, choices=Subject)
    subject_id = models.PositiveBigIntegerField()
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    old = models.CharField(max_length=25, blank=True)
    new = models.CharField(max_length=25)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the notifications about it were written.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(subject="offer") | Q(order__isnull=False), name="settlement_of_order"),
        ]
        indexes = [
            models.Index(fields=["subject", "subject_id", "id"], name="settlement_subject"),
            models.Index(fields=["id"], name="settlement_untold", condition=Q(told_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id}: {self.new}"
