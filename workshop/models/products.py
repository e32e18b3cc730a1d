"""The suppliers' catalogue, synced from outside, and price changes that a person has to look at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Min, Q
from django.utils import timezone

from common.models import TimestampedModel
from common.text import natural_key
from workshop.models.stock import PRICE

MEASURE: dict[str, Any] = {"max_digits": 10, "decimal_places": 2}
KEY_LENGTH = 256


class ProductQuerySet(models.QuerySet["Product"]):
    """What can be asked of the catalogue."""

    def current(self) -> ProductQuerySet:
        """Without what the provider no longer lists."""
        return self.filter(withdrawn_at__isnull=True)

    def categories(self) -> models.QuerySet[Any, dict[str, Any]]:
        """The categories with the number of their rows, in one spelling each: `{"category_key", "name", "count"}`."""
        rows = self.exclude(category_key="").values("category_key")
        return rows.annotate(name=Min("category"), count=Count("id")).order_by("category_key")


class Product(TimestampedModel):
    """Something that a supplier offers. `provider` owns the row: `manual`, or the provider that brought it."""

    MANUAL = "manual"

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    price = models.DecimalField(**PRICE)
    category = models.CharField(max_length=128, blank=True)
    brand = models.CharField(max_length=128, blank=True)
    sku = models.CharField(max_length=64, blank=True)
    height = models.DecimalField(**MEASURE, null=True, blank=True)
    length = models.DecimalField(**MEASURE, null=True, blank=True)
    depth = models.DecimalField(**MEASURE, null=True, blank=True)
    supplier_stock = models.PositiveIntegerField(null=True, blank=True)
    supplier_stock_at = models.DateTimeField(
        null=True, blank=True, help_text="When the supplier's stock was last news."
    )
    category_key = models.CharField(max_length=KEY_LENGTH, blank=True, editable=False)
    brand_key = models.CharField(max_length=KEY_LENGTH, blank=True, editable=False)
    provider = models.CharField(max_length=32, default=MANUAL)
    external_id = models.CharField(max_length=64, null=True, blank=True)
    locked_fields = models.JSONField(default=list, blank=True, help_text="Fields edited by people; the sync keeps off.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "external_id"], name="product_provider_external_id"),
            models.CheckConstraint(condition=Q(price__gte=0), name="product_price_not_negative"),
        ]
        indexes = [
            models.Index(fields=["category_key", "id"], name="product_category", condition=Q(withdrawn_at=None)),
            models.Index(fields=["brand_key", "id"], name="product_brand", condition=Q(withdrawn_at=None)),
            models.Index(fields=["price", "id"], name="product_price", condition=Q(withdrawn_at=None)),
        ]
        permissions = [("adopt_product", "Can make parts of products")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the keys in step with the names, whoever saves."""
        self.set_keys()
        super().save(*args, **kwargs)

    def set_keys(self) -> None:
        self.category_key, self.brand_key = natural_key(self.category), natural_key(self.brand)


class PriceProposal(models.Model):
    """A price that moved so far that a person decides."""

    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REJECTED = "rejected"

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="price_proposals")
    old_price = models.DecimalField(**PRICE)
    new_price = models.DecimalField(**PRICE)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    run_id = models.BigIntegerField(null=True, blank=True, help_text="The sync run that brought it.")
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(status="pending"), name="price_proposal_one_pending"
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="price_proposal_status")]
        permissions = [("decide_priceproposal", "Can accept and reject price proposals")]

    def __str__(self) -> str:
        return f"{self.old_price} -> {self.new_price}"
