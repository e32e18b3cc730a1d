"""Who brings vehicles, who works on them, and who sells parts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from common.models import TimestampedModel
from common.text import email_key, natural_key

NAME_KEY_LENGTH = 400


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Customers as their viewers see them."""

    def visible_to(self, user: Any) -> CustomerQuerySet:
        """Everybody to those who may view customers; to others only themselves."""
        return self if user.has_perm("workshop.view_customer") else self.filter(user_id=user.pk)


class Customer(TimestampedModel):
    """Somebody whose vehicles are serviced, with or without an account. The e-mail address is stored in its key form,
    so that a user who signs up with it can be linked."""

    name = models.CharField(max_length=200)
    email = models.EmailField(max_length=254, unique=True)
    phone = models.CharField(max_length=32, blank=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="workshop_customer"
    )
    notes = models.TextField(blank=True, help_text="For staff; the customer does not see them.")

    objects = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["name", "id"], name="customer_name")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the address in its stored form, whoever saves."""
        self.email = email_key(self.email)
        super().save(*args, **kwargs)


class Mechanic(TimestampedModel):
    """A user who works on vehicles. `hourly_rate` is what an hour is sold for; lines keep it as it was."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="mechanic")
    display_name = models.CharField(max_length=120)
    hourly_rate = models.DecimalField(max_digits=10, decimal_places=2)
    skills = models.JSONField(default=list, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(hourly_rate__gte=0), name="mechanic_rate_not_negative")]
        permissions = [("view_rates", "Can see what mechanics cost")]

    def __str__(self) -> str:
        return self.display_name


class Supplier(TimestampedModel):
    """Somebody who sells parts. Names are compared without regard to case and spacing."""

    name = models.CharField(max_length=200)
    name_key = models.CharField(max_length=NAME_KEY_LENGTH, unique=True, editable=False)
    email = models.EmailField(max_length=254, blank=True)
    phone = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the key in step with the name, whoever saves."""
        self.name_key = natural_key(self.name)
        super().save(*args, **kwargs)
