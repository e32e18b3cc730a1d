"""Those who sell parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from common.errors import Conflict, NotFound, Unprocessable
from common.text import natural_key
from workshop.models import Supplier
from workshop.models.people import NAME_KEY_LENGTH


class SupplierExists(Conflict):
    """Names tell suppliers apart, whatever their case and spacing; `meta.existing_id` says whose it is."""

    code = "supplier_exists"
    detail = "There is a supplier of this name."


class SupplierNameTooLong(Unprocessable):
    """A name within its bound whose normalised form is not within that of its key."""

    code = "name_too_long"
    detail = "Written out, this name is too long."


class SupplierInUse(Conflict):
    """Parts and purchase orders keep their supplier."""

    code = "supplier_in_use"
    detail = "There are parts or purchase orders of this supplier."


@transaction.atomic
def create_supplier(*, data: Mapping[str, Any]) -> Supplier:
    """Raises SupplierExists, SupplierNameTooLong."""
    return _save(Supplier(**data))


@transaction.atomic
def update_supplier(*, supplier: Supplier, data: Mapping[str, Any]) -> Supplier:
    """Change the named fields. Raises SupplierExists, SupplierNameTooLong, NotFound."""
    locked = Supplier.objects.select_for_update(of=("self",), no_key=True).filter(pk=supplier.pk).first()
    if locked is None:
        raise NotFound
    changed = {name: value for name, value in data.items() if getattr(locked, name) != value}
    if not changed:
        return locked
    for name, value in changed.items():
        setattr(locked, name, value)
    return _save(locked)


@transaction.atomic
def delete_supplier(*, supplier: Supplier) -> None:
    """Delete one that nothing refers to. Raises SupplierInUse, NotFound."""
    # Not the weaker lock: a part that refers to the row must wait for what becomes of it.
    locked = Supplier.objects.select_for_update(of=("self",)).filter(pk=supplier.pk).first()
    if locked is None:
        raise NotFound
    if locked.parts.exists() or locked.purchase_orders.exists():
        raise SupplierInUse
    locked.delete()


def _save(supplier: Supplier) -> Supplier:
    """Save; the constraint alone decides who was first."""
    key = natural_key(supplier.name)
    if len(key) > NAME_KEY_LENGTH:
        raise SupplierNameTooLong(attr="name")
    try:
        with transaction.atomic():
            supplier.save()
    except IntegrityError:
        existing = Supplier.objects.filter(name_key=key).exclude(pk=supplier.pk).first()
        if existing is not None:
            raise SupplierExists(attr="name", meta={"existing_id": existing.pk}) from None
        raise
    return supplier
