"""The source `products`: how a record of any provider becomes a row of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cars.sync.clean import amount, long_text, text, whole_number
from cars.sync.providers.base import Record
from cars.sync.registry import BadRecord, Column, PageChanges, Row, SourceDefinition, Target
from common import clock
from common.text import natural_key
from workshop.models import Product
from workshop.models.products import KEY_LENGTH
from workshop.services.products import SYNC_SOURCE, carry_prices, review_prices

MOST_STOCK = 2**31 - 1
LONGEST_DESCRIPTION = 10_000


def clean_product(record: Record, now: datetime) -> Row:
    """The row of a record: a name without markup, a price from 0, measures and stock where they are given. Raises
    BadRecord."""
    data = record.data
    category = text(data, "category", longest=128, required=False)
    brand = text(data, "brand", longest=128, required=False)
    category_key, brand_key = natural_key(category), natural_key(brand)
    if max(len(category_key), len(brand_key)) > KEY_LENGTH:
        raise BadRecord("too_long", "category, brand")  # Normalising can make a text longer.
    stock = None if data.get("supplier_stock") is None else whole_number(data, "supplier_stock")
    if stock is not None and not 0 <= stock <= MOST_STOCK:
        raise BadRecord("out_of_range", "supplier_stock")
    measures = {side: amount(data, side, digits=10, required=False) for side in ("height", "length", "depth")}
    return {
        "name": text(data, "name", longest=200),
        "description": long_text(data, "description", longest=LONGEST_DESCRIPTION),
        "price": amount(data, "price", digits=12),
        "category": category,
        "brand": brand,
        "sku": text(data, "sku", longest=64, required=False),
        **measures,
        "supplier_stock": stock,
        "supplier_stock_at": None if stock is None else now,
        "category_key": category_key,
        "brand_key": brand_key,
    }


def _hold(rows: Sequence[Row], *, provider: str, run_id: int) -> Mapping[str, set[str]]:
    return review_prices(rows, provider=provider, run_id=run_id, now=clock.now())


def _changed(changes: PageChanges) -> None:
    carry_prices(product_ids=changes.updated, now=clock.now())


PRODUCTS = SourceDefinition(
    name=SYNC_SOURCE,
    setting="EXTERNAL_API_PROVIDER",
    providers={
        "file": "workshop.catalogue.providers.file.FileProducts",
        "dummyjson": "workshop.catalogue.providers.dummyjson.DummyJsonProducts",
        "csv": "workshop.catalogue.providers.csvlist.CsvProducts",
    },
    target=Target(
        model=Product,
        owner="provider",
        columns=[
            Column("name", lock="name"),
            Column("description", lock="description"),
            Column("price", lock="price"),
            Column("category", lock="category"),
            Column("brand", lock="brand"),
            Column("sku", lock="sku"),
            Column("height", lock="height"),
            Column("length", lock="length"),
            Column("depth", lock="depth"),
            Column("supplier_stock", lock="supplier_stock"),
            Column("supplier_stock_at", lock="supplier_stock", compared=False),
            Column("category_key", lock="category"),
            Column("brand_key", lock="brand"),
        ],
        clean=clean_product,
        hold=_hold,
        changed=_changed,
    ),
)
