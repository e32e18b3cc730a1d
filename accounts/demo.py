"""The people of the demo data: an administrator, one person per role, two customers. All share one published
password, so they exist only where `seed_demo` made them, and it refuses to run in production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from accounts.roles import ROLES

PASSWORD = "demo-showroom-2020"  # noqa: S105 - published on purpose


@dataclass(frozen=True)
class Person:
    """`role` is "administrator", "customer" or a name in `ROLES`."""

    username: str
    role: str
    first_name: str
    last_name: str = "Demo"

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


PEOPLE = (
    Person("admin", "administrator", "Ada"),
    *(Person(role, role, role.replace("_", " ").title()) for role in ROLES),
    Person("mia", "mechanic", "Mia"),
    Person("dora", "customer", "Dora"),
    Person("carol", "customer", "Carol"),
    Person("alice", "customer", "Alice"),
    Person("bob", "customer", "Bob"),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:
    """Create who is missing; with `restore` also give back to everybody the password, the role and the names above."""
    for person in PEOPLE:
        user = User.objects.filter(email=person.email).first()
        if user is None or restore:
            _write(user or User(email=person.email), person, now=now)


def _write(user: User, person: Person, *, now: datetime) -> None:
    administrator = person.role == "administrator"
    user.username, user.username_key = person.username, person.username
    user.first_name, user.last_name = person.first_name, person.last_name
    user.is_active, user.email_verified_at = True, user.email_verified_at or now
    user.is_superuser, user.is_staff = administrator, administrator or person.role in ROLES
    user.set_password(PASSWORD)
    user.save()
    user.groups.set(Group.objects.filter(name=person.role))
