"""Customers: walk-ins that staff write down, and people who have an account. A user has at most one customer row, and
gets it by the verified e-mail address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.notifications import forget_address
from accounts.services import lock_user
from common.errors import Conflict, Forbidden, NotFound
from common.text import email_key
from workshop.models import Customer

# What only staff say about a customer.
STAFF_FIELDS = ("user", "notes")


class EmailNotVerified(Forbidden):
    """Whoever has not proven an address must not become the customer of that address."""

    code = "email_not_verified"
    detail = "Confirm your e-mail address first."


class CustomerEmailTaken(Conflict):
    """Addresses tell customers apart, in any spelling."""

    code = "customer_email_taken"
    detail = "Another customer has this e-mail address."


class UserIsCustomer(Conflict):
    """A user is at most one customer."""

    code = "user_is_customer"
    detail = "This user is linked to another customer."


class CustomerInUse(Conflict):
    """Tickets and invoices keep their customer."""

    code = "customer_in_use"
    detail = "There are service tickets of this customer."


class StaffField(Forbidden):
    """A customer's own row has members that the customer may not set."""

    code = "staff_field"
    detail = "Only staff can set this."


class EmailNotOwn(Forbidden):
    """A customer could otherwise take the address of somebody else, and with it that person's tickets."""

    code = "email_not_own"
    detail = "Only the confirmed e-mail address of your account can be set."


def lock_customer(customer_id: int) -> Customer:
    """The customer's row, locked after its user and before its tickets. Raises NotFound."""
    customer = Customer.objects.select_for_update(of=("self",), no_key=True).filter(pk=customer_id).first()
    if customer is None:
        raise NotFound
    return customer


@transaction.atomic
def customer_of(*, user: User) -> Customer:
    """The user's customer row: the one they have, else that of a walk-in with their address, else a new one.

    Locks the user. Raises EmailNotVerified, and CustomerEmailTaken when the address still stands with the customer
    of another account.
    """
    locked = lock_user(user.pk)
    customer = Customer.objects.filter(user=locked).first()
    if customer is not None:
        return customer
    if locked.email_verified_at is None:
        raise EmailNotVerified
    return _take_walk_in(locked) or _save(
        Customer(user=locked, name=locked.get_full_name()[:200], email=locked.email, phone=locked.phone)
    )


def link_customer(*, user: User, now: datetime) -> None:  # noqa: ARG001 - a hook of accounts.registry
    """Give a user, whose row is locked and whose address is proven, the walk-in of that address. Nothing happens
    without one, and to a user who is a customer already."""
    if not Customer.objects.filter(user=user).exists():
        _take_walk_in(user)


@transaction.atomic
def create_customer(*, data: Mapping[str, Any]) -> Customer:
    """Write down a customer. Unless `user` is told, the one who has proven the address is linked.

    Raises CustomerEmailTaken, UserIsCustomer.
    """
    customer = Customer(**data)
    if "user" not in data:
        customer.user = _owner_of(customer.email)
    return _save(customer)


@transaction.atomic
def update_customer(*, customer: Customer, actor: User, data: Mapping[str, Any]) -> Customer:
    """Change the named fields; customers change their own name and phone, and take over their account's address.

    A walk-in whose address changes is linked as in `create_customer`. Raises StaffField, EmailNotOwn,
    CustomerEmailTaken, UserIsCustomer, NotFound.
    """
    customer = lock_customer(customer.pk)
    changed = {name: value for name, value in data.items() if _stored(name, value) != getattr(customer, name)}
    if not actor.has_perm("workshop.change_customer"):
        _check_own_change(actor, changed)
    if "email" in changed and "user" not in data and customer.user_id is None:
        changed["user"] = _owner_of(changed["email"])
    if changed:
        for name, value in changed.items():
            setattr(customer, name, value)
        _save(customer)
    return customer


@transaction.atomic
def delete_customer(*, customer: Customer) -> None:
    """Delete a customer of whom there is nothing, with what was mailed to a walk-in. Raises CustomerInUse, NotFound."""
    # Not the weaker lock: a ticket that refers to the row must wait for what becomes of it.
    locked = Customer.objects.select_for_update(of=("self",)).filter(pk=customer.pk).first()
    if locked is None:
        raise NotFound
    if locked.tickets.exists() or locked.invoices.exists():
        raise CustomerInUse
    forget_address(locked.email)
    locked.delete()


def _take_walk_in(user: User) -> Customer | None:
    walk_ins = Customer.objects.select_for_update(of=("self",), no_key=True)
    walk_in = walk_ins.filter(email=user.email, user=None).first()
    if walk_in is not None:
        walk_in.user = user
        walk_in.save(update_fields=["user", "updated_at"])
    return walk_in


def _stored(name: str, value: Any) -> Any:
    return email_key(value) if name == "email" else value


def _check_own_change(actor: User, changed: Mapping[str, Any]) -> None:
    for name in STAFF_FIELDS:
        if name in changed:
            raise StaffField(attr=name)
    if "email" in changed and (email_key(changed["email"]) != actor.email or actor.email_verified_at is None):
        raise EmailNotOwn(attr="email")


def _owner_of(email: str) -> User | None:
    """The user who has proven the address and is no customer yet. Not locked: the constraint judges a race."""
    return User.objects.filter(
        email=email_key(email), email_verified_at__isnull=False, is_active=True, workshop_customer=None
    ).first()


def _save(customer: Customer) -> Customer:
    """Save; the constraints alone decide who was first."""
    try:
        with transaction.atomic():
            customer.save()
    except IntegrityError:
        others = Customer.objects.exclude(pk=customer.pk)
        if others.filter(email=customer.email).exists():
            raise CustomerEmailTaken(attr="email") from None
        if customer.user_id and others.filter(user_id=customer.user_id).exists():
            raise UserIsCustomer(attr="user") from None
        raise
    return customer
