"""Rows of parking for tests. Each factory makes the smallest valid row; a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone

from common.text import plate_key
from parking.models import Lot, Rate, Reservation, Spot
from tests.factories import UserFactory


class LotFactory(factory.django.DjangoModelFactory):
    """An active lot, open all day, with `spots` standard spots (2) and a rate of 3.00 USD an hour."""

    name = factory.Sequence(lambda n: f"Lot {n}")
    address = "1 Main Street"
    pin_code = "10115"

    class Meta:
        model = Lot

    @classmethod
    def _create(cls, model_class: type[Lot], *args: Any, **fields: Any) -> Lot:
        count, rate = fields.pop("spots", 2), fields.pop("rate", {})
        lot = model_class.objects.create(**fields)
        Spot.objects.bulk_create(Spot(lot=lot, number=number) for number in range(1, count + 1))
        Rate.objects.create(**{"lot": lot, "version": 1, "price": Decimal("3.00"), "currency": "USD"} | rate)
        return lot


class ReservationFactory(factory.django.DjangoModelFactory):
    """A reservation of the lot's first spot, from in an hour on for two hours. `status="active"` is checked in since
    `starts_at`; `status="completed"` needs `released_at` and `cost`."""

    user = factory.SubFactory(UserFactory)
    lot = factory.SubFactory(LotFactory)
    reference = factory.Sequence(lambda n: f"PK-{n:06d}")
    plate = factory.Sequence(lambda n: f"FC {n}")

    class Meta:
        model = Reservation

    @classmethod
    def _create(cls, model_class: type[Reservation], *args: Any, **fields: Any) -> Reservation:
        lot = fields["lot"]
        fields.setdefault("spot", lot.spots.order_by("number").first())
        fields.setdefault("rate", lot.rates.first())
        fields.setdefault("starts_at", timezone.now() + timedelta(hours=1))
        fields.setdefault("ends_at", fields["starts_at"] + timedelta(hours=2))
        fields.setdefault("booked_until", fields["ends_at"])
        if fields.get("status") in ("active", "completed"):
            fields.setdefault("checked_in_at", fields["starts_at"])
        return model_class.objects.create(**fields, plate_key=plate_key(fields["plate"]))
