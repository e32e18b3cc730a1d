"""Fills a fuzz server's database with people and rows that they own, and prints the facts that the fuzzer needs as
JSON. Run as a module, with the password of everybody."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django


def fill(password: str) -> dict[str, Any]:
    """Returns ids of rows that the administrator, whom the fuzzer signs in as, can reach."""
    from accounts.models import Export
    from accounts.notifications import notify
    from tests.factories import CarFactory, UserFactory, VehicleFactory
    from tests.fuzz.server import ADMINISTRATOR, LEAVERS, PEOPLE

    administrator = UserFactory(email=ADMINISTRATOR, password=password, is_superuser=True)
    for email in (ADMINISTRATOR, *PEOPLE, *LEAVERS):
        person = administrator if email == ADMINISTRATOR else UserFactory(email=email, password=password)
        VehicleFactory.create_batch(3, owner=person)
        CarFactory.create_batch(3, created_by=person)
        for number in range(3):
            notify(user=person, kind="security", title=f"Message {number}")
    return {
        "notification": administrator.notifications.order_by("pk")[0].pk,
        "export": str(Export.objects.create(owner=administrator, kind="cars").pk),
        "vehicle": administrator.vehicles.order_by("pk")[0].pk,
        "user": administrator.pk,
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    json.dump(fill(sys.argv[1]), sys.stdout)
