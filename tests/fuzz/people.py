"""Fills a fuzz server's database with people and rows that they own, and prints the facts that the fuzzer needs as
JSON. Run as a module, with everybody's password and whose rows to make."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import django

# The first segments of the paths whose rows the permission table's targets make.
MARKET = {
    "vehicles", "auctions", "bids", "saved-searches", "fee-schedules", "increment-tables", "files", "offers", "orders",
    "invoices", "credit-notes", "payments", "refunds", "title-transfers", "transport-orders", "gate-passes", "payouts",
}  # fmt: skip
DOMAINS = {"workshop", "parking"} | MARKET
EACH = 2  # Rows of a kind: commands use them up, and what comes after is refused by their state.


def fill(password: str, whose: str) -> dict[str, Any]:
    """Returns ids of rows that the administrator, whom the fuzzer signs in as, can reach. `pools` has some for each
    operation, in the state that it needs: `everybody`'s, or of what is private only those of the first of the two
    users (`alice`)."""
    from accounts.models import Export, SellerProfile, User
    from accounts.notifications import notify
    from tests.factories import CarFactory, UserFactory, VehicleFactory
    from tests.fuzz.server import ADMINISTRATOR, LEAVERS, PEOPLE
    from tests.parking.factories import LotFactory
    from tests.workshop.factories import CustomerFactory

    administrator = UserFactory(email=ADMINISTRATOR, password=password, is_superuser=True)
    for email in (ADMINISTRATOR, *PEOPLE, *LEAVERS):
        person = administrator if email == ADMINISTRATOR else UserFactory(email=email, password=password)
        VehicleFactory.create_batch(3, owner=person)
        CarFactory.create_batch(3, created_by=person)
        for number in range(3):
            notify(user=person, kind="security", title=f"Message {number}")
    business = {"business_name": "Cars", "dealer_license_number": "1", "tax_id": "2"}
    profiles = [SellerProfile.objects.create(user=person, **business) for person in (administrator, UserFactory())]
    owners = {
        "everybody": lambda: UserFactory(password=None),
        "alice": lambda: User.objects.get(email=PEOPLE[0]),
    }
    return {
        "notification": administrator.notifications.order_by("pk")[0].pk,
        "export": str(Export.objects.create(owner=administrator, kind="cars").pk),
        "vehicle": administrator.vehicles.order_by("pk")[0].pk,
        "user": administrator.pk,
        "parking_export": str(Export.objects.create(owner=administrator, kind="parking").pk),
        "seller_profile": profiles[1].pk,
        "customer": CustomerFactory().pk,
        "lot": LotFactory(spots=500).pk,
        "pools": json.dumps(dict(_pools(owners[whose], private=whose == "alice"))),
    }


def _pools(owner_of: Callable[[], Any], *, private: bool = False) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Operation -> the facts that the permission table's rows need: members of the path, and of the body. `private`
    keeps to what others may not see."""
    from accounts.models import User
    from tests.factories import UserFactory
    from tests.fuzz.server import ADMINISTRATOR
    from tests.permissions import TABLE
    from tests.targets import TARGETS

    for operation, row in TABLE.items():
        domain = operation.partition("/api/")[2].split("/")[0]
        if domain not in DOMAINS or row.target == "parking_export" or (private and row.others != 404):
            continue
        named = {name: value[1:] for name, value in (row.body or {}).items() if str(value).startswith("$")}
        pool = []
        # What even an administrator may not do with others' things is done with the fuzzer's own.
        owners_only = row.status("administrator") in (403, 404, 422) and row.status("owner") < 300 and not private
        for _ in range(EACH if row.target or named else 0):
            owner = User.objects.get(email=ADMINISTRATOR) if owners_only and domain in MARKET else owner_of()
            facts = TARGETS[row.target](owner) | {"customer": UserFactory(password=None).pk}
            pool.append({"path": facts, "body": {name: facts[fact] for name, fact in named.items()}})
        yield operation, pool


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    json.dump(fill(sys.argv[1], sys.argv[2]), sys.stdout)
