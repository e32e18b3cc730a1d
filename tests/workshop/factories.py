"""Rows of the workshop for tests. Each factory makes the smallest valid row; a test names only what it is about."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import factory

from tests.factories import UserFactory
from workshop.models import (
    Customer,
    FeeLine,
    Job,
    LabourLine,
    Mechanic,
    Part,
    PartLine,
    Product,
    ServiceTicket,
    StockMovement,
    Supplier,
)


class CustomerFactory(factory.django.DjangoModelFactory):
    """A walk-in; name a `user` for one with an account."""

    name = "Casey Customer"
    email = factory.Sequence(lambda n: f"customer{n}@example.com")

    class Meta:
        model = Customer

    @classmethod
    def _create(cls, model_class: type[Customer], *args: Any, **fields: Any) -> Customer:
        """A user is one customer: asked for again, the same."""
        user = fields.get("user")
        found = model_class.objects.filter(user=user).first() if user else None
        return found or model_class.objects.create(**fields)


class MechanicFactory(factory.django.DjangoModelFactory):
    """A mechanic whose hour costs 60.00; the user has no role."""

    user = factory.SubFactory(UserFactory)
    display_name = factory.Sequence(lambda n: f"Mechanic {n}")
    hourly_rate = Decimal("60.00")

    class Meta:
        model = Mechanic


class SupplierFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Supplier {n}")

    class Meta:
        model = Supplier


class PartFactory(factory.django.DjangoModelFactory):
    """A part with `on_hand` pieces on the shelf, received by the ledger; sold for 10.00, bought for 6.00."""

    name = factory.Sequence(lambda n: f"Oil filter {n}")
    sku = factory.Sequence(lambda n: f"OF-{n}")
    price = Decimal("10.00")
    cost = Decimal("6.00")

    class Meta:
        model = Part

    @classmethod
    def _create(cls, model_class: type[Part], *args: Any, **fields: Any) -> Part:
        on_hand = Decimal(fields.pop("on_hand", 0))
        part = model_class.objects.create(**fields, on_hand=on_hand)
        if on_hand:
            StockMovement.objects.create(
                part=part,
                kind="receive",
                quantity=on_hand,
                on_hand_delta=on_hand,
                reserved_delta=0,
                before=0,
                after=on_hand,
            )
        return part


class TicketFactory(factory.django.DjangoModelFactory):
    """A draft of a walk-in whose vehicle is known by its VIN only. `mechanics=[...]` assigns some."""

    customer = factory.SubFactory(CustomerFactory)
    vin = "1HGCM82633A004352"
    service_date = date(2026, 11, 25)
    description = "Noise from the front left."

    class Meta:
        model = ServiceTicket
        skip_postgeneration_save = True

    @factory.post_generation
    def mechanics(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            self.mechanics.set(extracted)


class JobFactory(factory.django.DjangoModelFactory):
    ticket = factory.SubFactory(TicketFactory)
    title = "Replace the oil filter"
    tax_rate = Decimal("20.00")

    class Meta:
        model = Job


class LabourLineFactory(factory.django.DjangoModelFactory):
    job = factory.SubFactory(JobFactory)
    mechanic = factory.SubFactory(MechanicFactory)
    hours = Decimal("1.50")
    rate = Decimal("60.00")

    class Meta:
        model = LabourLine


class PartLineFactory(factory.django.DjangoModelFactory):
    """Two pieces, not reserved."""

    job = factory.SubFactory(JobFactory)
    part = factory.SubFactory(PartFactory, on_hand=10)
    name = factory.SelfAttribute("part.name")
    sku = factory.SelfAttribute("part.sku")
    unit = factory.SelfAttribute("part.unit")
    quantity = Decimal(2)
    price = factory.SelfAttribute("part.price")
    cost = factory.SelfAttribute("part.cost")

    class Meta:
        model = PartLine


class FeeLineFactory(factory.django.DjangoModelFactory):
    job = factory.SubFactory(JobFactory)
    title = "Disposal of old oil"
    amount = Decimal("5.00")

    class Meta:
        model = FeeLine


class ProductFactory(factory.django.DjangoModelFactory):
    """A manual product."""

    name = factory.Sequence(lambda n: f"Brake pads {n}")
    price = Decimal("39.90")
    category = "Brakes"
    category_key = "brakes"

    class Meta:
        model = Product
