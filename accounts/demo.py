"""The people of the demo data: an administrator, somebody of every role, dealers, buyers and customers. All share one
published password, so they exist only where `seed_demo` made them, and it refuses to run in production."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.exports import delete_file
from accounts.models import Export, Notification, SellerProfile, User
from accounts.roles import ROLES
from accounts.sellers import approve_seller_profile, save_seller_profile

PASSWORD = "demo-showroom-2020"  # noqa: S105 - published on purpose
BEGAN = timedelta(days=730)  # Two years of business; nothing of the demo is older.
ADDRESS = {
    "address_line1": "48 Congress St", "address_city": "Troy", "address_state": "NY", "address_zip": "12180",
    "address_country": "US",
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """`role` is "administrator", "customer" or a name in `ROLES`. Who `may_bid` has a proven identity and a card."""

    username: str
    role: str
    first_name: str
    last_name: str
    who: str
    may_bid: bool = False
    bid_limit: Decimal | None = None
    dealer: Mapping[str, str] = field(default_factory=dict)

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


class Look(NamedTuple):
    """Something worth a visit, which an app's demo module names in `LOOKS`: a path, where `{admin}` stands for the
    admin's, what is to be seen there, and who signs in before ("" for nobody)."""

    username: str
    path: str
    what: str


PEOPLE = (
    Person("admin", "administrator", "Ada", "Lund", "runs the business"),
    Person("mechanic", "mechanic", "Max", "Novak", "engines"),
    Person("service_advisor", "service_advisor", "Sam", "Vance", "the workshop's desk"),
    Person("parking_manager", "parking_manager", "Paula", "Marsh", "the car parks"),
    Person("parking_attendant", "parking_attendant", "Pete", "Lowe", "the gate"),
    Person("moderator", "moderator", "Mona", "Reed", "what may be sold, and by whom"),
    Person("finance", "finance", "Fiona", "Grant", "money"),
    Person("mia", "mechanic", "Mia", "Torres", "brakes"),
    Person("felix", "finance", "Felix", "Hale", "money, and what Fiona decides on"),
    Person(
        "dora", "customer", "Dora", "Dale", "an approved dealer",
        dealer={"business_name": "Dora's Motors", "dealer_license_number": "NY-7204", "tax_id": "98-7654321"},
    ),
    Person(
        "erin", "customer", "Erin", "Ekdahl", "a dealer who waits for approval",
        dealer={"business_name": "Ekdahl Imports", "dealer_license_number": "NY-8119", "tax_id": "98-1122334"},
    ),
    Person("frank", "customer", "Frank", "Foster", "a customer of the workshop who may not bid yet"),
    Person("grace", "customer", "Grace", "Gomez", "a buyer with a limit", True, Decimal("20000.00")),
    Person("henry", "customer", "Henry", "Hsu", "a buyer", True),
    Person("carol", "customer", "Carol", "Cole", "a buyer who also sells", True),
    Person("alice", "customer", "Alice", "Archer", "a buyer who also sells", True),
    Person("bob", "customer", "Bob", "Baker", "a buyer", True),
)  # fmt: skip
_APPROVED = "dora"
LOOKS = (
    Look("admin", "/{admin}/", "the figures of today, and every table"),
    Look("moderator", "/{admin}/accounts/sellerprofile/", "Erin waits to be approved as a dealer"),
)


def is_welcome() -> bool:
    """Not in production, where nobody's password is published."""
    return not os.environ["DJANGO_SETTINGS_MODULE"].endswith(".production")


def is_seeded() -> bool:
    """One query."""
    return User.objects.filter(email__in=[person.email for person in PEOPLE]).count() == len(PEOPLE)


def modules() -> list[ModuleType]:
    """The demo modules of all apps, in the order of INSTALLED_APPS."""
    names = [f"{app.name}.demo" for app in apps.get_app_configs()]
    return [import_module(name) for name in names if find_spec(name)]


def looks() -> list[Look]:
    """What is worth a visit in all apps; of one person's all together, in the order of PEOPLE."""
    order = ["", *(person.username for person in PEOPLE)]
    found = [look for module in modules() for look in getattr(module, "LOOKS", ())]
    return sorted(found, key=lambda look: order.index(look.username))


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:
    """Create who is missing; with `restore` also give back to everybody the password, the role and the names above."""
    encoded = make_password(PASSWORD)  # Once: it is made to take long.
    for person in PEOPLE:
        user = User.objects.filter(email=person.email).first()
        if user is None or restore:
            _write(user or User(email=person.email), person, encoded, now=now)
    approver = User.objects.get(email="moderator@example.com")
    for person in PEOPLE:
        user = User.objects.get(email=person.email)
        if person.dealer and not SellerProfile.objects.filter(user=user).exists():
            profile, _ = save_seller_profile(user=user, values=person.dealer)
            if person.username == _APPROVED:
                approve_seller_profile(profile_id=profile.pk, approver=approver, now=now - BEGAN)


def _write(user: User, person: Person, encoded: str, *, now: datetime) -> None:
    administrator, since = person.role == "administrator", now - BEGAN
    user.username, user.username_key = person.username, person.username
    user.first_name, user.last_name = person.first_name, person.last_name
    user.is_active, user.email_verified_at = True, user.email_verified_at or since
    user.is_superuser, user.is_staff = administrator, administrator or person.role in ROLES
    user.identity_verified_at = since if person.may_bid else None
    user.payment_provider = "sandbox" if person.may_bid else ""
    user.payment_reference = f"pm_{person.username}" if person.may_bid else ""
    user.payment_last4, user.bid_limit = "4242" if person.may_bid else "", person.bid_limit
    for name, value in ADDRESS.items() if person.may_bid else ():
        setattr(user, name, value)
    user.created_at = min(user.created_at, since)
    user.password, user.token_version = encoded, user.token_version + 1
    user.save()
    user.groups.set(Group.objects.filter(name=person.role))


def look_back(*, now: datetime) -> None:
    """What people were told before that moment they have read, and nobody mails it any more."""
    told = Notification.objects.filter(user__email__in=[person.email for person in PEOPLE], created_at__lt=now)
    told.update(read_at=now, mail_status=Notification.MailStatus.NONE)


@transaction.atomic
def clear() -> None:
    """Remove what people were told, what they exported, and the dealers' profiles. The people stay."""
    emails = [person.email for person in PEOPLE]
    Notification.objects.filter(user__email__in=emails).delete()
    SellerProfile.objects.filter(user__email__in=emails).delete()
    written = Export.objects.filter(owner__email__in=emails)
    for export_id in written.values_list("pk", flat=True):
        transaction.on_commit(lambda export_id=export_id: delete_file(export_id))  # type: ignore[misc]
    written.delete()


def told(look: Look) -> list[str]:
    """Its lines for a terminal."""
    who = f"{look.username}@example.com" if look.username else "anybody"
    return [f"{who}: {look.what}", f"    {settings.BACKEND_URL}{path_of(look)}"]


def path_of(look: Look) -> str:
    return look.path.format(admin=settings.ADMIN_PATH)


def story() -> str:
    """Where to look and as whom."""
    title = f"The demo is a motor business with two years behind it. Everybody's password: {PASSWORD}"
    people = [f"  {person.email:30} {person.role:18} {person.who}" for person in PEOPLE]
    return "\n".join([title, "", *people, "", *(f"  {line}" for look in looks() for line in told(look))])
