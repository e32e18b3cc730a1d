"""Abstract models that every app builds on. No tables of its own."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class TimestampedModel(models.Model):
    """Rows that know when they were made and last changed (UTC)."""

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class CounterPayment(models.Model):
    """Money taken over the counter, append-only. What it was for is the app's to say."""

    class Method(models.TextChoices):
        CASH = "cash"
        CARD = "card"
        BANK_TRANSFER = "bank_transfer"
        OTHER = "other"

    amount = models.DecimalField(max_digits=12, decimal_places=2)
    method = models.CharField(max_length=13, choices=Method)
    reference = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    received_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        abstract = True
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.amount} {self.method}"
