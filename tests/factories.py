"""Rows for tests. Each factory makes the smallest valid row; a test names only what it is about."""

from __future__ import annotations

from typing import Any

import factory
from django.utils import timezone

from accounts.models import User
from cars.models import Car, Vehicle

PASSWORD = "violet-harbour-42"  # What every user of the tests signs in with.


class UserFactory(factory.django.DjangoModelFactory):
    """An active person with a verified e-mail and no role."""

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    first_name = "Sam"
    last_name = "Driver"
    email_verified_at = factory.LazyFunction(timezone.now)

    class Meta:
        model = User

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        password = fields.pop("password", PASSWORD)
        users = model_class.objects
        make = users.create_superuser if fields.get("is_superuser") else users.create_user
        return make(password=password, **fields)


class CarFactory(factory.django.DjangoModelFactory):
    """A row of the registry; the year tells the rows of one test apart."""

    make = "Toyota"
    model = factory.Sequence(lambda n: f"Corolla {n}")
    year = 2020
    category = "Sedan"

    class Meta:
        model = Car


class VehicleFactory(factory.django.DjangoModelFactory):
    """Somebody's car, without a VIN."""

    owner = factory.SubFactory(UserFactory)
    plate = factory.Sequence(lambda n: f"FC {n}")
    make = "Toyota"
    model = "Corolla"
    year = 2020
    vin_exempt_reason = "test"

    class Meta:
        model = Vehicle
