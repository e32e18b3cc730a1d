"""Fills a fuzz server's database: two customers, one administrator, and rows that they own. Run as a module."""

from __future__ import annotations

import os

import django


def fill(password: str) -> None:
    """Idempotence is not needed: the database is new."""
    from accounts.notifications import notify
    from tests.factories import CarFactory, UserFactory, VehicleFactory
    from tests.fuzz.server import ADMINISTRATOR, PEOPLE

    UserFactory(email=ADMINISTRATOR, password=password, is_superuser=True)
    for email in PEOPLE:
        person = UserFactory(email=email, password=password)
        VehicleFactory.create_batch(5, owner=person)
        CarFactory.create_batch(5, created_by=person)
        for number in range(5):
            notify(user=person, kind="security", title=f"Message {number}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    fill(os.environ["PASSWORD"])
