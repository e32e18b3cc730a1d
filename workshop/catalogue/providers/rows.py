"""What the adapters have in common: how an outside row's names become those of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cars.sync.providers.base import Record

NUMBERS = frozenset({"price", "height", "length", "depth", "supplier_stock"})
NAMES = NUMBERS | {"external_id", "name", "description", "category", "brand", "sku"}
ALIASES = {"id": "external_id", "title": "name", "stock": "supplier_stock", "width": "length"}
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z")


def name_of(column: str) -> str:
    """The catalogue's name of a column, in whatever case it comes; columns it does not know keep theirs."""
    name = column.strip().casefold()
    return ALIASES.get(name, name)


def product_record(row: Any, *, is_text: bool = False) -> Record:
    """The record of a row under the catalogue's names or their aliases. Dimensions may be in an object of their own, as
    DummyJSON has them. `is_text`: every value is text, numbers too, and a blank number is an absent one."""
    if not isinstance(row, Mapping):
        return Record(None, {}, row)
    dimensions = row.get("dimensions")
    flat = {**dimensions, **row} if isinstance(dimensions, Mapping) else row
    data = {name_of(column): value for column, value in flat.items() if name_of(column) in NAMES}
    if is_text:
        data |= {name: number_of(data[name]) for name in NUMBERS & data.keys()}
    return Record(data.pop("external_id", None), data, row)


def number_of(text: Any) -> object:
    """The number that a text shows, None for a blank one; what is no plain number stays, for the target to refuse."""
    stripped = text.strip() if isinstance(text, str) else text
    if stripped == "":
        return None
    return Decimal(stripped) if isinstance(stripped, str) and _NUMBER.match(stripped) else text
