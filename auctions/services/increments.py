"""Increment tables, one of which is the default.

There are few of them: whoever changes the default locks all, by primary key (docs/locking.md). Auctions copy what they
use, so nothing here touches one that is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from auctions import increments
from auctions.models import IncrementTable
from auctions.tiers import refusal_of, tier_rows
from common.errors import Conflict, NotFound, Unprocessable


class BadIncrementTiers(Unprocessable):
    """Tiers that no auction may use. `code` and `attr` are those of the first finding, all are in `meta.findings`:
    `tiers_not_rising`, `open_tier_not_last`, `last_tier_not_open`, `step_not_positive`, `steps_falling`,
    `step_too_large`, `too_many_decimals`, `no_tiers`, `too_many_tiers`."""

    code = "invalid_tiers"


class IncrementTableExists(Conflict):
    """Names tell tables apart."""

    code = "increment_table_exists"
    detail = "There is an increment table of this name."


class DefaultIncrementTable(Conflict):
    """Auctions without steps of their own need a table: make another one the default first."""

    code = "default_increment_table"
    detail = "The default table cannot be deleted. Make another one the default first."


def check_tiers(tiers: Sequence[Mapping[str, Any]], *, attr: str = "tiers") -> list[dict[str, str | None]]:
    """The tiers as the JSON columns hold them. `attr` is the member of the body that they came in. Raises
    BadIncrementTiers."""
    found = increments.validate(tiers)
    if found:
        raise BadIncrementTiers(**refusal_of(found, attr))
    return tier_rows(tiers)


@transaction.atomic
def create_increment_table(*, data: Mapping[str, Any]) -> IncrementTable:
    """`data` holds `name` and `tiers`. Raises BadIncrementTiers, IncrementTableExists."""
    return _save(IncrementTable(name=data["name"], tiers=check_tiers(data["tiers"])))


@transaction.atomic
def update_increment_table(*, table: IncrementTable, data: Mapping[str, Any]) -> IncrementTable:
    """Change `name` or `tiers`. Auctions that are open keep theirs. Raises BadIncrementTiers, IncrementTableExists,
    NotFound."""
    locked = _lock(table.pk)
    for name, value in data.items():
        setattr(locked, name, check_tiers(value) if name == "tiers" else value)
    return _save(locked)


@transaction.atomic
def make_default(*, table: IncrementTable) -> IncrementTable:
    """From now on auctions go live with this table. All are locked before the present default is looked for, so of two
    who change it at once the second undoes what the first did. Raises NotFound."""
    tables = {row.pk: row for row in IncrementTable.objects.select_for_update(no_key=True).order_by("pk")}
    if table.pk not in tables:
        raise NotFound
    chosen = tables[table.pk]
    for row in sorted(tables.values(), key=lambda row: not row.is_default):  # The constraint knows one at any time.
        if row.is_default != (row is chosen):
            row.is_default = row is chosen
            row.save(update_fields=["is_default", "updated_at"])
    return chosen


@transaction.atomic
def delete_increment_table(*, table: IncrementTable) -> None:
    """Raises DefaultIncrementTable, NotFound."""
    locked = _lock(table.pk)
    if locked.is_default:
        raise DefaultIncrementTable
    locked.delete()


def _lock(pk: int) -> IncrementTable:
    locked = IncrementTable.objects.select_for_update().filter(pk=pk).first()
    if locked is None:
        raise NotFound
    return locked


def _save(table: IncrementTable) -> IncrementTable:
    """Save; the constraint alone decides who was first."""
    try:
        with transaction.atomic():
            table.save()
    except IntegrityError:
        existing = IncrementTable.objects.filter(name=table.name).exclude(pk=table.pk).first()
        if existing is not None:
            raise IncrementTableExists(attr="name", meta={"existing_id": existing.pk}) from None
        raise
    return table
