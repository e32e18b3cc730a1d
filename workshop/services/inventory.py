"""Writes of parts as they are described, and of what comes in, is counted and thrown away by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.models import User
from common.errors import Conflict, NotFound, Unprocessable
from common.text import natural_key
from workshop import caches
from workshop.models import Part
from workshop.services import stock, waiting
from workshop.services.alerts import settle_alerts

KEY_LENGTH: int = Part._meta.get_field("sku_key").max_length or 0


class SkuTaken(Conflict):
    """Another part has this SKU in some spelling; `meta.existing_id` is its id."""

    code = "sku_taken"
    detail = "Another part has this SKU."


class SkuTooLong(Unprocessable):
    """An SKU within its bound whose normalised form is not."""

    code = "sku_too_long"
    detail = f"Written out, this SKU is longer than {KEY_LENGTH} characters."


class PartInUse(Conflict):
    """Tickets, orders or the ledger refer to the part."""

    code = "part_in_use"
    detail = "This part has been used. Archive it instead."


@transaction.atomic
def create_part(*, data: Mapping[str, Any], now: datetime) -> Part:
    """A part of which nothing is on hand yet; with a threshold it is low from the start. Raises SkuTaken,
    SkuTooLong."""
    part = Part(**data)
    _save(part)
    _describe(part, now=now)
    return part


@transaction.atomic
def update_part(*, part: Part, data: Mapping[str, Any], now: datetime) -> Part:
    """Change the named fields. Lines that are written keep their prices. Raises SkuTaken, SkuTooLong, NotFound."""
    part = _lock(part.pk)
    changed = {name: value for name, value in data.items() if getattr(part, name) != value}
    for name, value in changed.items():
        setattr(part, name, value)
    if changed:
        _save(part, fields=[*changed, "sku_key", "updated_at"])
        _describe(part, now=now)
    return part


@transaction.atomic
def delete_part(*, part: Part) -> None:
    """Delete a part that nothing ever referred to. Raises PartInUse, NotFound."""
    # Also against those who only refer to it, whom the weaker lock of all other writes lets through.
    locked = Part.objects.select_for_update(of=("self",)).filter(pk=part.pk).first()
    if locked is None:
        raise NotFound
    try:
        locked.delete()
    except ProtectedError:
        raise PartInUse from None
    caches.inventory.bump_on_commit()


@transaction.atomic
def archive_part(*, part: Part, now: datetime) -> Part:
    """Take a part out of the list; what is on hand and promised stays. Twice is no error. Raises NotFound."""
    part = _lock(part.pk)
    if part.archived_at is None:
        part.archived_at = now
        part.save(update_fields=["archived_at", "updated_at"])
        _describe(part, now=now)
    return part


@transaction.atomic
def unarchive_part(*, part: Part, now: datetime) -> Part:
    """Put a part back into the list. Twice is no error. Raises NotFound."""
    part = _lock(part.pk)
    if part.archived_at is not None:
        part.archived_at = None
        part.save(update_fields=["archived_at", "updated_at"])
        _describe(part, now=now)
    return part


def receive_part(*, part: Part, quantity: Decimal, reference: str, actor: User, now: datetime) -> Part:
    """Book a delivery without a purchase order. Raises what `stock.receive` raises."""

    def move() -> None:
        stock.receive(part_id=part.pk, quantity=quantity, reference=reference, actor=actor, now=now)

    return _bring_in(part, move, actor=actor, now=now)


def adjust_part(*, part: Part, counted: Decimal, reason: str, actor: User, now: datetime) -> Part:
    """Book a count of the shelf. Raises what `stock.adjust` raises."""

    def move() -> None:
        stock.adjust(part_id=part.pk, counted=counted, reason=reason, actor=actor, now=now)

    return _bring_in(part, move, actor=actor, now=now)


def scrap_part(*, part: Part, quantity: Decimal, reason: str, actor: User, now: datetime) -> Part:
    """Throw some of the part away. Raises what `stock.scrap` raises."""
    stock.scrap(part_id=part.pk, quantity=quantity, reason=reason, actor=actor, now=now)
    return Part.objects.get(pk=part.pk)


@transaction.atomic
def _bring_in(part: Part, move: Callable[[], None], *, actor: User, now: datetime) -> Part:
    """Tickets that wait for the part go on with what `move` made available."""
    tickets = waiting.lock_waiting(part_ids=[part.pk])
    waiting.lock_parts(part_ids=[part.pk], tickets=tickets)
    move()
    waiting.resume(tickets=tickets, actor=actor, now=now)
    return Part.objects.get(pk=part.pk)


def _lock(part_id: int) -> Part:
    part = stock.lock_parts(part_ids=[part_id]).get(part_id)
    if part is None:
        raise NotFound
    return part


def _save(part: Part, *, fields: list[str] | None = None) -> None:
    """A collision of SKUs is the constraint's answer."""
    key = natural_key(part.sku)
    if len(key) > KEY_LENGTH:
        raise SkuTooLong(attr="sku")
    try:
        with transaction.atomic():
            part.save(update_fields=fields)
    except IntegrityError:
        other = Part.objects.filter(sku_key=key).exclude(pk=part.pk).first()
        if other is None:
            raise
        raise SkuTaken(attr="sku", meta={"existing_id": other.pk}) from None


def _describe(part: Part, *, now: datetime) -> None:
    """What follows from a new description: the part may be low by its new threshold, and lists show it."""
    settle_alerts(parts=[part], now=now)
    caches.inventory.bump_on_commit()
